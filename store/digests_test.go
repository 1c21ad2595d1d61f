package store

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"
	"testing"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// TestDigests verifies claims about "hello", true and false.
func TestDigests(t *testing.T) {
	data := []byte("hello")
	md := md5.Sum(data)
	crc := []byte{0x36, 0x10, 0xa6, 0x86} // CRC32
	trailer := func(value []byte, err error) func() ([]byte, error) {
		return func() ([]byte, error) { return value, err }
	}
	bad := []byte{1, 2, 3, 4}
	gone := errors.New("trailer is malformed")
	for _, row := range []struct {
		name string
		d    Digests
		want error
	}{
		{"none", Digests{}, nil},
		{"md5", Digests{MD5: md[:]}, nil},
		{"md5 wrong", Digests{MD5: make([]byte, 16)}, object.BadDigest},
		{"md5 short", Digests{MD5: md[:15]}, object.InvalidDigest},
		{"md5 empty", Digests{MD5: []byte{}}, object.InvalidDigest},
		{"compute only", Digests{Algorithm: object.CRC32}, nil},
		{"value", Digests{Algorithm: object.CRC32, Value: crc}, nil},
		{"value wrong", Digests{Algorithm: object.CRC32, Value: bad}, object.BadDigest},
		{"value short", Digests{Algorithm: object.CRC32, Value: crc[:3]}, object.InvalidRequest},
		{"value without algorithm", Digests{Value: crc}, object.InvalidRequest},
		{"unknown algorithm", Digests{Algorithm: 99}, object.InvalidRequest},
		{"trailer", Digests{Algorithm: object.CRC32, Trailer: trailer(crc, nil)}, nil},
		{"trailer without a value", Digests{Algorithm: object.CRC32, Trailer: trailer(nil, nil)}, nil},
		{"trailer wrong", Digests{Algorithm: object.CRC32, Trailer: trailer(bad, nil)}, object.BadDigest},
		{"trailer short", Digests{Algorithm: object.CRC32, Trailer: trailer(crc[:1], nil)}, object.InvalidRequest},
		{"trailer fails", Digests{Algorithm: object.CRC32, Trailer: trailer(nil, gone)}, gone},
		{"value good, trailer wrong", Digests{Algorithm: object.CRC32, Value: crc, Trailer: trailer(bad, nil)}, object.BadDigest},
		{"md5 good, value wrong", Digests{MD5: md[:], Algorithm: object.CRC32, Value: bad}, object.BadDigest},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := body{op: "op", reader: bytes.NewReader(data), sizeBytes: 5, digests: row.d, inlineMaxBytes: object.InlineMaxBytes}
			err := b.validate()
			var r received
			if err == nil {
				r, err = (&Store{}).receive(t.Context(), b)
			}
			if !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if row.want != nil {
				return
			}
			if r.etag != "5d41402abc4b2a76b9719d911017c592" || string(r.content.Inline) != "hello" || r.sizeBytes != 5 {
				t.Errorf("received %+v", r)
			}
			if row.d.Algorithm != 0 && (r.checksum == nil || !bytes.Equal(r.checksum.Value, crc) || r.checksum.Composite) {
				t.Errorf("checksum is %+v", r.checksum)
			}
		})
	}
}

// TestAllAlgorithms computes each additional checksum.
func TestAllAlgorithms(t *testing.T) {
	for _, a := range checksum.Algorithms() {
		b := body{op: "op", reader: bytes.NewReader([]byte("123456789")), sizeBytes: -1, digests: Digests{Algorithm: a}, inlineMaxBytes: 100}
		r, err := (&Store{}).receive(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		h := checksum.New(a)
		_, _ = io.WriteString(h, "123456789")
		if r.checksum.Algorithm != a || !bytes.Equal(r.checksum.Value, h.Sum(nil)) {
			t.Errorf("%s: got %+v", checksum.Name(a), r.checksum)
		}
	}
}
