package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// RunOptions are the choices of one Run. The zero value is good.
type RunOptions struct {
	Tx TxOptions
	// Begin, if set, is asked for the read version of every attempt
	// (transactions that begin at a cached view). last is the error that
	// ended the previous attempt, nil before the first.
	Begin func(ctx context.Context, last error) (Version, error)
	// Evidence, if set, makes the transaction exactly-once. Without it an
	// unknown result ends Run with that error.
	Evidence Evidence
	// AttemptsMax bounds the attempts; 0 means DefaultAttemptsMax.
	AttemptsMax int
	// SettleTimeout bounds the settling of one unknown result, which goes on when
	// ctx has ended; 0 means DefaultSettleTimeout.
	SettleTimeout time.Duration
}

// Evidence lets Run find out whether a commit with an unknown result took
// effect (DESIGN §8).
type Evidence interface {
	// Mark declares and writes the evidence of one attempt: called first in each.
	Mark(tx Tx)
	// Settle finds out what became of the attempt last marked. It returns
	// (commit, true) if it took effect, false if it did not and never will;
	// an error if that can't be known. ctx outlives Run's own, with its values.
	Settle(ctx context.Context, cause error) (Commit, bool, error)
}

const (
	// DefaultAttemptsMax bounds the attempts of one Run.
	DefaultAttemptsMax = 32
	// DefaultSettleTimeout bounds the settling of one unknown result: long enough
	// for a database to recover, short enough for a client that waits.
	DefaultSettleTimeout = 10 * time.Second

	// The pause before attempt n is random, up to pauseFirst * 2^(n-1) and never above
	// pauseMax: 32 attempts take 13 s on average if all of them fail at once.
	pauseFirst = time.Millisecond
	pauseMax   = time.Second
)

// Run runs f in a transaction and commits it; after a conflict, a version too
// old or a busy database it does so again, after a jittered pause, as long as ctx and
// AttemptsMax allow. A full disk (ErrFull) is not waited for. f may run many times and must have no effects but those on
// tx and on variables that it assigns anew each time. An error of f ends Run, unless it
// is, or wraps, a retryable kv Error that a read returned. It is the only retry loop.
//
// Run's error says what became of the writes: when it is UnknownSettled or
// MayStillLand (look with KindOf before anything else) they may have taken effect; on every
// other error, those of ctx included, they have not and will not.
func Run(ctx context.Context, db Database, o RunOptions, f func(tx Tx) error) (Commit, error) {
	attemptsMax := o.AttemptsMax
	if attemptsMax <= 0 {
		attemptsMax = DefaultAttemptsMax
	}
	var last error
	for attempt := range attemptsMax {
		if attempt > 0 {
			pause(ctx, attempt)
		}
		if err := ctx.Err(); err != nil {
			return Commit{}, err
		}
		commit, err := runOnce(ctx, db, o, last, f)
		if err == nil {
			return commit, nil
		}
		var absent *absentError
		if errors.As(err, &absent) {
			last = absent.cause
			continue
		}
		if !Retryable(err) {
			return Commit{}, err
		}
		last = err
	}
	return Commit{}, &Error{Op: "kv.Run", Kind: exhaustedKind(last), Err: fmt.Errorf("%d attempts: %w", attemptsMax, hideUnknown(last))}
}

// absentError says that a commit with an unknown result is now known not to have taken
// effect. It never leaves Run.
type absentError struct{ cause error }

func (e *absentError) Error() string { return "settled: did not take effect: " + e.cause.Error() }

// exhaustedKind is the kind to report when the last attempt failed with err,
// which is known not to have taken effect.
func exhaustedKind(err error) ErrorKind {
	if k := KindOf(err); k == Conflict || k == TooOld {
		return k
	}
	return Busy
}

// hideUnknown keeps the text of an unknown result that was settled, and drops
// its kind, which is no longer true.
func hideUnknown(err error) error {
	if KindOf(err).Unknown() {
		return errors.New(err.Error())
	}
	return err
}

func runOnce(ctx context.Context, db Database, o RunOptions, last error, f func(tx Tx) error) (Commit, error) {
	options := o.Tx
	if o.Begin != nil {
		v, err := o.Begin(ctx, last)
		if err != nil {
			return Commit{}, err
		}
		options.ReadVersion = v
	}
	tx := db.Begin(options)
	defer tx.Cancel()
	if o.Evidence != nil {
		o.Evidence.Mark(tx)
	}
	if err := f(tx); err != nil {
		return Commit{}, err
	}
	commit, err := tx.Commit(ctx)
	if err == nil || !unknownResult(err) {
		return commit, err
	}
	if o.Evidence == nil {
		return Commit{}, asUnknown(err)
	}
	return settle(ctx, o, err)
}

// unknownResult reports whether a Commit's error leaves open what happened. An
// error that is neither typed nor a context's breaks the contract; it must not
// be taken for "nothing happened".
func unknownResult(err error) bool {
	k := KindOf(err)
	if k != 0 {
		return k.Unknown()
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func asUnknown(err error) error {
	if KindOf(err).Unknown() {
		return err
	}
	return &Error{Op: "kv.Run", Kind: MayStillLand, Err: err}
}

// settle looks for the evidence of a commit with an unknown result. It goes on when ctx
// has ended: whoever asked for the write may be told that it happened.
func settle(ctx context.Context, o RunOptions, cause error) (Commit, error) {
	timeout := o.SettleTimeout
	if timeout <= 0 {
		timeout = DefaultSettleTimeout
	}
	settleCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	commit, landed, err := o.Evidence.Settle(settleCtx, cause)
	switch {
	case err != nil:
		kind := KindOf(asUnknown(cause))
		// The text alone: the settling transaction's own kind (a conflict, say)
		// must not be taken for that of the write.
		return Commit{}, &Error{Op: "kv.Run", Kind: kind, Err: fmt.Errorf("can't settle (%v): %w", err, cause)}
	case landed:
		return commit, nil
	default:
		return Commit{}, &absentError{cause: cause}
	}
}

// pause waits before an attempt, at most until ctx ends.
func pause(ctx context.Context, attempt int) {
	bound := min(pauseFirst<<min(attempt-1, 20), pauseMax)
	timer := time.NewTimer(rand.N(bound) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
