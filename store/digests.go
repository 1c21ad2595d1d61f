package store

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// Digests are what the client claims of a body. Each that is set is verified before anything becomes visible.
type Digests struct {
	// MD5 is the 16 bytes of Content-MD5, nil: none. Mismatch: BadDigest.
	MD5 []byte
	// Algorithm is the additional checksum to compute and store, 0: none.
	Algorithm object.ChecksumAlgorithm
	// Value is its claimed raw value, nil if none was claimed up front. Mismatch: BadDigest.
	Value []byte
	// Trailer, if set, is asked for the claimed raw value after the body's end;
	// nil: none is claimed.
	Trailer func() ([]byte, error)
}

// validate checks what can be checked before the body.
func (d Digests) validate(op string) error {
	switch {
	case d.MD5 != nil && len(d.MD5) != md5.Size:
		return &object.Error{Op: op, Kind: object.InvalidDigest}
	case d.Algorithm != 0 && checksum.SizeBytes(d.Algorithm) == 0:
		return &object.Error{
			Op: op, Kind: object.InvalidRequest,
			Message: "Checksum algorithm provided is unsupported.",
		}
	case d.Algorithm == 0 && (d.Value != nil || d.Trailer != nil):
		return &object.Error{Op: op, Kind: object.InvalidRequest, Message: "A checksum was given without its algorithm."}
	}
	return d.validateValue(op, d.Value)
}

func (d Digests) validateValue(op string, value []byte) error {
	if value == nil || len(value) == checksum.SizeBytes(d.Algorithm) {
		return nil
	}
	return &object.Error{
		Op: op, Kind: object.InvalidRequest,
		Message: fmt.Sprintf("Value for %s header is invalid.", checksum.Header(d.Algorithm)),
	}
}

// hashes are those of one body.
type hashes struct {
	md5 hash.Hash
	sum hash.Hash // nil without an additional checksum
}

func newHashes(d Digests) hashes {
	h := hashes{md5: md5.New()}
	if d.Algorithm != 0 {
		h.sum = checksum.New(d.Algorithm)
	}
	return h
}

func (h hashes) writers() []io.Writer {
	if h.sum == nil {
		return []io.Writer{h.md5}
	}
	return []io.Writer{h.md5, h.sum}
}

// write hashes bytes at hand.
func (h hashes) write(p []byte) {
	for _, w := range h.writers() {
		_, _ = w.Write(p) // hash.Hash: it never returns an error
	}
}

// verify compares the finished hashes with what d claims.
func (h hashes) verify(op string, d Digests) (object.ETag, *object.Checksum, error) {
	sum := h.md5.Sum(nil)
	if d.MD5 != nil && !bytes.Equal(d.MD5, sum) {
		return "", nil, &object.Error{
			Op: op, Kind: object.BadDigest,
			Message: "The Content-MD5 you specified did not match what we received.",
		}
	}
	etag := object.ETag(hex.EncodeToString(sum))
	if h.sum == nil {
		return etag, nil, nil
	}
	value := h.sum.Sum(nil)
	claims := [][]byte{d.Value}
	if d.Trailer != nil {
		claimed, err := d.Trailer()
		if err != nil {
			return "", nil, err
		}
		if err := d.validateValue(op, claimed); err != nil {
			return "", nil, err
		}
		claims = append(claims, claimed)
	}
	for _, claimed := range claims {
		if claimed != nil && !bytes.Equal(claimed, value) {
			return "", nil, badChecksum(op, d.Algorithm)
		}
	}
	return etag, &object.Checksum{Algorithm: d.Algorithm, Value: value}, nil
}

func badChecksum(op string, a object.ChecksumAlgorithm) error {
	return &object.Error{
		Op: op, Kind: object.BadDigest,
		Message: fmt.Sprintf("The %s you specified did not match the calculated checksum.", checksum.Name(a)),
	}
}
