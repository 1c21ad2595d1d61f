package fdblayer

import (
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
}

// conditionalAttemptsMax bounds the attempts of a conditional write: the client that loses so many
// races is told so (DESIGN §7) and decides itself.
const conditionalAttemptsMax = 6

// errNothing is what the function of a mutate or blind transaction returns when, at its
// read version, there is nothing to write. The transaction ends without a commit, successfully.
var errNothing = errors.New("nothing to write")

// txn is one attempt of a transaction. Its function may run many times: it must assign, never append, what
// it hands out, and may not keep the txn.
type txn struct {
	kv.Tx
	l *Layer
	// at is the version that the transaction reads at.
	at kv.ReadVersion
	// session is the one whose evidence the transaction leaves; nil in a read.
	session *session
	rows    uint16
	// references is what the transaction has done to references so far.
	references references
}

// commit is where a transaction took effect. A row's stamp is pending.Stamp(commit.Stamp).
type commit = kv.Commit

// mutate runs f exactly once, at a fresh read version, with evidence (DESIGN §8). For transactions that read
// rows. Errors of f end it, except those of reads that may be tried again. The commit returned after errNothing has
// the read version and no stamp. Errors are those of failure.
func (l *Layer) mutate(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (commit, error) {
	return l.transact(ctx, op, kv.RunOptions{}, f)
}

// blind runs f exactly once, at the view's version, for transactions that read no V, U or P row: any change of
// what they pin aborts them (DESIGN §7).
func (l *Layer) blind(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (commit, error) {
	o := kv.RunOptions{Begin: func(ctx context.Context, last error) (kv.Version, error) {
		if at, ok := l.view.recentVersion(); ok && last == nil {
			return at, nil
		}
		return l.view.refresh(ctx)
	}}
	return l.transact(ctx, op, o, f)
}

// transact is the body of mutate and blind.
func (l *Layer) transact(ctx context.Context, op operation, o kv.RunOptions, f func(context.Context, *txn) error) (commit, error) {
	e := &evidence{l: l}
	if op.lease != nil {
		op.lease.give()
		e.bound, e.lease = op.lease.session, op.lease
	}
	if err := l.enter(op); err != nil {
		e.end()
		if op.lease != nil && op.lease.session.lost.Load() {
			return commit{}, e.missing(op)
		}
		return commit{}, err
	}
	o.Evidence = e
	defer e.afterPanic()
	o.AttemptsMax = kv.DefaultAttemptsMax
	if op.conditional {
		o.AttemptsMax = conditionalAttemptsMax
	}
	if op.background {
		o.Tx.Priority = kv.Batch
	}
	blind := o.Begin != nil
	var last kv.Version
	done, err := kv.Run(ctx, l.db, o, func(tx kv.Tx) error {
		t := txn{Tx: tx, l: l, session: e.session}
		if err := t.begin(ctx, blind); err != nil {
			return err
		}
		if e.session == nil || e.session.lost.Load() {
			return e.missing(op)
		}
		last = t.at.Version
		t.AddReadConflict(e.session.pinned)
		t.AddReadConflict(l.guardRange)
		if op.lease != nil {
			t.AddReadConflict(l.groupRange(op.lease.group))
		}
		return f(ctx, &t)
	})
	e.end()
	if errors.Is(err, errNothing) {
		done, err = commit{Version: last}, nil
	}
	if err != nil {
		return commit{}, l.failure(op, e, err)
	}
	l.newest(done.Version)
	return done, nil
}

// begin fixes the read version, and brings the view there: what the view holds afterwards, also whether the
// session lives, held at the read version or became so later, and then the commit conflicts.
func (t *txn) begin(ctx context.Context, blind bool) (err error) {
	if t.at, err = t.ReadVersion().Get(ctx); err != nil || blind {
		return err // a blind transaction begins where the view was
	}
	return t.l.view.reach(ctx, t.at)
}

// read runs f at a fresh version, without a commit. f reads through t.Snapshot: one
// version is consistent by itself and nothing is written that could rely upon it.
func (l *Layer) read(ctx context.Context, op operation, f func(ctx context.Context, t *txn) error) (object.Token, error) {
	if err := l.enter(op); err != nil {
		return object.Token{}, err
	}
	o := kv.RunOptions{}
	if op.background {
		o.Tx.Priority = kv.Batch
	}
	var last kv.Version
	_, err := kv.Run(ctx, l.db, o, func(tx kv.Tx) error {
		t := txn{Tx: tx, l: l}
		if err := t.begin(ctx, false); err != nil {
			return err
		}
		last = t.at.Version
		return f(ctx, &t)
	})
	if err != nil {
		return object.Token{}, l.failure(op, nil, err)
	}
	l.newest(last)
	return l.token(last), nil
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
		t.AddReadConflict(b.pinned)
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
