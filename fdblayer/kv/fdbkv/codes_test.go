//go:build fdb

package fdbkv

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apple/foundationdb/bindings/go/src/fdb"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// TestCodes looks at every code that FoundationDB's client can give: the kind for a read and for
// a commit, and that the table has no code that FoundationDB hasn't.
func TestCodes(t *testing.T) {
	listed := map[int]bool{}
	for _, c := range clientCodes {
		listed[c.code] = true
		cause := fmt.Errorf("wrapped: %w", fdb.Error{Code: c.code})
		checkCode(t, c.name+" of a read", readError("Get", cause), c.read, c.code)
		checkCode(t, c.name+" of a commit", commitError("Commit", cause), c.commit, c.code)
	}
	for code := range meanings {
		if !listed[code] {
			t.Errorf("the table has %d, which FoundationDB does not", code)
		}
	}
}

func checkCode(t *testing.T, what string, err error, want kv.ErrorKind, code int) {
	t.Helper()
	var e *kv.Error
	if !errors.As(err, &e) || e.Kind != want || e.Code != code || e.Err == nil {
		t.Errorf("%s: got %v, want %v (%d)", what, err, want, code)
	}
}

// TestReadsLeaveNothingOpen: a read has no effect, whatever it fails with, so it must not say
// that something may have happened.
func TestReadsLeaveNothingOpen(t *testing.T) {
	for code := range 10_000 {
		if k := meaningOf(code).read; k.Unknown() {
			t.Errorf("%d of a read is %v", code, k)
		}
	}
}

// TestUnlistedCodes: of a commit that fails with something new nothing is known, and an error
// that isn't FoundationDB's is no better.
func TestUnlistedCodes(t *testing.T) {
	for _, err := range []error{fdb.Error{Code: 3999}, errors.New("something else")} {
		if k := kv.KindOf(commitError("Commit", err)); k != kv.MayStillLand {
			t.Errorf("commit, %v: got %v", err, k)
		}
		if k := kv.KindOf(readError("Get", err)); k != kv.Fatal {
			t.Errorf("read, %v: got %v", err, k)
		}
	}
	if err := readError("Get", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// TestNamedCodes: kv's names are FoundationDB's.
func TestNamedCodes(t *testing.T) {
	names := map[int]string{}
	for _, c := range clientCodes {
		names[c.code] = c.name
	}
	for code, want := range map[int]string{
		kv.CodeTransactionTooOld: "transaction_too_old", kv.CodeFutureVersion: "future_version",
		kv.CodeNotCommitted: "not_committed", kv.CodeCommitUnknownResult: "commit_unknown_result",
		kv.CodeTransactionCancelled: "transaction_cancelled", kv.CodeTransactionTimedOut: "transaction_timed_out",
		kv.CodeProcessBehind: "process_behind", kv.CodeAccessedUnreadable: "accessed_unreadable",
		kv.CodeClientInvalidOperation: "client_invalid_operation", kv.CodeKeyOutsideLegalRange: "key_outside_legal_range",
		kv.CodeInvertedRange: "inverted_range", kv.CodeUsedDuringCommit: "used_during_commit",
		kv.CodeTransactionTooLarge: "transaction_too_large", kv.CodeKeyTooLarge: "key_too_large",
		kv.CodeValueTooLarge: "value_too_large", codeOperationCancelled: "operation_cancelled",
	} {
		if names[code] != want {
			t.Errorf("%d is %q in FoundationDB, want %q", code, names[code], want)
		}
	}
}
