package kv

import "fmt"

// ErrorKind says what the caller of a transaction may do about its failure. It
// is an error itself: errors.Is(err, kv.Conflict).
type ErrorKind uint8

// The kinds of failure.
const (
	// Conflict: the transaction did not take effect and never will, because
	// something it read was written. Run it again from a fresh version.
	Conflict ErrorKind = iota + 1
	// TooOld: it did not take effect; its read version is too old (or from the
	// future). Run it again from a fresh version.
	TooOld
	// Busy: it did not take effect; the database can't take it now. Wait, then
	// run it again.
	Busy
	// UnknownSettled: it has taken effect or never will; which of them is
	// not known. Look for its evidence.
	UnknownSettled
	// MayStillLand: it has taken effect, or may still do so later, or never
	// will. Fence its evidence, then look for it.
	MayStillLand
	// Fatal: it did not take effect, and will not when run again: a bug, a limit
	// passed, a broken or closed engine.
	Fatal
)

var errorKindNames = [...]string{
	Conflict:       "conflict",
	TooOld:         "read version too old",
	Busy:           "busy",
	UnknownSettled: "commit result unknown",
	MayStillLand:   "commit result unknown, may still land",
	Fatal:          "fatal",
}

func (k ErrorKind) Error() string {
	if int(k) < len(errorKindNames) && errorKindNames[k] != "" {
		return errorKindNames[k]
	}
	return fmt.Sprintf("kv error kind %d", uint8(k))
}

// Error is what engines return, except that a context's error passes as it is
// where nothing can have taken effect.
type Error struct {
	Op   string // "pebblekv.Commit"
	Kind ErrorKind
	Code int   // the engine's own code, 0 if it has none
	Err  error // cause; may be nil
}

func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.Error()
	if e.Code != 0 {
		s += fmt.Sprintf(" (%d)", e.Code)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
