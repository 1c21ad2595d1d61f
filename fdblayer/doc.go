// Package fdblayer keeps buckets, objects, versions and uploads as transactions
// on a kv.Database: one type, Layer, for each process that serves a store.
//
// Promise. Every method is one or more strictly serializable transactions, and
// leaves nothing half done: what it acknowledged is durable and seen by the next
// request at any process; what failed did not happen, except where an error is
// object.OutcomeUnknown. A PUT reads nothing and conflicts with no other PUT. What a
// reader has open (Reading) and what an upload is writing (BlobLease) is not
// reclaimed. It stores no bytes but small ones, decides nothing about
// permissions, and never calls a chunk node: who calls it makes bytes durable
// before the commit, and deletes them after ListTrash said so.
//
// How it works, by file:
//
//	txn.go         one attempt of a transaction; mutate, blind, read
//	versions.go    read versions, asked for once for all who wait
//	combine.go     blind transactions put together; member.go: one of them
//	evidence.go    exactly once: what an unknown result left is looked up
//	view.go        the cached configuration, valid at a version
//	session.go     the registration of the process, its heartbeat, fencing
//	marks.go       what a heartbeat says: low-water mark, oldest read, evidence
//	visibility.go  which rows of a key count
//	object_*.go, upload_*.go, bucket.go   the operations
//	blobref.go     references to blobs and manifests, counted when released
//	queue.go, reap.go, trash.go           what is hidden goes, then its bytes
//
// Concurrency. A Layer is safe for concurrent use. Functions passed in (Condition, Make) may
// run many times and must be pure.
//
//	layer, err := fdblayer.Open(ctx, fdblayer.Options{DB: db})
//	defer layer.Close(ctx)
//	lease, err := layer.NewBlob()
//	defer lease.Abandon()
//	... // write the chunks of lease.ID() to lease.Group(), durably
//	put, err := layer.PutObject(ctx, fdblayer.PutObject{Bucket: b, Version: v, Lease: lease})
package fdblayer
