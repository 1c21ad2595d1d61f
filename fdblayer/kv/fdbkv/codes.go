//go:build fdb

package fdbkv

import (
	"errors"

	"github.com/apple/foundationdb/bindings/go/src/fdb"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Codes of FoundationDB that kv has no name for.
const (
	codeOperationCancelled = 1101
	codeRangeLimitsInvalid = 2012
)

// meaning is what a code says: of a read (or of a request for a read version), which has no
// effect in any case, and of a commit.
type meaning struct{ read, commit kv.ErrorKind }

// other is every code that is not in the table: a read that fails for an unknown reason is not
// tried again, and of such a commit nothing is known.
var other = meaning{read: kv.Fatal, commit: kv.MayStillLand}

var (
	// notCommitted are those of which FoundationDB's client guarantees that nothing took
	// effect and that it may be tried again (fdb_error_predicate, "retryable, not committed").
	busy   = meaning{kv.Busy, kv.Busy}
	tooOld = meaning{kv.TooOld, kv.TooOld}
	// refused are those that the client itself finds before it sends anything.
	refused = meaning{kv.Fatal, kv.Fatal}
	// passing are failures of processes and connections, which a read may find gone the next time. The
	// client turns them into 1021 for a commit; should one come through, nothing is known.
	passing = meaning{kv.Busy, kv.MayStillLand}
)

// meanings is the one table of FoundationDB's codes ("Error Codes" of its API reference and
// flow/error_definitions.h of release 7.3).
var meanings = map[int]meaning{
	kv.CodeTransactionTooOld: tooOld,
	kv.CodeFutureVersion:     tooOld,
	kv.CodeNotCommitted:      {kv.Conflict, kv.Conflict},

	// The client commits a transaction that conflicts with the lost one before it says this.
	kv.CodeCommitUnknownResult: {kv.Busy, kv.UnknownSettled},
	// It doesn't before it says one of these.
	kv.CodeTransactionTimedOut: passing,
	1039:                       passing, // cluster_version_changed
	// Ours; the rest of its meaning is other's.
	kv.CodeTransactionCancelled: other,
	codeOperationCancelled:      other,

	kv.CodeProcessBehind: busy,
	1038:                 busy, // database_locked: by a restore, or an operator
	1042:                 busy, // commit_proxy_memory_limit_exceeded
	1051:                 busy, // batch_transaction_throttled
	1078:                 busy, // grv_proxy_memory_limit_exceeded
	1213:                 busy, // tag_throttled
	1223:                 busy, // proxy_tag_throttled

	1001: passing, // wrong_shard_server
	1004: passing, // timed_out
	1006: passing, // all_alternatives_failed
	1012: passing, // server_request_queue_full
	1026: passing, // connection_failed
	1027: passing, // coordinators_changed
	1030: passing, // request_maybe_delivered
	1041: passing, // lookup_failed: DNS
	1048: passing, // connection_unreferenced
	1049: passing, // connection_idle
	1100: passing, // broken_promise
	1211: passing, // server_overloaded

	kv.CodeAccessedUnreadable:     refused,
	kv.CodeClientInvalidOperation: refused,
	2002:                          refused, // commit_read_incomplete
	kv.CodeKeyOutsideLegalRange:   refused,
	kv.CodeInvertedRange:          refused,
	2006:                          refused, // invalid_option_value
	2007:                          refused, // invalid_option
	2010:                          refused, // read_version_already_set
	2011:                          refused, // version_invalid
	codeRangeLimitsInvalid:        refused,
	kv.CodeUsedDuringCommit:       refused,
	2018:                          refused, // invalid_mutation_type
	2023:                          refused, // transaction_read_only
	kv.CodeTransactionTooLarge:    refused,
	kv.CodeKeyTooLarge:            refused,
	kv.CodeValueTooLarge:          refused,
	2210:                          refused, // exact_mode_without_limits
}

func meaningOf(code int) meaning {
	if m, ok := meanings[code]; ok {
		return m
	}
	return other
}

// codeOf is FoundationDB's code, 0 for an error of another origin.
func codeOf(err error) int {
	var e fdb.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// readError is what a read returns for an error of the client.
func readError(op string, err error) error {
	if err == nil {
		return nil
	}
	code := codeOf(err)
	return &kv.Error{Op: "fdbkv." + op, Kind: meaningOf(code).read, Code: code, Err: err}
}

// commitError is what Commit returns for one.
func commitError(op string, err error) *kv.Error {
	code := codeOf(err)
	return &kv.Error{Op: "fdbkv." + op, Kind: meaningOf(code).commit, Code: code, Err: err}
}

// fatal is an error that is found in here.
func fatal(op string, code int) error {
	return &kv.Error{Op: "fdbkv." + op, Kind: kv.Fatal, Code: code, Err: fdb.Error{Code: code}}
}
