// Package chunkclient turns blobs into chunks on nodes and back. See Client.
package chunkclient

// Client reads and writes blobs. It is safe for concurrent use.
type Client struct{}
