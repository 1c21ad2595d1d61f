package segment

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// goldenStore is the store of the golden bytes in docs/chunk-format.md.
var goldenStore = storeID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func goldenID() object.ChunkID {
	return object.ChunkID{
		Blob:   object.BlobID{Session: 0x1122334455667788, Sequence: 0x0102030405060708},
		Stripe: 0x0a0b0c0d, Slot: 0x0e0f,
	}
}

// The bytes of every structure are those that docs/chunk-format.md shows. A change of
// them is a new format version.
func TestGoldenBytes(t *testing.T) {
	data := []byte("stampede")
	sum := crc32.Checksum(data, castagnoli)
	at := place{segment: 2, offset: 64}
	nonce := goldenStore.nonce(2)
	if want := uint64(0xb57395fa9481fa43); nonce != want {
		t.Errorf("nonce: got %#x, want %#x", nonce, want)
	}
	head := func(r record) []byte {
		r.at, r.durable, r.batch = at, 0, 9
		return r.appendHead(nil, nonce)
	}
	fenceID := object.ChunkID{Blob: goldenID().Blob}
	want := documented(t)
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"segment header", segmentHeader{number: 2, store: goldenStore, previous: 1, proven: 4096}.append(nil)},
		{"put", head(record{kind: recordPut, id: goldenID(), length: 8, sums: []uint32{sum}})},
		{"copied put", head(record{kind: recordPut, copied: true, id: goldenID(), length: 8, sums: []uint32{sum}})},
		{"delete", head(record{kind: recordDelete, id: goldenID(), killed: place{1, 128}})},
		{"fence", head(record{kind: recordFence, id: fenceID})},
		{"mark", head(record{kind: recordMark})},
	} {
		if got := dump(row.bytes); got != want[row.name] {
			t.Errorf("%s: got\n%s\ndocumented\n%s", row.name, got, want[row.name])
		}
		delete(want, row.name)
	}
	for name := range want {
		t.Errorf("%s is documented, and nothing has these bytes", name)
	}
}

// documented reads the examples of docs/chunk-format.md: a line "Example: name", and
// the dump in the block behind it.
func documented(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/chunk-format.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]string{}
	for _, part := range strings.Split(string(doc), "\nExample: ")[1:] {
		name, rest, _ := strings.Cut(part, "\n\n```\n")
		block, _, found := strings.Cut(rest, "\n```\n")
		if !found {
			t.Fatalf("example %q has no block", name)
		}
		examples[name] = block
	}
	return examples
}

func dump(b []byte) string {
	var lines []string
	for i := 0; i < len(b); i += 16 {
		lines = append(lines, fmt.Sprintf("%02x  %s", i, hex.EncodeToString(b[i:min(i+16, len(b))])))
	}
	return strings.Join(lines, "\n")
}
