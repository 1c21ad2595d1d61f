package checksum_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

func sum(a object.ChecksumAlgorithm, b []byte) []byte {
	h := checksum.New(a)
	h.Write(b)
	return h.Sum(nil)
}

// TestVectors checks each algorithm against published values: the check value
// of the CRC catalogue ("123456789"), RFC 3720 B.4 for CRC32C, the NVM Express
// specification for CRC64NVME, FIPS 180 for the SHAs.
func TestVectors(t *testing.T) {
	zeros, ones := make([]byte, 4096), bytes.Repeat([]byte{0xff}, 4096)
	for _, row := range []struct {
		name string
		algo object.ChecksumAlgorithm
		in   []byte
		want string
	}{
		{"crc32 check", object.CRC32, []byte("123456789"), "cbf43926"},
		{"crc32 empty", object.CRC32, nil, "00000000"},
		{"crc32c check", object.CRC32C, []byte("123456789"), "e3069283"},
		{"crc32c 32 zeros", object.CRC32C, zeros[:32], "8a9136aa"},
		{"crc32c 32 ones", object.CRC32C, ones[:32], "62a8ab43"},
		{"crc64nvme check", object.CRC64NVME, []byte("123456789"), "ae8b14860a799888"},
		{"crc64nvme 4096 zeros", object.CRC64NVME, zeros, "6482d367eb22b64e"},
		{"crc64nvme 4096 ones", object.CRC64NVME, ones, "c0ddba7302eca3ac"},
		{"sha1 abc", object.SHA1, []byte("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"sha256 abc", object.SHA256, []byte("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := sum(row.algo, row.in)
			if hex.EncodeToString(got) != row.want {
				t.Errorf("got %x, want %s", got, row.want)
			}
			if checksum.SizeBytes(row.algo) != len(got) {
				t.Errorf("SizeBytes is %d, the value has %d", checksum.SizeBytes(row.algo), len(got))
			}
		})
	}
}

// TestNames checks that names and headers are S3's and that Parse is exact.
func TestNames(t *testing.T) {
	for _, a := range checksum.Algorithms() {
		name := checksum.Name(a)
		if got, ok := checksum.Parse(name); !ok || got != a {
			t.Errorf("Parse(%q) = %v, %v", name, got, ok)
		}
		if want := "x-amz-checksum-" + strings.ToLower(name); checksum.Header(a) != want {
			t.Errorf("Header(%v) = %q, want %q", a, checksum.Header(a), want)
		}
	}
	for _, bad := range []string{"", "crc32", "CRC32 ", "MD5", "CRC64"} {
		if a, ok := checksum.Parse(bad); ok {
			t.Errorf("Parse(%q) = %v, want none", bad, a)
		}
	}
	if checksum.Name(0) != "" || checksum.Header(0) != "" || checksum.SizeBytes(0) != 0 {
		t.Error("algorithm 0 has a name, a header or a size")
	}
}

// TestNewUnknown checks that no hash exists for an unknown algorithm.
func TestNewUnknown(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New(99) did not panic")
		}
	}()
	checksum.New(99)
}

var crcs = []object.ChecksumAlgorithm{object.CRC32, object.CRC32C, object.CRC64NVME}

// TestFullObjectRandom cuts random bytes at random places, empty pieces
// included, and compares the combination with the hash of the whole.
func TestFullObjectRandom(t *testing.T) {
	const seed = 20240601
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 300 {
		whole := make([]byte, rng.IntN(5000))
		for i := range whole {
			whole[i] = byte(rng.Uint32())
		}
		for _, a := range crcs {
			var pieces []checksum.Piece
			for rest := whole; len(rest) > 0 || rng.IntN(2) == 0; {
				n := rng.IntN(len(rest) + 1)
				pieces = append(pieces, checksum.Piece{Value: sum(a, rest[:n]), SizeBytes: int64(n)})
				rest = rest[n:]
			}
			got, err := checksum.FullObject(a, pieces)
			if want := sum(a, whole); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("seed %d round %d %s: got %x, %v, want %x", seed, round, checksum.Name(a), got, err, want)
			}
		}
	}
}

// TestFullObjectLarge checks sizes beyond 32 bits: 4,096 pieces of 1 MiB are the
// same 4 GiB of zeros as 1 MiB doubled twelve times.
func TestFullObjectLarge(t *testing.T) {
	for _, a := range crcs {
		piece := checksum.Piece{Value: sum(a, make([]byte, 1<<20)), SizeBytes: 1 << 20}
		doubled := piece
		for doubled.SizeBytes < 1<<32 {
			value, err := checksum.FullObject(a, []checksum.Piece{doubled, doubled})
			if err != nil {
				t.Fatal(err)
			}
			doubled = checksum.Piece{Value: value, SizeBytes: 2 * doubled.SizeBytes}
		}
		many := make([]checksum.Piece, 1<<12)
		for i := range many {
			many[i] = piece
		}
		got, err := checksum.FullObject(a, many)
		if err != nil || !bytes.Equal(got, doubled.Value) {
			t.Errorf("%s: 4096 pieces of 1 MiB give %x (%v), 12 doublings give %x", checksum.Name(a), got, err, doubled.Value)
		}
		if none, err := checksum.FullObject(a, nil); err != nil || !bytes.Equal(none, sum(a, nil)) {
			t.Errorf("%s: no pieces give %x, %v", checksum.Name(a), none, err)
		}
	}
}

// TestComposite checks the rule, and which forms do not exist.
func TestComposite(t *testing.T) {
	one, two := []byte("first part"), []byte("second")
	for _, a := range checksum.Algorithms() {
		got, err := checksum.Composite(a, []checksum.Piece{
			{Value: sum(a, one), SizeBytes: int64(len(one))},
			{Value: sum(a, two), SizeBytes: int64(len(two))},
		})
		if a == object.CRC64NVME {
			if !errors.Is(err, object.InvalidRequest) {
				t.Errorf("CRC64NVME has no composite form, got %x, %v", got, err)
			}
			continue
		}
		want := sum(a, append(sum(a, one), sum(a, two)...))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v, want %x", checksum.Name(a), got, err, want)
		}
	}
}

// TestBadPieces checks that a piece of the wrong shape is refused by name.
func TestBadPieces(t *testing.T) {
	digest := sha256.Sum256(nil)
	for _, row := range []struct {
		name  string
		call  func(object.ChecksumAlgorithm, []checksum.Piece) ([]byte, error)
		algo  object.ChecksumAlgorithm
		piece checksum.Piece
		want  object.Kind
	}{
		{"full object of a SHA", checksum.FullObject, object.SHA256, checksum.Piece{Value: digest[:]}, object.InvalidRequest},
		{"full object of nothing known", checksum.FullObject, 0, checksum.Piece{}, object.InvalidRequest},
		{"composite of nothing known", checksum.Composite, 77, checksum.Piece{}, object.InvalidRequest},
		{"short value", checksum.FullObject, object.CRC32, checksum.Piece{Value: []byte{1, 2, 3}}, object.InvalidArgument},
		{"long value", checksum.FullObject, object.CRC64NVME, checksum.Piece{Value: make([]byte, 9)}, object.InvalidArgument},
		{"negative size", checksum.FullObject, object.CRC32C, checksum.Piece{Value: make([]byte, 4), SizeBytes: -1}, object.InvalidArgument},
		{"short composite value", checksum.Composite, object.SHA1, checksum.Piece{Value: make([]byte, 19)}, object.InvalidArgument},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := row.call(row.algo, []checksum.Piece{row.piece}); !errors.Is(err, row.want) {
				t.Errorf("got %x, %v, want %v", got, err, row.want)
			}
		})
	}
}

// FuzzFullObject cuts a message in three and combines.
func FuzzFullObject(f *testing.F) {
	f.Add([]byte("123456789"), uint16(3), uint16(4))
	f.Add([]byte{}, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, whole []byte, i, j uint16) {
		a, b := int(i)%(len(whole)+1), int(j)%(len(whole)+1)
		if a > b {
			a, b = b, a
		}
		for _, algo := range crcs {
			var pieces []checksum.Piece
			for _, p := range [][]byte{whole[:a], whole[a:b], whole[b:]} {
				pieces = append(pieces, checksum.Piece{Value: sum(algo, p), SizeBytes: int64(len(p))})
			}
			got, err := checksum.FullObject(algo, pieces)
			if want := sum(algo, whole); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s of %d bytes cut at %d and %d: got %x, %v, want %x",
					checksum.Name(algo), len(whole), a, b, got, err, want)
			}
		}
	})
}

// BenchmarkFullObject combines the most parts an upload can have.
func BenchmarkFullObject(b *testing.B) {
	pieces := make([]checksum.Piece, object.PartsMax)
	for i := range pieces {
		pieces[i] = checksum.Piece{Value: make([]byte, 8), SizeBytes: int64(i) + object.PartMinBytes}
	}
	for b.Loop() {
		if _, err := checksum.FullObject(object.CRC64NVME, pieces); err != nil {
			b.Fatal(err)
		}
	}
}
