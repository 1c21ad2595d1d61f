package kvfault

import (
	"context"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// tx is a transaction that may meet faults. Methods that it doesn't override
// are the wrapped transaction's.
type tx struct {
	kv.Tx
	db     *DB
	writes bool
	gone   bool // the wrapped transaction belongs to a late commit
	used   bool
}

func (t *tx) Set(key, value []byte)            { t.writes = true; t.Tx.Set(key, value) }
func (t *tx) Clear(key []byte)                 { t.writes = true; t.Tx.Clear(key) }
func (t *tx) ClearRange(r kv.Range)            { t.writes = true; t.Tx.ClearRange(r) }
func (t *tx) AddWriteConflict(r kv.Range)      { t.writes = true; t.Tx.AddWriteConflict(r) }
func (t *tx) BumpMetadataVersion()             { t.writes = true; t.Tx.BumpMetadataVersion() }
func (t *tx) Get(key []byte) kv.Future[[]byte] { return faulty(t.db, t.Tx.Get(key)) }

func (t *tx) Atomic(op kv.AtomicOp, key, operand []byte) {
	t.writes = true
	t.Tx.Atomic(op, key, operand)
}

func (t *tx) GetRange(r kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return faulty(t.db, t.Tx.GetRange(r, o))
}

func (t *tx) ReadVersion() kv.Future[kv.ReadVersion] { return faulty(t.db, t.Tx.ReadVersion()) }

func (t *tx) Snapshot() kv.Reader { return reader{Reader: t.Tx.Snapshot(), db: t.db} }

// reader is the snapshot reader.
type reader struct {
	kv.Reader
	db *DB
}

func (r reader) Get(key []byte) kv.Future[[]byte] { return faulty(r.db, r.Reader.Get(key)) }

func (r reader) GetRange(rg kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return faulty(r.db, r.Reader.GetRange(rg, o))
}

// future is an answer that fails or takes long. What happens was decided when
// the read was issued.
type future[T any] struct {
	kv.Future[T]
	err   error
	pause time.Duration
}

func faulty[T any](db *DB, f kv.Future[T]) kv.Future[T] {
	fault, pause := db.chooseRead()
	switch fault {
	case TooOld:
		return future[T]{err: failure("Get", kv.TooOld, kv.CodeTransactionTooOld)}
	case Busy:
		return future[T]{err: failure("Get", kv.Busy, kv.CodeProcessBehind)}
	case Fatal:
		return future[T]{err: failure("Get", kv.Fatal, 0)}
	case Slow:
		return future[T]{Future: f, pause: pause}
	default:
		return f
	}
}

func (f future[T]) Get(ctx context.Context) (T, error) {
	var zero T
	if f.err != nil {
		return zero, f.err
	}
	timer := time.NewTimer(f.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return f.Future.Get(ctx)
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

func failure(op string, kind kv.ErrorKind, code int) error {
	return &kv.Error{Op: "kvfault." + op, Kind: kind, Code: code}
}

// Commit commits, or does what was chosen instead.
func (t *tx) Commit(ctx context.Context) (kv.Commit, error) {
	t.db.step()
	if t.used || !t.writes || ctx.Err() != nil {
		return t.Tx.Commit(ctx)
	}
	t.used = true
	fault := t.db.chooseCommit()
	switch fault {
	case Conflict:
		return t.refuse(kv.Conflict, kv.CodeNotCommitted)
	case TooOld:
		return t.refuse(kv.TooOld, kv.CodeTransactionTooOld)
	case Busy:
		return t.refuse(kv.Busy, kv.CodeProcessBehind)
	case Fatal:
		return t.refuse(kv.Fatal, 0)
	case SettledAbsent:
		return t.refuse(kv.UnknownSettled, kv.CodeCommitUnknownResult)
	case Lost:
		return t.refuse(kv.MayStillLand, kv.CodeTransactionTimedOut)
	case SettledCommitted, Landed:
		return t.hide(ctx, fault)
	case Late:
		t.gone = true
		t.db.putOff(ctx, t.Tx)
		return kv.Commit{}, failure("Commit", kv.MayStillLand, kv.CodeTransactionTimedOut)
	case Jump:
		t.db.jump(ctx)
	}
	return t.Tx.Commit(ctx)
}

// refuse ends the transaction without effect.
func (t *tx) refuse(kind kv.ErrorKind, code int) (kv.Commit, error) {
	t.Tx.Cancel()
	return kv.Commit{}, failure("Commit", kind, code)
}

// hide commits and does not say so. A commit that fails says how.
func (t *tx) hide(ctx context.Context, f Fault) (kv.Commit, error) {
	if c, err := t.Tx.Commit(ctx); err != nil {
		return c, err
	}
	if f == Landed {
		return kv.Commit{}, failure("Commit", kv.MayStillLand, kv.CodeTransactionTimedOut)
	}
	return kv.Commit{}, failure("Commit", kv.UnknownSettled, kv.CodeCommitUnknownResult)
}

// Cancel drops the transaction, unless it was committed or may still land.
func (t *tx) Cancel() {
	if !t.gone {
		t.Tx.Cancel()
	}
}
