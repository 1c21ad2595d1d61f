package sigv4

import "time"

const (
	// clockSkewMax is how far a request's time may be from ours: S3's 15
	// minutes.
	clockSkewMax = 15 * time.Minute
	// expiresMaxSeconds is S3's longest life of a presigned URL: 7 days.
	expiresMaxSeconds = 604800

	// accessKeyMaxBytes is AWS's own limit (IAM, AccessKey data type).
	accessKeyMaxBytes = 128
	// signedHeadersMax bounds the work on one request. S3 takes 8 KiB of
	// headers, 2 KiB of them user metadata.
	signedHeadersMax = 256

	// scratchKeepBytes is the largest buffer that is kept for the next request.
	scratchKeepBytes = 64 << 10
	// signingKeysMax bounds the cache of signing keys: one for each access key
	// and day, some 250 bytes each.
	signingKeysMax = 1024

	// lineMaxBytes bounds a line of the aws-chunked framing, trailers included.
	// It is also the size of the read buffer, so that a longer line can't grow it.
	lineMaxBytes = 4 << 10
	// chunkHeaderMaxBytes is more than 16 digits and a signature need.
	chunkHeaderMaxBytes = 128
	// chunkBufferMaxBytes is the largest chunk that is held back until its
	// signature is checked when the reader's buffer is smaller than the chunk.
	// Clients use 64 KiB or 128 KiB.
	chunkBufferMaxBytes = 128 << 10
	// trailersMax is far above the one checksum that clients send.
	trailersMax = 16
)
