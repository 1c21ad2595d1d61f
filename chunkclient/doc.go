// Package chunkclient turns blobs into chunks on nodes and back (DESIGN §10).
//
// A Client writes the bytes of a blob as stripes, each as one chunk on every
// slot of the blob's group, and reads ranges of blobs back. It promises:
//
//   - Finish returns nil only when every stripe is on stable storage on every
//     slot.
//   - A byte leaves a Reader only after the CRC-32C of its block was found
//     good. Bytes that are wrong are object.Corrupt, bytes that are gone are
//     object.LostBytes: never "no such key".
//   - All buffers of all uploads and reads together stay within
//     Options.MemoryBytes; whoever comes when it is used up waits in line.
//
// It knows nothing of metadata: blob ids come from the caller, who also decides
// when chunks may be deleted.
//
// A Client is safe for concurrent use; a Writer or a Reader belongs to one
// goroutine at a time.
//
//	w, err := client.Create(ctx, chunkclient.WriteBlob{ID: id, Group: group, SizeBytes: -1})
//	if _, err = w.ReadFrom(body); err == nil {
//		blob, err = w.Finish(ctx)
//	}
//	if err != nil {
//		_ = w.Abort(ctx) // best effort: the sweep finds what is left
//	}
package chunkclient
