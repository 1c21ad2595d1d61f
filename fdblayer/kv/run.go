package kv

import (
	"context"
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
}

// Evidence lets Run find out whether a commit with an unknown result took
// effect (DESIGN §8).
type Evidence interface {
	// Mark declares and writes the evidence of one attempt: called first in each.
	Mark(tx Tx)
	// Settle finds out what became of the attempt last marked. It returns
	// (commit, true) if it took effect, false if it did not and never will;
	// an error if that can't be known.
	Settle(ctx context.Context, cause error) (Commit, bool, error)
}

// DefaultAttemptsMax bounds the attempts of one Run.
const DefaultAttemptsMax = 32

// Run runs f in a transaction and commits it; after a conflict, a version too
// old or a busy database it does so again, after a jittered pause, as long as ctx and
// AttemptsMax allow. f may run many times and must have no effects but those on
// tx and on variables that it assigns anew each time. An error of f ends Run, unless it
// is a retryable kv Error that a read returned. It is the only retry loop.
func Run(ctx context.Context, db Database, o RunOptions, f func(tx Tx) error) (Commit, error) {
	panic("being written")
}
