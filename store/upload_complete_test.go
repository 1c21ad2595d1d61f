package store

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

func storedPart(number int, data []byte, a object.ChecksumAlgorithm) object.Part {
	sum := md5.Sum(data)
	p := object.Part{Number: number, SizeBytes: int64(len(data)), ETag: object.ETag(hex.EncodeToString(sum[:]))}
	if a != 0 {
		h := checksum.New(a)
		h.Write(data)
		p.Checksum = &object.Checksum{Algorithm: a, Value: h.Sum(nil)}
	}
	return p
}

func listOf(parts ...object.Part) []CompletePart {
	var list []CompletePart
	for _, p := range parts {
		list = append(list, CompletePart{Number: p.Number, ETag: p.ETag})
	}
	return list
}

func hexBytes(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAssemble completes an upload of three stored parts with lists that are good and bad.
func TestAssemble(t *testing.T) {
	one := storedPart(1, bytes.Repeat([]byte("1"), object.PartMinBytes), object.CRC32)
	two := storedPart(2, bytes.Repeat([]byte("2"), object.PartMinBytes+1), object.CRC32)
	five := storedPart(5, []byte("short"), object.CRC32)
	stored := []object.Part{one, two, five}
	upload := object.Upload{Algorithm: object.CRC32, Metadata: object.Metadata{Headers: object.Headers{ContentType: "text/x"}}}
	other := five
	other.ETag = two.ETag
	withSum := func(p object.Part, sum *object.Checksum) []CompletePart {
		list := listOf(p)
		list[0].Checksum = sum
		return list
	}
	etag := func(parts ...object.Part) object.ETag {
		h := md5.New()
		for _, p := range parts {
			h.Write(hexBytes(t, string(p.ETag)))
		}
		return object.ETag(fmt.Sprintf("%x-%d", h.Sum(nil), len(parts)))
	}
	for _, row := range []struct {
		name string
		c    CompleteUpload
		etag object.ETag
		size int64
		err  object.Kind
	}{
		{name: "all", c: CompleteUpload{Parts: listOf(one, two, five)}, etag: etag(one, two, five), size: 2*object.PartMinBytes + 6},
		{name: "subset", c: CompleteUpload{Parts: listOf(two, five)}, etag: etag(two, five), size: object.PartMinBytes + 6},
		{name: "one short part", c: CompleteUpload{Parts: listOf(five)}, etag: etag(five), size: 5},
		{name: "checksum listed", c: CompleteUpload{Parts: withSum(five, five.Checksum)}, etag: etag(five), size: 5},
		{name: "size claimed", c: CompleteUpload{Parts: listOf(five), SizeBytes: 5}, etag: etag(five), size: 5},
		{name: "empty", c: CompleteUpload{}, err: object.MalformedXML},
		{name: "too many", c: CompleteUpload{Parts: make([]CompletePart, object.PartsMax+1)}, err: object.MalformedXML},
		{name: "out of order", c: CompleteUpload{Parts: listOf(two, one, five)}, err: object.InvalidPartOrder},
		{name: "twice", c: CompleteUpload{Parts: listOf(one, one)}, err: object.InvalidPartOrder},
		{name: "number 0", c: CompleteUpload{Parts: []CompletePart{{Number: 0, ETag: one.ETag}}}, err: object.InvalidPart},
		{name: "number above", c: CompleteUpload{Parts: []CompletePart{{Number: object.PartsMax + 1, ETag: one.ETag}}}, err: object.InvalidPart},
		{name: "absent", c: CompleteUpload{Parts: listOf(one, object.Part{Number: 3, ETag: two.ETag})}, err: object.InvalidPart},
		{name: "other ETag", c: CompleteUpload{Parts: listOf(other)}, err: object.InvalidPart},
		{name: "no ETag", c: CompleteUpload{Parts: []CompletePart{{Number: 5}}}, err: object.InvalidPart},
		{name: "other checksum", c: CompleteUpload{Parts: withSum(five, one.Checksum)}, err: object.InvalidPart},
		{name: "other algorithm", c: CompleteUpload{Parts: withSum(five, &object.Checksum{Algorithm: object.CRC32C, Value: five.Checksum.Value})}, err: object.InvalidPart},
		{name: "short part first", c: CompleteUpload{Parts: listOf(five, object.Part{Number: 6})}, err: object.InvalidPart},
		{name: "too small", c: CompleteUpload{Parts: listOf(one, two, five)[1:], SizeBytes: 7}, err: object.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.c.SizeBytes == 0 {
				row.c.SizeBytes = -1
			}
			row.c.Key = "k"
			now := time.Unix(1000, 0)
			_, err := row.c.numbers("op")
			var v object.Version
			if err == nil {
				v, err = row.c.assemble("op", upload, stored, now)
			}
			if row.err != 0 {
				if !errors.Is(err, row.err) {
					t.Fatalf("got %v, want %v", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if v.ETag != row.etag || v.SizeBytes != row.size || v.Key != "k" || !v.LastModified.Equal(now) || v.Metadata.Headers.ContentType != "text/x" {
				t.Errorf("got %+v, want ETag %s, size %d", v, row.etag, row.size)
			}
		})
	}
}

// TestEntityTooSmall: every part but the last must have 5 MiB.
func TestEntityTooSmall(t *testing.T) {
	short := storedPart(1, make([]byte, object.PartMinBytes-1), 0)
	last := storedPart(2, []byte("x"), 0)
	c := CompleteUpload{Parts: listOf(short, last), SizeBytes: -1}
	if _, err := c.assemble("op", object.Upload{}, []object.Part{short, last}, time.Time{}); !errors.Is(err, object.EntityTooSmall) {
		t.Errorf("got %v", err)
	}
}

// TestAssembleChecksum derives the checksum of the whole for each algorithm and type, and compares it with one
// computed from the bytes.
func TestAssembleChecksum(t *testing.T) {
	first, second := bytes.Repeat([]byte("ab"), object.PartMinBytes/2), []byte("the rest")
	for _, row := range []struct {
		algorithm object.ChecksumAlgorithm
		composite bool
	}{
		{object.CRC32, false},
		{object.CRC32, true},
		{object.CRC32C, false},
		{object.CRC32C, true},
		{object.CRC64NVME, false},
		{object.SHA1, true},
		{object.SHA256, true},
	} {
		t.Run(fmt.Sprintf("%s composite=%v", checksum.Name(row.algorithm), row.composite), func(t *testing.T) {
			a, b := storedPart(1, first, row.algorithm), storedPart(2, second, row.algorithm)
			whole := slices.Concat(first, second)
			want := object.Checksum{Algorithm: row.algorithm, Composite: row.composite}
			if row.composite {
				whole, want.Parts = slices.Concat(a.Checksum.Value, b.Checksum.Value), 2
			}
			h := checksum.New(row.algorithm)
			h.Write(whole)
			want.Value = h.Sum(nil)
			u := object.Upload{Algorithm: row.algorithm, Composite: row.composite}
			assemble := func(claimed *object.Checksum) (object.Version, error) {
				c := CompleteUpload{Parts: listOf(a, b), SizeBytes: -1, Checksum: claimed}
				return c.assemble("op", u, []object.Part{a, b}, time.Time{})
			}
			for _, claimed := range []*object.Checksum{nil, &want} {
				v, err := assemble(claimed)
				if err != nil || v.Checksum == nil || !bytes.Equal(v.Checksum.Value, want.Value) || v.Checksum.Composite != want.Composite || v.Checksum.Parts != want.Parts {
					t.Errorf("got %+v, %v; want %+v", v.Checksum, err, want)
				}
			}
			for _, claimed := range []bool{false, true} {
				c := CompleteUpload{Parts: listOf(a, b), SizeBytes: -1, Composite: &claimed}
				_, err := c.assemble("op", u, []object.Part{a, b}, time.Time{})
				if ok := claimed == row.composite; ok != (err == nil) || !ok && !errors.Is(err, object.InvalidRequest) {
					t.Errorf("claiming composite=%v gives %v", claimed, err)
				}
			}
			wrong := want
			wrong.Value = bytes.Clone(want.Value)
			wrong.Value[0]++
			if _, err := assemble(&wrong); !errors.Is(err, object.BadDigest) {
				t.Errorf("a wrong claim gives %v", err)
			}
			wrong.Algorithm = row.algorithm%object.SHA256 + 1
			if _, err := assemble(&wrong); !errors.Is(err, object.InvalidRequest) {
				t.Errorf("a claim of another algorithm gives %v", err)
			}
			b.Checksum = nil
			if _, err := assemble(nil); !errors.Is(err, object.InvalidPart) {
				t.Errorf("a part without a checksum gives %v", err)
			}
		})
	}
}

func TestChecksumTypes(t *testing.T) {
	for _, row := range []struct {
		algorithm       object.ChecksumAlgorithm
		full, composite bool // allowed
		byDefault       bool // composite
	}{
		{0, true, false, false},
		{object.CRC32, true, true, true},
		{object.CRC32C, true, true, true},
		{object.CRC64NVME, true, false, false},
		{object.SHA1, false, true, true},
		{object.SHA256, false, true, true},
		{99, false, false, true},
	} {
		for _, composite := range []bool{false, true} {
			want := row.full
			if composite {
				want = row.composite
			}
			if err := validateChecksumType("op", row.algorithm, composite); (err == nil) != want || err != nil && !errors.Is(err, object.InvalidRequest) {
				t.Errorf("algorithm %d composite=%v gives %v", row.algorithm, composite, err)
			}
		}
		if got := CompositeByDefault(row.algorithm); got != row.byDefault {
			t.Errorf("algorithm %d is composite by default: %v", row.algorithm, got)
		}
	}
}
