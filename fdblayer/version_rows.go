package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// versionsPage bounds the version rows read together: a row holds at most some KiB.
const versionsPage = 64

// walk reads a key's version rows newest first and calls f with each that counts, until f returns
// false. Read serializably, it conflicts with every change from the newest row down to the last one seen.
// r is a transaction or its snapshot.
func (l *Layer) walk(ctx context.Context, r kv.Reader, b *pinnedBucket, k object.Key, f func(v *object.Version) bool) error {
	rows := l.keys.Versions(b.ID, k)
	return l.walkPages(ctx, r, rows, r.GetRange(rows, firstPage(b)), walker{b: b, key: k, f: f})
}

// firstPage is what to read first: most keys need one row. Behind a purge something that
// counts can be only if the bucket has ever kept versions.
func firstPage(b *pinnedBucket) kv.RangeOptions {
	if b.EverVersioned {
		return kv.RangeOptions{Limit: 2, Reverse: true}
	}
	return kv.RangeOptions{Limit: 1, Reverse: true}
}

// walker is what walkPages does with the rows.
type walker struct {
	b    *pinnedBucket
	key  object.Key
	seen visibility
	f    func(v *object.Version) bool
}

// walkPages is walk with the first page already asked for.
func (l *Layer) walkPages(ctx context.Context, r kv.Reader, rows kv.Range, first kv.Future[kv.Page], w walker) error {
	for {
		page, err := first.Get(ctx)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			v, err := l.decodeVersion(w.key, row)
			if err != nil {
				return err
			}
			if w.seen.counts(v.Kind) && !w.f(&v) {
				return nil
			}
		}
		if !page.More || w.seen.nullPassed && !w.b.EverVersioned {
			return nil // at the end, or what follows are null rows that are hidden
		}
		rows.End = page.Rows[len(page.Rows)-1].Key
		first = r.GetRange(rows, kv.RangeOptions{Limit: versionsPage, Reverse: true})
	}
}

func (l *Layer) decodeVersion(k object.Key, row kv.KeyValue) (object.Version, error) {
	_, _, stamp, err := l.keys.ParseVersion(row.Key)
	if err != nil {
		return object.Version{}, err
	}
	return keys.DecodeVersion(k, stamp, row.Value)
}

// current finds the current version of a key, nil if there is none or it is a delete marker.
func (l *Layer) current(ctx context.Context, r kv.Reader, b *pinnedBucket, k object.Key) (current *object.Version, err error) {
	err = l.walk(ctx, r, b, k, func(v *object.Version) bool {
		if v.Kind.HasContent() {
			current = v
		}
		return false
	})
	return current, err
}
