package fdblayer

import (
	"bytes"
	"context"
	"errors"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// operation says what a transaction is for.
type operation struct {
	// name is the Op of its errors: "fdblayer.PutObject".
	name string
	ref  object.Ref
	// lease is that of the blob that the transaction refers to for the first time. It
	// ties the transaction to the session that wrote the blob, and ends when the outcome is settled.
	lease *BlobLease
	// conditional: a lost race that repeats is ConditionalConflict, not SlowDown.
	conditional bool
	// background: batch priority.
	background bool
	// sizeBytes estimates what a blind transaction writes, to bound what is put together.
	sizeBytes int
}

func (op operation) priority() kv.Priority {
	if op.background {
		return kv.Batch
	}
	return kv.Default
}

// noSession is the error when no session can make the attempt.
func (op operation) noSession() error {
	kind := object.Unavailable
	if op.lease != nil && op.lease.session.lost.Load() {
		kind = object.SessionLost
	}
	return &object.Error{Op: op.name, Kind: kind, Ref: op.ref, Err: errNoSession}
}

// conditionalAttemptsMax bounds the attempts of a conditional write: the client that loses so many
// races is told so (DESIGN §7) and decides itself.
const conditionalAttemptsMax = 6

// errNothing is what the function of a mutate or blind transaction returns when, at its
// read version, there is nothing to write. The transaction ends without a commit, successfully.
var errNothing = errors.New("nothing to write")

// txn is one attempt of a transaction. Its function may run many times: it must assign, never append, what
// it hands out, and may not keep the txn. In a combined transaction the functions of several requests write to
// one txn, one after the other.
type txn struct {
	kv.Tx
	l *Layer
	// at is the version that the transaction reads at.
	at kv.Version
	// session is the one whose evidence the transaction leaves; nil in a read.
	session *session
	rows    uint16
	// pins are the begins of the pinned ranges declared so far.
	pins [][]byte
	// references is what the transaction has done to references so far.
	references references
}

// commit is where a transaction took effect. A row's stamp is pending.Stamp(commit.Stamp).
type commit = kv.Commit

// mutate runs f exactly once, at a fresh read version, with evidence (DESIGN §8). For transactions that read
// rows. Errors of f end it, except those of reads that may be tried again. The commit returned after errNothing has
// the read version and no stamp. Errors are those of failure.
func (l *Layer) mutate(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (commit, error) {
	return l.transact(ctx, op, l.fresh(op.priority()), f)
}

// blind runs f exactly once, at the view's version, for transactions that read no V, U or P row: any change of
// what they pin aborts them (DESIGN §7). It may be put together with others (combiner).
func (l *Layer) blind(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (commit, error) {
	if l.combiner == nil {
		return l.transact(ctx, op, l.pinned(false), f)
	}
	return l.combiner.run(ctx, op, f)
}

// beginning chooses the read version of an attempt. last is what ended the attempt before, nil for the first.
type beginning func(ctx context.Context, last error) (kv.Version, error)

// fresh begins each attempt at a version asked for after the attempt began, and brings the view there: what the view holds
// afterwards, also whether the session lives, held at that version or became so later, and then the commit conflicts.
func (l *Layer) fresh(p kv.Priority) beginning {
	return func(ctx context.Context, _ error) (kv.Version, error) {
		at, err := l.versions[p].get(ctx)
		if err != nil {
			return 0, err
		}
		return at.Version, l.view.reach(ctx, at)
	}
}

// pinned begins where the view is, if that is recent; after a failed attempt, or with anew, the view is refreshed first.
func (l *Layer) pinned(anew bool) beginning {
	return func(ctx context.Context, last error) (kv.Version, error) {
		if at, ok := l.view.recentVersion(); ok && last == nil && !anew {
			return at, nil
		}
		return l.view.refresh(ctx)
	}
}

// transact is the body of mutate and blind.
func (l *Layer) transact(ctx context.Context, op operation, begin beginning, f func(context.Context, *txn) error) (commit, error) {
	e := &evidence{l: l}
	if op.lease != nil {
		op.lease.give()
		e.leases = []*BlobLease{op.lease}
	}
	if err := l.enter(op); err != nil {
		e.endLeases()
		if op.lease != nil && op.lease.session.lost.Load() {
			return commit{}, op.noSession()
		}
		return commit{}, err
	}
	done, err := l.run(ctx, e, op, begin, func(t *txn) error { return t.include(ctx, op, f) })
	if !e.unknown {
		e.endLeases()
	}
	if err != nil {
		return commit{}, l.failure(op, e, err)
	}
	return done, nil
}

// run runs f with evidence, for one request or several. Its errors are those of kv.Run: e.unknown says whether the outcome
// could not be found out.
func (l *Layer) run(ctx context.Context, e *evidence, op operation, begin beginning, f func(t *txn) error) (commit, error) {
	defer e.afterPanic()
	var at kv.Version
	o := l.runOptions(op, begin, &at)
	o.Evidence = e
	done, err := kv.Run(ctx, l.db, o, func(tx kv.Tx) error {
		return f(&txn{Tx: tx, l: l, at: at, session: e.session})
	})
	if !e.unknown {
		e.forget()
	}
	switch {
	case errors.Is(err, errNothing):
		done = commit{Version: at}
	case err != nil:
		l.metrics.failed(err)
		return commit{}, err
	default:
		l.metrics.commits.Add(1)
	}
	l.newest(done.Version)
	return done, nil
}

// runOptions are those of an operation. at is set to the read version of each attempt before it runs.
func (l *Layer) runOptions(op operation, begin beginning, at *kv.Version) kv.RunOptions {
	o := kv.RunOptions{
		Tx: kv.TxOptions{Priority: op.priority()},
		Begin: func(ctx context.Context, last error) (v kv.Version, err error) {
			l.metrics.retried(last)
			*at, err = begin(ctx, last)
			return *at, err
		},
	}
	if op.conditional {
		o.AttemptsMax = conditionalAttemptsMax
	}
	return o
}

// include declares what a request's part of the transaction relies on, and has f write it.
func (t *txn) include(ctx context.Context, op operation, f func(context.Context, *txn) error) error {
	// A blob is committed only under the session that wrote it. Sessions are replaced only when they are lost.
	if t.session == nil || t.session.lost.Load() || op.lease != nil && op.lease.session != t.session {
		return op.noSession()
	}
	t.pin(t.session.pinned)
	t.pin(t.l.guardRange)
	if op.lease != nil {
		t.pin(t.l.groupRange(op.lease.group))
	}
	return f(ctx, t)
}

// pin makes the commit conflict with every change of a pinned row. Requests that were put together mostly rely on the
// same rows: each is declared once.
func (t *txn) pin(r kv.Range) {
	for _, begin := range t.pins {
		if bytes.Equal(begin, r.Begin) {
			return
		}
	}
	t.pins = append(t.pins, r.Begin)
	t.AddReadConflict(r)
}

// read runs f at a fresh version, without a commit. f reads through t.Snapshot: one
// version is consistent by itself and nothing is written that could rely upon it.
func (l *Layer) read(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (object.Token, error) {
	if err := l.enter(op); err != nil {
		return object.Token{}, err
	}
	var at kv.Version
	_, err := kv.Run(ctx, l.db, l.runOptions(op, l.fresh(op.priority()), &at), func(tx kv.Tx) error {
		return f(ctx, &txn{Tx: tx, l: l, at: at})
	})
	if err != nil {
		return object.Token{}, l.failure(op, nil, err)
	}
	l.newest(at)
	return l.token(at), nil
}

// bucket finds a bucket by name; NoSuchBucket is said only of a view that was refreshed
// after the request arrived. A transaction that writes conflicts with every change of the bucket.
func (t *txn) bucket(ctx context.Context, name object.BucketName) (*pinnedBucket, error) {
	b, err := t.l.view.bucket(ctx, name)
	if err == nil && b == nil {
		// The view of a blind transaction may be older than the request.
		if _, err = t.l.view.refresh(ctx); err == nil {
			b, err = t.l.view.bucket(ctx, name)
		}
	}
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, &object.Error{Op: "fdblayer.bucket", Kind: object.NoSuchBucket, Ref: object.Ref{Bucket: name}}
	}
	if t.session != nil {
		t.pin(b.pinned)
	}
	return b, nil
}

// pending is the place of the next row of the commit that has a stamp.
func (t *txn) pending() keys.Pending {
	t.rows++
	return keys.Pending{Era: t.l.era, Row: t.rows - 1}
}

// change says in the config log that the transaction changes these pinned rows.
func (t *txn) change(rows ...[]byte) { t.l.logChange(t, t.pending(), rows...) }

// event gives the reaper something to look at.
func (t *txn) event(shard int, e keys.Event) {
	t.Atomic(kv.SetVersionstampedKey, t.l.keys.QueueEntryOperand(shard, keys.Events, t.pending()), keys.EncodeEvent(e))
}

// hidden says that rows of a key may be hidden now.
func (t *txn) hidden(b object.BucketID, k object.Key) {
	t.event(keys.ShardOfKey(b, k), keys.Event{Bucket: b, Key: k})
}

// trash puts a blob, or an upload with its parts, into the trash: its last user is gone.
func (t *txn) trash(shard int, x keys.Trash) {
	t.Atomic(kv.SetVersionstampedKey, t.l.keys.QueueEntryOperand(shard, keys.Trashes, t.pending()), keys.EncodeTrash(x))
}

// count adds to the counters of a key's slice: version rows (purges are not counted) and their sizes.
func (t *txn) count(b object.BucketID, k object.Key, rows, bytes int64) {
	slice := keys.CounterSlice(k)
	t.Atomic(kv.Add, t.l.keys.Counter(slice, b, keys.CountVersions), keys.EncodeCount(rows))
	if bytes != 0 {
		t.Atomic(kv.Add, t.l.keys.Counter(slice, b, keys.CountBytes), keys.EncodeCount(bytes))
	}
}

// token is for a response that reflects the database up to a version.
func (l *Layer) token(v kv.Version) object.Token {
	return object.Token{Cluster: l.cluster, Era: l.era, Version: int64(v)}
}
