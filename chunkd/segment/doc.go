// Package segment is a chunk node's on-disk format: one folder (disk) of
// immutable chunks. A Store implements the methods of chunkclient.Node.
//
// Chunks, deletes and fences are records of append-only segment files. One
// writer takes all that is queued, writes it, syncs once and acknowledges all.
// The segments are the truth: the index (Pebble, without syncs of its own) can
// be thrown away at any time and is built again from them. What each byte
// means, what a crash can leave and how it is read is docs/chunk-format.md.
//
// Promises:
//
//   - What was acknowledged is on stable storage and survives a crash. What was
//     not acknowledged is afterwards there as a whole, or not at all.
//   - A damaged record costs that record and no other one.
//   - A write or sync that failed is never tried again: the store only reads
//     until it is opened anew. Lack of space is no such failure: puts are
//     refused with object.Full, deletes, fences and reads go on, and puts
//     resume when there is space.
//   - Opening reads at most ReplayMaxBytes of segments, whatever the disk holds,
//     unless the index was lost.
//
// It does not replicate, does not know what chunks are for, and does not check
// blocks on the way out: whoever uses the bytes must.
//
//	store, err := segment.Open(segment.Options{Dir: "data/chunks", Node: 1})
//	…
//	err = store.Put(ctx, chunkwire.Put{ID: id, Data: data, Sums: sums})
//	err = store.Close()
//
// A Store is safe for concurrent use. No lock is held during a read.
package segment
