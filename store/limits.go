package store

import "time"

const (
	// systemHeadersMaxBytes bounds the system headers stored with an object. S3
	// bounds all headers of a PUT to 8 KB (S3 User Guide, "Object metadata").
	systemHeadersMaxBytes = 8 << 10

	// Of a tag set (S3 User Guide, "Object tagging").
	tagsMax          = 10
	tagKeyMaxRunes   = 128
	tagValueMaxRunes = 256

	// partsWindowMax is how many part records of a multipart object are read
	// at once: some 100 bytes each, so far below a transaction's budget, and few
	// round trips even for 10,000 parts.
	partsWindowMax = 256

	// discardTimeout bounds the deletion of chunks that no version will refer to.
	discardTimeout = 10 * time.Second
)
