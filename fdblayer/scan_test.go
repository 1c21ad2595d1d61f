package fdblayer

import (
	"context"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// TestScanBounds: a page that passes over too much, or takes too long, ends early and can be continued.
func TestScanBounds(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("list", object.Unversioned)
	l.fill("list", 3, 300)
	whole := l.objectScan(1, &ListObjects{KeysMax: 1000})
	scan := func(s keyScan) (found scanned) {
		t.Helper()
		_, err := l.read(t.Context(), operation{name: "test"}, func(ctx context.Context, x *txn) (err error) {
			found, err = x.scan(ctx, s)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	slow := l.objectScan(1, &ListObjects{KeysMax: 1000, Delimiter: "/"})
	key := slow.key
	slow.key = func(row kv.KeyValue) (object.Key, bool, error) {
		l.clock.advance(scanTimeMax / 100)
		return key(row)
	}
	if found := scan(slow); len(found.items) != 1 || !found.more || found.last.text != "folder-00000/" {
		t.Errorf("a slow page has %d items, more %t, last %q", len(found.items), found.more, found.last.text)
	}
	// Rows that are not listed, of which there seem to be more and more.
	looked := 0
	endless := whole
	endless.key = func(row kv.KeyValue) (object.Key, bool, error) {
		looked++
		return object.Key("x"), false, nil
	}
	if found := scan(endless); len(found.items) != 0 || found.more || looked != 900 {
		t.Errorf("a page of unlisted rows: %d items, more %t, %d rows", len(found.items), found.more, looked)
	}
	looked = 0
	many := &manyRows{Database: l.db, row: kv.KeyValue{Key: l.keys.List(1, "a")}}
	l.db = many
	if found := scan(endless); len(found.items) != 0 || !found.more || looked > scanUnlistedMax+object.ListKeysMax+1 {
		t.Errorf("a page of endless unlisted rows: %d items, more %t, %d rows", len(found.items), found.more, looked)
	}
	l.db = many.Database
}

// manyRows is a database whose snapshot ranges never end.
type manyRows struct {
	kv.Database
	row kv.KeyValue
}

type manyRowsTx struct {
	kv.Tx
	row kv.KeyValue
}

func (db *manyRows) Begin(o kv.TxOptions) kv.Tx { return &manyRowsTx{db.Database.Begin(o), db.row} }

func (tx *manyRowsTx) Snapshot() kv.Reader { return &manyRowsReader{tx.Tx.Snapshot(), tx.row} }

type manyRowsReader struct {
	kv.Reader
	row kv.KeyValue
}

func (r *manyRowsReader) GetRange(_ kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	page := kv.Page{Rows: make([]kv.KeyValue, o.Limit), More: true}
	for i := range page.Rows {
		page.Rows[i] = r.row
	}
	return ready{page}
}

type ready struct{ page kv.Page }

func (r ready) Get(context.Context) (kv.Page, error) { return r.page, nil }
