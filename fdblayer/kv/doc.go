// Package kv is the transactional seam: FoundationDB's model as a small
// interface that the embedded engine (pebblekv) and FoundationDB both implement, the
// typed errors of both, and the one retry loop.
//
// Promise. Transactions are optimistic and strictly serializable; a commit returns its
// place in the order of all commits; an error says what its caller may do (ErrorKind). Limits are
// FoundationDB's in every engine. What an engine must do is what the suite in kvtest asserts; kvfault wraps
// any engine to make its faults happen.
//
// Concurrency. A Database may be used by any number of goroutines, a Tx by one at
// a time. Futures may be waited for by any.
//
// Use. Transactions go through Run, which may call its function many times:
//
//	commit, err := kv.Run(ctx, db, kv.RunOptions{Evidence: evidence}, func(tx kv.Tx) error {
//		a, b := tx.Get(keyA), tx.Get(keyB) // issued together
//		valueA, err := a.Get(ctx)
//		if err != nil {
//			return err
//		}
//		...
//		tx.Set(keyC, changed)
//		return nil
//	})
//
// Keys are built with the tuple package.
package kv
