package fdblayer

import (
	"context"
	"errors"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// evidence leaves a row for each attempt of a transaction, so that an unknown result is looked
// up, never guessed (DESIGN §8). It implements kv.Evidence and is used by one goroutine.
type evidence struct {
	l *Layer
	// leases are of the blobs that the attempt refers to for the first time.
	leases []*BlobLease

	// session and n are of the attempt last marked. session is nil when there is none that could
	// make one, n is 0 when no outcome is awaited.
	session *session
	n       uint64
	// unknown: the outcome could not be found out, and was left, with the leases, to the session's heartbeat.
	unknown bool
}

// Mark implements kv.Evidence. The number is new for each attempt: one that was fenced can never be used again.
func (e *evidence) Mark(tx kv.Tx) {
	e.forget()
	e.session = e.l.session.Load()
	if e.session == nil || e.session.lost.Load() {
		e.session = nil
		return
	}
	if e.n = e.session.beginAttempt(); e.n == 0 {
		e.session = nil
		return
	}
	row := e.l.keys.Evidence(e.session.id, e.n)
	// First the conflict, then the row: a conflict on a key that the transaction has written is dropped.
	tx.AddReadConflict(keys.Only(row))
	tx.Atomic(kv.SetVersionstampedValue, row, keys.EncodeEvidenceOperand(keys.Pending{Era: e.l.era}))
}

// forget ends the attempt last marked, whose outcome is known.
func (e *evidence) forget() {
	if e.n != 0 {
		e.session.endAttempt(e.n)
		e.n = 0
	}
}

// afterPanic is deferred: when a panic passes by, nobody has looked what became of the attempt, so the heartbeat
// settles it. Otherwise it would stay open, with its leases, for as long as the session lives.
func (e *evidence) afterPanic() {
	if e.n != 0 && !e.unknown {
		e.unknown = true
		e.session.leave(e.attempt(true))
	}
}

// endLeases is for when the outcome is known. While it is not, they stay: the low-water mark must not pass a commit
// that may be there.
func (e *evidence) endLeases() {
	for _, b := range e.leases {
		b.end()
	}
}

// attempt is the one last marked, to be settled.
func (e *evidence) attempt(mayLand bool) attempt {
	return attempt{session: e.session, n: e.n, leases: e.leases, mayLand: mayLand}
}

// Settle implements kv.Evidence. kv.Run gives it time beyond the caller's own deadline: who asked for the
// commit must learn whether its chunks may be deleted.
func (e *evidence) Settle(ctx context.Context, cause error) (kv.Commit, bool, error) {
	a := e.attempt(!errors.Is(cause, kv.UnknownSettled))
	c, done, err := e.l.settle(ctx, &a)
	if err != nil {
		e.unknown = true
		e.session.leave(a)
	}
	e.l.metrics.settled(done, err)
	return c, done, err
}

// attempt is one whose outcome is to be found out.
type attempt struct {
	session *session
	n       uint64
	leases  []*BlobLease
	// mayLand: the commit may still take effect. False once its evidence was fenced.
	mayLand bool
}

// fenceAttemptsMax bounds the attempts to fence an attempt's evidence.
const fenceAttemptsMax = 10

// settle finds out whether an attempt took effect. It declares nothing but one write conflict, so
// that a session that was fenced can settle too.
func (l *Layer) settle(ctx context.Context, a *attempt) (kv.Commit, bool, error) {
	row := l.keys.Evidence(a.session.id, a.n)
	for i := 0; a.mayLand; i++ {
		// The original has a read conflict on the row from before this commit: from here on it can't commit.
		_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) error {
			tx.AddWriteConflict(keys.Only(row))
			return nil
		})
		switch {
		case err == nil:
			a.mayLand = false
		case !unknown(err) || i == fenceAttemptsMax || ctx.Err() != nil:
			return kv.Commit{}, false, err
		}
	}
	var c kv.Commit
	var done bool
	_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		r := tx.Snapshot() // one version, and nothing is written
		found, alive, fenced := r.Get(row), r.Get(a.session.row), r.Get(l.keys.Fenced(a.session.id))
		value, err := found.Get(ctx)
		if err != nil {
			return err
		}
		if value != nil {
			var stamp object.Stamp
			stamp, err = keys.DecodeEvidence(value)
			c, done = keys.CommitOf(stamp), true
			return err
		}
		c, done = kv.Commit{}, false
		for _, f := range [...]kv.Future[[]byte]{alive, fenced} {
			if value, err = f.Get(ctx); err != nil || value != nil {
				return err
			}
		}
		// Fenced and swept: the evidence was cleared with the session's C row.
		return errSwept
	})
	return c, done, err
}

var errSwept = errors.New("the session was fenced and its evidence is cleared")

// unknown reports whether a commit's result is not known.
func unknown(err error) bool {
	return errors.Is(err, kv.UnknownSettled) || errors.Is(err, kv.MayStillLand)
}
