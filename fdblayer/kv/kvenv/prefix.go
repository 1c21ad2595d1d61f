package kvenv

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// WithPrefix returns the part of a database whose keys begin with prefix, as a database of
// its own. The metadata version is that of the whole, and keys may be shorter by the prefix.
func WithPrefix(db kv.Database, prefix []byte) kv.Database {
	return below{db, slices.Clip(slices.Clone(prefix))}
}

type below struct {
	kv.Database
	prefix []byte
}

func (b below) key(k []byte) []byte { return append(b.prefix, k...) } // clipped: it is copied

func (b below) keys(r kv.Range) kv.Range { return kv.Range{Begin: b.key(r.Begin), End: b.key(r.End)} }

func (b below) Begin(o kv.TxOptions) kv.Tx {
	tx := b.Database.Begin(o)
	return &txBelow{Tx: tx, read: readerBelow{tx, b}, b: b}
}

func (b below) SplitPoints(ctx context.Context, r kv.Range, sizeBytes int64) ([][]byte, error) {
	points, err := b.Database.SplitPoints(ctx, b.keys(r), sizeBytes)
	for i := range points {
		points[i] = points[i][len(b.prefix):]
	}
	return points, err
}

func (b below) EstimatedSizeBytes(ctx context.Context, r kv.Range) (int64, error) {
	return b.Database.EstimatedSizeBytes(ctx, b.keys(r))
}

// readerBelow reads rows and takes the prefix off.
type readerBelow struct {
	r kv.Reader
	b below
}

func (r readerBelow) Get(key []byte) kv.Future[[]byte] { return r.r.Get(r.b.key(key)) }

func (r readerBelow) GetRange(keys kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return pageBelow{r.r.GetRange(r.b.keys(keys), o), len(r.b.prefix)}
}

type pageBelow struct {
	page   kv.Future[kv.Page]
	prefix int
}

func (p pageBelow) Get(ctx context.Context) (kv.Page, error) {
	page, err := p.page.Get(ctx)
	page.Rows = slices.Clone(page.Rows)
	for i := range page.Rows {
		page.Rows[i].Key = page.Rows[i].Key[p.prefix:]
	}
	return page, err
}

type txBelow struct {
	kv.Tx
	read readerBelow
	b    below
}

func (t *txBelow) Get(key []byte) kv.Future[[]byte] { return t.read.Get(key) }

func (t *txBelow) GetRange(r kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return t.read.GetRange(r, o)
}

func (t *txBelow) Snapshot() kv.Reader { return readerBelow{t.Tx.Snapshot(), t.b} }

func (t *txBelow) Set(key, value []byte)       { t.Tx.Set(t.b.key(key), value) }
func (t *txBelow) Clear(key []byte)            { t.Tx.Clear(t.b.key(key)) }
func (t *txBelow) ClearRange(r kv.Range)       { t.Tx.ClearRange(t.b.keys(r)) }
func (t *txBelow) AddReadConflict(r kv.Range)  { t.Tx.AddReadConflict(t.b.keys(r)) }
func (t *txBelow) AddWriteConflict(r kv.Range) { t.Tx.AddWriteConflict(t.b.keys(r)) }

// Atomic moves the place of a stamp in a key.
func (t *txBelow) Atomic(op kv.AtomicOp, key, operand []byte) {
	key = t.b.key(key)
	const offsetBytes = 4
	if at := len(key) - offsetBytes; op == kv.SetVersionstampedKey && at >= len(t.b.prefix) {
		if offset := int32(binary.LittleEndian.Uint32(key[at:])); offset >= 0 { // a bad one stays bad
			binary.LittleEndian.PutUint32(key[at:], uint32(offset)+uint32(len(t.b.prefix)))
		}
	}
	t.Tx.Atomic(op, key, operand)
}
