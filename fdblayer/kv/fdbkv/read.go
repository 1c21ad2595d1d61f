//go:build fdb

package fdbkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/apple/foundationdb/bindings/go/src/fdb"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// future is a read that was issued. The first Get waits for the client in its own
// goroutine, the others for that one; a context that ends aborts the transaction, which wakes them all.
type future[T any] struct {
	tx   *transaction
	wait func() (T, error)

	once  sync.Once
	done  atomic.Bool
	value T
	err   error
}

// Get waits for the answer.
func (f *future[T]) Get(ctx context.Context) (T, error) {
	if !f.done.Load() {
		var none T
		if err := ctx.Err(); err != nil {
			f.tx.abort()
			return none, err
		}
		stop := watch(ctx, f.tx)
		f.once.Do(f.resolve)
		stop()
		if err := ctx.Err(); err != nil && isCancelled(f.err) {
			return none, err
		}
	}
	return f.value, f.err
}

// watch aborts the transaction if ctx ends before stop is called.
func watch(ctx context.Context, t *transaction) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, t.abort)
}

// resolve fetches the answer.
func (f *future[T]) resolve() {
	defer f.done.Store(true)
	wait := f.wait
	f.wait = nil // and the binding's future with it
	if !f.tx.enter() {
		f.err = fatal("Get", kv.CodeTransactionCancelled)
		return
	}
	f.value, f.err = wait()
	if !f.tx.leave() {
		var none T
		f.value, f.err = none, fatal("Get", kv.CodeTransactionCancelled)
	}
}

// shared is a read whose waiters know nothing of each other. A goroutine waits for all of them,
// at the latest until the transaction ends.
type shared[T any] struct {
	read     future[T]
	start    sync.Once
	answered chan struct{}
}

// Get waits for the answer.
func (s *shared[T]) Get(ctx context.Context) (T, error) {
	s.start.Do(func() {
		go func() {
			s.read.once.Do(s.read.resolve)
			close(s.answered)
		}()
	})
	select {
	case <-s.answered:
		return s.read.value, s.read.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func isCancelled(err error) bool {
	var e *kv.Error
	return errors.As(err, &e) && (e.Code == kv.CodeTransactionCancelled || e.Code == codeOperationCancelled)
}

// failed is a read that was never issued.
type failed[T any] struct{ err error }

func (f failed[T]) Get(context.Context) (T, error) {
	var none T
	return none, f.err
}

// readable says why the transaction can't read, nil if it can.
func (t *transaction) readable(op string) error {
	if t.err != nil {
		return t.err
	}
	if err := t.ended(op); err != nil {
		return err
	}
	return t.versionNeeded(op)
}

// Get reads one key.
func (t *transaction) Get(key []byte) kv.Future[[]byte] { return t.get(key, false) }

// GetRange reads rows.
func (t *transaction) GetRange(r kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return t.getRange(r, o, false)
}

// Snapshot reads without conflicts.
func (t *transaction) Snapshot() kv.Reader { return snapshot{t} }

type snapshot struct{ t *transaction }

func (s snapshot) Get(key []byte) kv.Future[[]byte] { return s.t.get(key, true) }

func (s snapshot) GetRange(r kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return s.t.getRange(r, o, true)
}

func (t *transaction) get(key []byte, snapshot bool) kv.Future[[]byte] {
	const op = "Get"
	if err := t.readable(op); err != nil {
		return failed[[]byte]{err}
	}
	var f fdb.FutureByteSlice
	if snapshot {
		f = t.tr.Snapshot().Get(fdb.Key(key))
	} else {
		f = t.tr.Get(fdb.Key(key))
	}
	return &future[[]byte]{tx: t, wait: func() ([]byte, error) {
		value, err := f.Get()
		t.db.counters.read(len(value))
		return value, readError(op, err)
	}}
}

// getRange says what it wants: a limit is asked for exactly, and without one the client sends
// pages as great as it has them, of which the binding fetches all.
func (t *transaction) getRange(r kv.Range, o kv.RangeOptions, snapshot bool) kv.Future[kv.Page] {
	const op = "GetRange"
	if err := t.readable(op); err != nil {
		return failed[kv.Page]{err}
	}
	if bytes.Compare(r.Begin, r.End) > 0 { // the client answers that nothing is there
		return failed[kv.Page]{fatal(op, kv.CodeInvertedRange)}
	}
	if o.Limit < 0 {
		return failed[kv.Page]{fatal(op, codeRangeLimitsInvalid)}
	}
	options := fdb.RangeOptions{Mode: fdb.StreamingModeWantAll, Reverse: o.Reverse}
	if o.Limit > 0 {
		options.Mode, options.Limit = fdb.StreamingModeExact, o.Limit
	}
	var rows fdb.RangeResult
	if snapshot {
		rows = t.tr.Snapshot().GetRange(keyRange(r), options)
	} else {
		rows = t.tr.GetRange(keyRange(r), options)
	}
	return &future[kv.Page]{tx: t, wait: func() (kv.Page, error) {
		found, err := rows.GetSliceWithError()
		if err != nil {
			t.db.counters.read(0)
			return kv.Page{}, readError(op, err)
		}
		p := kv.Page{Rows: make([]kv.KeyValue, len(found)), More: o.Limit > 0 && len(found) == o.Limit}
		size := 0
		for i, row := range found {
			p.Rows[i] = kv.KeyValue{Key: row.Key, Value: row.Value}
			size += len(row.Key) + len(row.Value)
		}
		t.db.counters.read(size)
		return p, nil
	}}
}

// ReadVersion asks for both parts at once: the client answers the read of the metadata version
// from the reply to the request for the read version. It is a snapshot read since a bump is no conflict: what it
// changes is read from the log, with conflicts of its own.
func (t *transaction) ReadVersion() kv.Future[kv.ReadVersion] {
	const op = "ReadVersion"
	if err := t.readable(op); err != nil {
		return failed[kv.ReadVersion]{err}
	}
	if t.version != nil {
		return t.version
	}
	if t.bumped {
		return failed[kv.ReadVersion]{fatal(op, kv.CodeAccessedUnreadable)}
	}
	version := t.tr.GetReadVersion()
	metadata := t.tr.Snapshot().Get(metadataVersionKey)
	if t.options.ReadVersion == 0 {
		t.db.counters.readVersions.Add(1)
	}
	t.version = &shared[kv.ReadVersion]{answered: make(chan struct{}), read: future[kv.ReadVersion]{tx: t, wait: func() (kv.ReadVersion, error) {
		v, err := version.Get()
		if err != nil {
			return kv.ReadVersion{}, readError(op, err)
		}
		stamp, err := metadata.Get()
		if err != nil {
			return kv.ReadVersion{}, readError(op, err)
		}
		answer := kv.ReadVersion{Version: kv.Version(v)}
		if n := copy(answer.Metadata[:], stamp); n != len(stamp) || n != 0 && n != len(answer.Metadata) {
			return answer, &kv.Error{Op: "fdbkv." + op, Kind: kv.Fatal, Err: fmt.Errorf("the metadata version has %d bytes", len(stamp))}
		}
		return answer, nil
	}}}
	return t.version
}

// splitPoints is the read of DB.SplitPoints.
func (t *transaction) splitPoints(r kv.Range, sizeBytes int64) kv.Future[[][]byte] {
	const op = "SplitPoints"
	if err := t.readable(op); err != nil {
		return failed[[][]byte]{err}
	}
	if bytes.Compare(r.Begin, r.End) > 0 {
		return failed[[][]byte]{fatal(op, kv.CodeInvertedRange)}
	}
	f := t.tr.GetRangeSplitPoints(keyRange(r), max(1, sizeBytes))
	return &future[[][]byte]{tx: t, wait: func() ([][]byte, error) {
		found, err := f.Get()
		if err != nil {
			return nil, readError(op, err)
		}
		points := [][]byte{r.Begin}
		for _, k := range found {
			if bytes.Compare(k, points[len(points)-1]) > 0 && bytes.Compare(k, r.End) < 0 {
				points = append(points, k)
			}
		}
		return append(points, r.End), nil
	}}
}

// estimatedSize is the read of DB.EstimatedSizeBytes.
func (t *transaction) estimatedSize(r kv.Range) kv.Future[int64] {
	const op = "EstimatedSizeBytes"
	if err := t.readable(op); err != nil {
		return failed[int64]{err}
	}
	if bytes.Compare(r.Begin, r.End) > 0 {
		return failed[int64]{fatal(op, kv.CodeInvertedRange)}
	}
	f := t.tr.GetEstimatedRangeSizeBytes(keyRange(r))
	return &future[int64]{tx: t, wait: func() (int64, error) {
		size, err := f.Get()
		return size, readError(op, err)
	}}
}
