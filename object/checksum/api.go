// Package checksum computes S3's additional checksums, and combines those of parts.
package checksum

import (
	"hash"

	"github.com/stampede-store/stampede/object"
)

// New returns a hash of the algorithm; its Sum is the raw value that S3 encodes in base64.
func New(a object.ChecksumAlgorithm) hash.Hash { panic("being written") }

// SizeBytes is the length of a raw value.
func SizeBytes(a object.ChecksumAlgorithm) int { panic("being written") }

// Name is S3's name, "CRC32C"; Header the header, "x-amz-checksum-crc32c". Parse is the inverse of Name.
func Name(a object.ChecksumAlgorithm) string             { panic("being written") }
func Header(a object.ChecksumAlgorithm) string           { panic("being written") }
func Parse(name string) (object.ChecksumAlgorithm, bool) { panic("being written") }

// Piece is a part's checksum.
type Piece struct {
	Value     []byte
	SizeBytes int64
}

// FullObject combines the CRCs of consecutive pieces into that of the whole. CRCs only.
func FullObject(a object.ChecksumAlgorithm, pieces []Piece) ([]byte, error) { panic("being written") }

// Composite is the checksum of the pieces' checksums.
func Composite(a object.ChecksumAlgorithm, pieces []Piece) ([]byte, error) { panic("being written") }
