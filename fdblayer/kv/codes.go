package kv

import "errors"

// Codes of failures that every engine reports alike: FoundationDB's numbers
// ("Error Codes" in its API reference). All of these are Fatal, except for those named
// otherwise.
const (
	CodeTransactionTooOld      = 1007 // TooOld
	CodeFutureVersion          = 1009 // TooOld: the version was never handed out
	CodeNotCommitted           = 1020 // Conflict
	CodeCommitUnknownResult    = 1021 // UnknownSettled
	CodeTransactionCancelled   = 1025 // MayStillLand from Commit, else Fatal
	CodeTransactionTimedOut    = 1031 // MayStillLand
	CodeProcessBehind          = 1037 // Busy
	CodeAccessedUnreadable     = 1036
	CodeClientInvalidOperation = 2000
	CodeKeyOutsideLegalRange   = 2004
	CodeInvertedRange          = 2005
	CodeUsedDuringCommit       = 2017
	CodeTransactionTooLarge    = 2101
	CodeKeyTooLarge            = 2102
	CodeValueTooLarge          = 2103
)

// ErrFull is the cause of a Busy or Fatal error when the database has no space for new
// bytes. Reading goes on. Busy: space that becomes free is used again. Fatal: only a restart helps.
var ErrFull = errors.New("no space left for metadata")

// Unknown reports whether a commit that failed like this may have taken effect.
func (k ErrorKind) Unknown() bool { return k == UnknownSettled || k == MayStillLand }

// KindOf returns the kind of a kv error, however wrapped, and 0 for every other
// error. When several kinds are wrapped the most careful one counts.
func KindOf(err error) ErrorKind {
	for _, k := range [...]ErrorKind{MayStillLand, UnknownSettled, Fatal, Busy, TooOld, Conflict} {
		if errors.Is(err, k) {
			return k
		}
	}
	return 0
}

// Retryable reports whether a transaction that failed like this did not take
// effect and may succeed when run again.
func Retryable(err error) bool {
	k := KindOf(err)
	return (k == Conflict || k == TooOld || k == Busy) && !errors.Is(err, ErrFull)
}
