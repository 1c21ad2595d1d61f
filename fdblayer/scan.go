package fdblayer

import (
	"context"
	"strings"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	// scanSeekRows is what is read behind a common prefix of many keys: whether a neighbour follows, or another
	// one to seek behind, shows in a few rows, and the rest would be thrown away.
	scanSeekRows = 8
	// scanFirstRows is what is read first when keys may be rolled up.
	scanFirstRows = 128
	// scanGrowth is by how much reads grow while most rows are of use.
	scanGrowth = 4
	// scanUnlistedMax bounds the rows that a page looks at without listing them, such as tombstones.
	scanUnlistedMax = 20_000
	// scanTimeMax ends a page early, well before its version is too old. At 2 ms a seek that is more than
	// a full page of common prefixes.
	scanTimeMax = 2500 * time.Millisecond
)

// keyScan reads rows in the order of keys and rolls up those with a delimiter.
type keyScan struct {
	rows              kv.Range // what is left to read
	prefix, delimiter string
	max               int // keys and common prefixes to return
	// key is that of a row, and whether the row is listed.
	key func(row kv.KeyValue) (object.Key, bool, error)
	// behind is where the rows behind all keys with a prefix begin.
	behind func(prefix string) []byte
}

// scanItem is a row, or a common prefix, which stands for many.
type scanItem struct {
	text     string // key or common prefix
	rolledUp bool
	row      kv.KeyValue // none of a common prefix
}

// scanned is what a scan found.
type scanned struct {
	items []scanItem
	// more: something may be behind last, which is the last item or the last row looked at.
	more bool
	last scanItem
}

// rollUp is the common prefix that stands for a key; false if none does.
func (s *keyScan) rollUp(key string) (string, bool) {
	if s.delimiter == "" || !strings.HasPrefix(key, s.prefix) {
		return "", false
	}
	i := strings.Index(key[len(s.prefix):], s.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(s.prefix)+i+len(s.delimiter)], true
}

// scan reads at t's version until the page is full and one more item shows that there is one.
func (t *txn) scan(ctx context.Context, s keyScan) (scanned, error) {
	var found scanned
	if s.max <= 0 || len(s.prefix) > object.KeyMaxBytes {
		return found, nil
	}
	r := t.Snapshot() // one version is consistent, and nothing is written
	began, unlisted := t.l.elapsed(), 0
	limit := s.max + 1
	if s.delimiter != "" {
		limit = min(limit, scanFirstRows)
	}
	for {
		page, err := r.GetRange(s.rows, kv.RangeOptions{Limit: limit}).Get(ctx)
		if err != nil {
			return found, err
		}
		before := len(found.items)
		done, err := s.take(&found, page)
		if err != nil || done {
			return found, err
		}
		listed := len(found.items) - before
		unlisted += len(page.Rows) - listed
		if unlisted > scanUnlistedMax || t.l.elapsed()-began > scanTimeMax {
			found.more = true
			return found, nil
		}
		limit = min(limit*scanGrowth, object.ListKeysMax+1)
		switch {
		case 2*listed >= len(page.Rows):
			limit = min(limit, s.max+1-len(found.items))
		case found.last.rolledUp:
			limit = scanSeekRows
		}
		s.rows.Begin = append(page.Rows[len(page.Rows)-1].Key, 0)
		if found.last.rolledUp {
			s.rows = keys.From(s.rows, s.behind(found.last.text))
		}
	}
}

// take adds what a page has; true means that nothing is left to read.
func (s *keyScan) take(found *scanned, page kv.Page) (done bool, err error) {
	for _, row := range page.Rows {
		key, listed, err := s.key(row)
		if err != nil {
			return false, err
		}
		if found.last.rolledUp && strings.HasPrefix(string(key), found.last.text) {
			continue
		}
		item := scanItem{text: string(key), row: row}
		if listed {
			if prefix, ok := s.rollUp(string(key)); ok {
				item = scanItem{text: prefix, rolledUp: true}
			}
			if len(found.items) == s.max {
				found.more = true
				return true, nil
			}
			found.items = append(found.items, item)
		}
		found.last = item
	}
	return !page.More, nil
}
