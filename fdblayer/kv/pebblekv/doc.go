// Package pebblekv is the embedded engine: a kv.Database in one process, kept by
// Pebble in one folder, with FoundationDB's meaning.
//
// Promise. Transactions are strictly serializable. A commit that was acknowledged is
// on stable storage. Versions and stamps only grow, also over restarts: a ceiling that
// lies ahead is kept on disk, no clock is asked. A version is handed out only when
// everything up to it is durable, and reads at it see exactly that state.
//
// How it works. One goroutine commits: it takes all transactions that wait, checks
// each against what was written in the last five seconds (and by the transactions before it
// in the same batch), writes the survivors as one Pebble batch with one sync, makes a
// snapshot of the result, hands out its version and answers. Every version
// of the last five seconds keeps its snapshot; what is older is kv.TooOld. Reads
// run in the caller's goroutine against the snapshot, merged with the transaction's own writes.
//
// Faults. When a write or sync of the write-ahead log or of Pebble's manifest fails, the engine has failed for
// good: nothing more is written, the commits under way are kv.MayStillLand, later ones
// kv.Fatal, reading goes on, and a restart recovers what was durable. The failed call is never
// repeated: after a failed sync nobody knows what the disk holds. Before the disk is
// quite full (Options.ReserveBytes), and when Pebble can't flush its memory for any
// reason, commits are refused as kv.Busy (kv.ErrFull if it is for space) without harm,
// and taken again as soon as that is over.
//
// One process at a time may have the folder open; a second one gets ErrLocked. A DB is safe
// for concurrent use, a Tx is not.
//
//	db, err := pebblekv.Open(pebblekv.Options{Dir: dir, Log: log})
//	defer db.Close()
//	commit, err := kv.Run(ctx, db, kv.RunOptions{}, func(tx kv.Tx) error {
//		value, err := tx.Get(key).Get(ctx)
//		...
//		tx.Set(key, changed)
//		return nil
//	})
//
// On disk: the rows as they are, and below 0xff, which no transaction reaches, the
// metadata version (as FoundationDB names it), the version ceiling and the format number.
package pebblekv
