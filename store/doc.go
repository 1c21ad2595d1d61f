// Package store is the object store as a Go API: it orders bytes and metadata.
// S3's semantics are here; HTTP, XML and key bytes are not.
package store
