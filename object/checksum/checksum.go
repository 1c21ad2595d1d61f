// Package checksum computes S3's additional checksums (CRC32, CRC32C,
// CRC64NVME, SHA1 and SHA256), and derives the checksum of a multipart object
// from those of its parts without reading any bytes again.
//
// It knows the two kinds of S3's "checking object integrity": a full-object
// checksum is that of the object's bytes, and exists for CRCs only; a composite
// one is the checksum of the parts' raw checksums in order, and exists for all
// but CRC64NVME. Functions are safe for concurrent use; a hash is not.
package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/minio/crc64nvme"

	"github.com/stampede-store/stampede/object"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Algorithms lists every algorithm, in the order of its number.
func Algorithms() []object.ChecksumAlgorithm {
	return []object.ChecksumAlgorithm{
		object.CRC32, object.CRC32C, object.CRC64NVME, object.SHA1, object.SHA256,
	}
}

// New returns a hash of the algorithm; its Sum is the raw value, big-endian for
// CRCs, that S3 shows in base64. It panics for a number that is none of
// Algorithms: hashing with anything else would accept every byte.
func New(a object.ChecksumAlgorithm) hash.Hash {
	switch a {
	case object.CRC32:
		return crc32.NewIEEE()
	case object.CRC32C:
		return crc32.New(castagnoli)
	case object.CRC64NVME:
		return crc64nvme.New()
	case object.SHA1:
		return sha1.New()
	case object.SHA256:
		return sha256.New()
	}
	panic(fmt.Sprintf("checksum: algorithm %d is unknown", a))
}

// SizeBytes is the length of a raw value; 0 for an unknown algorithm.
func SizeBytes(a object.ChecksumAlgorithm) int {
	switch a {
	case object.CRC32, object.CRC32C:
		return crc32.Size
	case object.CRC64NVME:
		return crc64nvme.Size
	case object.SHA1:
		return sha1.Size
	case object.SHA256:
		return sha256.Size
	}
	return 0
}

// Name is S3's name of the algorithm, "CRC32C"; empty for an unknown one.
func Name(a object.ChecksumAlgorithm) string {
	switch a {
	case object.CRC32:
		return "CRC32"
	case object.CRC32C:
		return "CRC32C"
	case object.CRC64NVME:
		return "CRC64NVME"
	case object.SHA1:
		return "SHA1"
	case object.SHA256:
		return "SHA256"
	}
	return ""
}

// Header is the header or trailer that carries a value in base64,
// "x-amz-checksum-crc32c"; empty for an unknown algorithm.
func Header(a object.ChecksumAlgorithm) string {
	switch a {
	case object.CRC32:
		return "x-amz-checksum-crc32"
	case object.CRC32C:
		return "x-amz-checksum-crc32c"
	case object.CRC64NVME:
		return "x-amz-checksum-crc64nvme"
	case object.SHA1:
		return "x-amz-checksum-sha1"
	case object.SHA256:
		return "x-amz-checksum-sha256"
	}
	return ""
}

// Parse is the inverse of Name. Names are upper case, as S3 has them.
func Parse(name string) (object.ChecksumAlgorithm, bool) {
	for _, a := range Algorithms() {
		if Name(a) == name {
			return a, true
		}
	}
	return 0, false
}

// Piece is the checksum of a run of bytes: a part, or a stretch of an object.
type Piece struct {
	Value     []byte // raw, SizeBytes(algorithm) long
	SizeBytes int64
}

// Composite is the checksum of the pieces' raw checksums, one after the other.
// Errors: InvalidRequest for CRC64NVME, which has no composite form in S3, and
// for an unknown algorithm; InvalidArgument for a piece of the wrong shape.
func Composite(a object.ChecksumAlgorithm, pieces []Piece) ([]byte, error) {
	const op = "checksum.Composite"
	if a == object.CRC64NVME || SizeBytes(a) == 0 {
		return nil, unsupported(op, a)
	}
	h := New(a)
	for i, p := range pieces {
		if err := p.check(op, a, i); err != nil {
			return nil, err
		}
		h.Write(p.Value)
	}
	return h.Sum(nil), nil
}

// check reports InvalidArgument unless p, the i-th piece, can be a piece of a.
func (p Piece) check(op string, a object.ChecksumAlgorithm, i int) error {
	switch {
	case len(p.Value) != SizeBytes(a):
		return &object.Error{
			Op: op, Kind: object.InvalidArgument,
			Err: fmt.Errorf("%s of piece %d has %d bytes", Name(a), i, len(p.Value)),
		}
	case p.SizeBytes < 0:
		return &object.Error{
			Op: op, Kind: object.InvalidArgument,
			Err: fmt.Errorf("piece %d has size %d", i, p.SizeBytes),
		}
	}
	return nil
}

func unsupported(op string, a object.ChecksumAlgorithm) error {
	return &object.Error{
		Op: op, Kind: object.InvalidRequest,
		Ref: object.Ref{Argument: "checksum algorithm", Value: Name(a)},
		Err: errors.New("the algorithm has no such form"),
	}
}
