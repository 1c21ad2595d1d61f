//go:build fdb

// Package fdbkv is FoundationDB as an engine of kv, through its official Go binding and API
// version 730. It is compiled with the build tag fdb only, because it needs FoundationDB's
// client library and headers (docs/foundationdb.md).
//
// Promise. All that kv asks of an engine, on a cluster: kvtest passes on it. FoundationDB's error codes
// become kv's kinds in one table (codes.go). Nothing is retried in here, and the binding's own
// loop is never used, since it knows no context and runs a commit with an unknown result once
// more: create, commit and what to do after an error are this package's and kv.Run's.
//
// Contexts. A read or a commit has no time-out of FoundationDB's: a commit that such a time-out
// ends is not fenced by the client and may land later. What ends a wait is its context, and with
// it the whole transaction: the client drops the reads that are under way; a commit under way
// is then MayStillLand. No goroutine waits for what nobody wants any more: who needs an answer waits for
// it in its own, except for a read version, which may be shared by many.
//
// Memory. The binding frees what the client library holds by finalizers, which the garbage
// collector runs by the size of Go's heap and not by that of the library's. So
// transactions, by far the greatest part of it, are not left to them: they are reset as soon as they end, and used again.
//
// Concurrency. As kv says: a DB by any number of goroutines, a transaction by one,
// its futures by any.
//
// One process has one FoundationDB client: options that concern it (Options) hold for all
// databases of the process, and it runs until the process ends.
package fdbkv
