package chunkclient

import (
	"time"

	"github.com/stampede-store/stampede/object"
)

// The bounds of one Client; Options may change the defaults.
const (
	// MemoryBytesDefault is the buffer memory of all uploads and reads together:
	// 256 stripes of 1 MiB. A lone upload uses up to StripesInFlightDefault of
	// them, so 64 fast uploads run at full speed; beyond, they share.
	MemoryBytesDefault = 256 << 20
	// memoryBytesMin lets one upload and one read make progress side by side.
	memoryBytesMin = 4 * object.ChunkMaxBytes

	// StripesInFlightDefault bounds the stripes of one upload that are being filled,
	// stored or hashed: one of each, and one to absorb a slow sync.
	StripesInFlightDefault = 4
	// ReadAheadDefault bounds the stripes that one Reader holds or fetches.
	ReadAheadDefault = 4
	// fetchesMax bounds a Reader's fetches under way when they are shorter than a
	// stripe (many small parts): the read-ahead in bytes is then far below
	// its bound, so that only latency is hidden.
	fetchesMax = 16

	// AbortTimeoutDefault bounds an Abort: the wait for chunks that are being
	// stored, and the deletion.
	AbortTimeoutDefault = 10 * time.Second
)
