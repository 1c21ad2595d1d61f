// Package store is the object store as a Go API: it orders bytes and metadata.
// S3's semantics are here; HTTP, XML and key bytes are not.
//
// The order is the law of the whole: chunks are durable, then metadata commits,
// then the object is visible. What fails before the commit is deleted at once,
// best effort; while the outcome of a commit is unknown nothing of it is deleted.
// A version that was opened stays readable to its end, whatever happens to its key.
//
// Names, sizes and limits are validated here, before anything is read or
// written. Errors are object.Errors with the kinds that the methods name, and for all of
// them InvalidBucketName, KeyTooLong, InvalidArgument, Unavailable (try again),
// OutcomeUnknown (it may or may not have happened); context errors and the
// errors of a caller's reader or writer pass unwrapped.
package store
