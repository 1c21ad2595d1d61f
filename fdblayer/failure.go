package fdblayer

import (
	"context"
	"errors"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// failure makes of the error that ended a transaction what the caller may act
// on. e is nil for a read.
func (l *Layer) failure(op operation, e *evidence, err error) error {
	if e != nil && e.unknown {
		return &object.Error{Op: op.name, Kind: object.OutcomeUnknown, Ref: op.ref, Err: err}
	}
	var known *object.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err // it says what was found, or passes as it is
	}
	return &object.Error{Op: op.name, Kind: kindOf(op, err), Ref: op.ref, Err: err}
}

// kindOf is for errors after which the transaction did not take effect.
func kindOf(op operation, err error) object.Kind {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return object.Unavailable
	case errors.Is(err, kv.ErrFull):
		return object.Full
	case errors.Is(err, kv.Conflict):
		if op.conditional {
			return object.ConditionalConflict
		}
		return object.SlowDown
	case errors.Is(err, kv.Busy), errors.Is(err, kv.TooOld):
		return object.SlowDown
	case unknown(err): // of a transaction without evidence, which may be run again
		return object.Unavailable
	}
	return object.Internal
}
