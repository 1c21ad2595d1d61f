// Package nodetest is the suite that every chunkclient.Node passes, local or
// remote. It is imported by tests only.
//
//	func TestNode(t *testing.T) {
//		nodetest.Run(t, nodetest.Harness{Open: func(t *testing.T) chunkclient.Node { … }})
//	}
package nodetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// Harness makes the nodes under test.
type Harness struct {
	// Open returns an empty node. What it takes is freed by t.Cleanup.
	Open func(t *testing.T) chunkclient.Node
	// Reopen, if set, stops a node of Open and starts it again on what it had
	// stored.
	Reopen func(t *testing.T, n chunkclient.Node) chunkclient.Node
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, row := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"PutGet", testPutGet},
		{"PutRefused", testPutRefused},
		{"PutRepeated", testPutRepeated},
		{"PutRepeatedAtOnce", testPutRepeatedAtOnce},
		{"GetRanges", testGetRanges},
		{"GetBuffer", testGetBuffer},
		{"Delete", testDelete},
		{"DeleteMany", testDeleteMany},
		{"PutAfterDelete", testPutAfterDelete},
		{"Fence", testFence},
		{"Inventory", testInventory},
		{"InventoryPages", testInventoryPages},
		{"Stat", testStat},
		{"ContextEnded", testContextEnded},
		{"CallerKeepsData", testCallerKeepsData},
		{"Parallel", testParallel},
		{"Reopen", testReopen},
	} {
		t.Run(row.name, func(t *testing.T) { row.test(t, h) })
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sums are the block checksums of a chunk.
func Sums(data []byte) []uint32 {
	var sums []uint32
	for len(data) > 0 {
		n := min(len(data), object.BlockBytes)
		sums = append(sums, crc32.Checksum(data[:n], castagnoli))
		data = data[n:]
	}
	return sums
}

// ID is a chunk id.
func ID(session, sequence uint64, stripe uint32, slot uint16) object.ChunkID {
	return object.ChunkID{
		Blob:   object.BlobID{Session: object.SessionID(session), Sequence: sequence},
		Stripe: stripe, Slot: slot,
	}
}

// Data are n bytes that differ from chunk to chunk, and are always the same for one.
func Data(id object.ChunkID, n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(id.Blob.Session)^id.Blob.Sequence<<17, uint64(id.Stripe)<<16|uint64(id.Slot)))
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		v := rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	for i := n &^ 7; i < n; i++ {
		b[i] = byte(rng.Uint64())
	}
	return b
}

// PutOf is the put of Data.
func PutOf(id object.ChunkID, n int) chunkwire.Put {
	data := Data(id, n)
	return chunkwire.Put{ID: id, Data: data, Sums: Sums(data)}
}

func mustPut(t *testing.T, n chunkclient.Node, p chunkwire.Put) {
	t.Helper()
	if err := n.Put(t.Context(), p); err != nil {
		t.Fatalf("put of %v, %d bytes: %v", p.ID, len(p.Data), err)
	}
}

func wantKind(t *testing.T, what string, err error, kind object.Kind) {
	t.Helper()
	var typed *object.Error
	if !errors.Is(err, kind) || !errors.As(err, &typed) {
		t.Errorf("%s: got %v, want an object.Error of kind %v", what, err, kind)
	}
}

// Check reads a whole chunk and compares it, its sums and its length.
func Check(ctx context.Context, n chunkclient.Node, p chunkwire.Put) error {
	b, err := n.Get(ctx, chunkwire.Get{ID: p.ID, Length: len(p.Data)})
	if err != nil {
		return err
	}
	return compare(b, p, 0, len(p.Data))
}

// compare checks that b are the blocks of p that cover [from, to).
func compare(b chunkwire.Blocks, p chunkwire.Put, from, to int) error {
	first := from / object.BlockBytes
	last := (to - 1) / object.BlockBytes
	wantFrom, wantTo := first*object.BlockBytes, min((last+1)*object.BlockBytes, len(p.Data))
	switch {
	case b.ChunkBytes != len(p.Data):
		return fmt.Errorf("chunk %v has %d bytes, want %d", p.ID, b.ChunkBytes, len(p.Data))
	case b.Offset != wantFrom || len(b.Data) != wantTo-wantFrom:
		return fmt.Errorf("chunk %v: got blocks %d+%d, want %d+%d", p.ID, b.Offset, len(b.Data), wantFrom, wantTo-wantFrom)
	case !bytes.Equal(b.Data, p.Data[wantFrom:wantTo]):
		return fmt.Errorf("chunk %v: other bytes at %d+%d", p.ID, b.Offset, len(b.Data))
	case fmt.Sprint(b.Sums) != fmt.Sprint(p.Sums[first:last+1]):
		return fmt.Errorf("chunk %v: got sums %x, want %x", p.ID, b.Sums, p.Sums[first:last+1])
	}
	return nil
}

func mustHave(t *testing.T, n chunkclient.Node, p chunkwire.Put) {
	t.Helper()
	if err := Check(t.Context(), n, p); err != nil {
		t.Errorf("reading %v: %v", p.ID, err)
	}
}

func mustLack(t *testing.T, n chunkclient.Node, id object.ChunkID) {
	t.Helper()
	_, err := n.Get(t.Context(), chunkwire.Get{ID: id, Length: 1})
	wantKind(t, fmt.Sprintf("get of %v", id), err, object.NoSuchChunk)
}

// sizes are the lengths at which something changes.
var sizes = []int{
	1, 63, 64, 4095, 4096, 5 << 10, object.BlockBytes - 1, object.BlockBytes, object.BlockBytes + 1,
	3*object.BlockBytes + 17, object.ChunkMaxBytes - 1, object.ChunkMaxBytes,
}

// Every size is read back as it was put.
func testPutGet(t *testing.T, h Harness) {
	n := h.Open(t)
	for i, size := range sizes {
		mustPut(t, n, PutOf(ID(1, uint64(i), 0, 0), size))
	}
	for i, size := range sizes {
		mustHave(t, n, PutOf(ID(1, uint64(i), 0, 0), size))
	}
	// Each part of the id counts.
	for _, id := range []object.ChunkID{ID(2, 0, 0, 0), ID(1, 99, 0, 0), ID(1, 0, 1, 0), ID(1, 0, 0, 1)} {
		mustLack(t, n, id)
	}
	largest := ID(^uint64(0), ^uint64(0)-1, ^uint32(0), ^uint16(0))
	mustPut(t, n, PutOf(largest, 10))
	mustHave(t, n, PutOf(largest, 10))
}

// What is not a chunk, or not the one it says, is refused and not stored.
func testPutRefused(t *testing.T, h Harness) {
	n := h.Open(t)
	id := ID(1, 1, 0, 0)
	good := PutOf(id, 2*object.BlockBytes+5)
	for _, row := range []struct {
		name string
		kind object.Kind
		edit func(*chunkwire.Put)
	}{
		{"no data", object.InvalidArgument, func(p *chunkwire.Put) { p.Data, p.Sums = nil, nil }},
		{"too long", object.InvalidArgument, func(p *chunkwire.Put) { *p = PutOf(id, object.ChunkMaxBytes+1) }},
		{"no sums", object.Corrupt, func(p *chunkwire.Put) { p.Sums = nil }},
		{"a sum too few", object.Corrupt, func(p *chunkwire.Put) { p.Sums = p.Sums[:2] }},
		{"a sum too many", object.Corrupt, func(p *chunkwire.Put) { p.Sums = append(p.Sums[:3:3], 0) }},
		{"wrong first sum", object.Corrupt, func(p *chunkwire.Put) { p.Sums = []uint32{p.Sums[0] + 1, p.Sums[1], p.Sums[2]} }},
		{"wrong last sum", object.Corrupt, func(p *chunkwire.Put) { p.Sums = []uint32{p.Sums[0], p.Sums[1], p.Sums[2] ^ 1} }},
		{"a flipped bit", object.Corrupt, func(p *chunkwire.Put) {
			p.Data = bytes.Clone(p.Data)
			p.Data[len(p.Data)-1] ^= 1
		}},
	} {
		p := good
		row.edit(&p)
		wantKind(t, row.name, n.Put(t.Context(), p), row.kind)
		mustLack(t, n, id)
	}
	mustPut(t, n, good)
	mustHave(t, n, good)
}

// The same again succeeds; other bytes under the same id are refused and change
// nothing.
func testPutRepeated(t *testing.T, h Harness) {
	n := h.Open(t)
	p := PutOf(ID(1, 1, 0, 0), 100_000)
	mustPut(t, n, p)
	mustPut(t, n, p)
	for _, row := range []struct {
		name string
		data []byte
	}{
		{"shorter", p.Data[:len(p.Data)-1]},
		{"a whole block shorter", p.Data[:object.BlockBytes]},
		{"other bytes", Data(ID(9, 9, 9, 9), len(p.Data))},
	} {
		other := chunkwire.Put{ID: p.ID, Data: row.data, Sums: Sums(row.data)}
		wantKind(t, row.name, n.Put(t.Context(), other), object.ChunkConflict)
	}
	mustHave(t, n, p)
	if st := mustStat(t, n); st.Chunks != 1 {
		t.Errorf("stat counts %d chunks, want 1", st.Chunks)
	}
}

// Of puts of one id at the same time, those of one content succeed and all others
// are refused.
func testPutRepeatedAtOnce(t *testing.T, h Harness) {
	n := h.Open(t)
	const ids, times = 8, 4
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[uint64]map[int]bool{}
	for seq := range uint64(ids) {
		for i := range times * 2 {
			wg.Go(func() {
				id, variant := ID(1, seq, 0, 0), i%2
				data := Data(ID(7, seq, 0, uint16(variant)), 10_000)
				err := n.Put(t.Context(), chunkwire.Put{ID: id, Data: data, Sums: Sums(data)})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					if won[seq] == nil {
						won[seq] = map[int]bool{}
					}
					won[seq][variant] = true
				} else if !errors.Is(err, object.ChunkConflict) {
					t.Errorf("put of %v: %v", id, err)
				}
			})
		}
	}
	wg.Wait()
	for seq := range uint64(ids) {
		if len(won[seq]) != 1 {
			t.Errorf("sequence %d: %d contents succeeded, want 1", seq, len(won[seq]))
			continue
		}
		for variant := range won[seq] {
			data := Data(ID(7, seq, 0, uint16(variant)), 10_000)
			mustHave(t, n, chunkwire.Put{ID: ID(1, seq, 0, 0), Data: data, Sums: Sums(data)})
		}
	}
}

// A range is widened to whole blocks; one outside the chunk is refused.
func testGetRanges(t *testing.T, h Harness) {
	n := h.Open(t)
	const block = object.BlockBytes
	p := PutOf(ID(1, 1, 0, 0), 3*block+100)
	mustPut(t, n, p)
	for _, r := range [][2]int{
		{0, 1},
		{0, block},
		{0, block + 1},
		{block - 1, 1},
		{block - 1, 2},
		{block, block},
		{2*block + 5, block},
		{3 * block, 100},
		{3*block + 99, 1},
		{0, 3*block + 100},
		{1, 3*block + 99},
	} {
		b, err := n.Get(t.Context(), chunkwire.Get{ID: p.ID, Offset: r[0], Length: r[1]})
		if err == nil {
			err = compare(b, p, r[0], r[0]+r[1])
		}
		if err != nil {
			t.Errorf("range %d+%d: %v", r[0], r[1], err)
		}
	}
	const maxInt = int(^uint(0) >> 1)
	for _, r := range [][2]int{
		{0, 0},
		{0, -1},
		{-1, 1},
		{-1, 2},
		{3*block + 100, 1},
		{3*block + 99, 2},
		{0, 3*block + 101},
		{0, maxInt},
		{maxInt, maxInt},
		{maxInt, 1},
		{1, maxInt},
	} {
		_, err := n.Get(t.Context(), chunkwire.Get{ID: p.ID, Offset: r[0], Length: r[1]})
		wantKind(t, fmt.Sprintf("range %d+%d", r[0], r[1]), err, object.InvalidArgument)
	}
}

// A buffer that is large enough is used; a smaller one does no harm.
func testGetBuffer(t *testing.T, h Harness) {
	n := h.Open(t)
	p := PutOf(ID(1, 1, 0, 0), 100_000)
	mustPut(t, n, p)
	for _, row := range []struct {
		name string
		buf  []byte
		used bool
	}{
		{"none", nil, false},
		{"too small", make([]byte, 99_999), false},
		{"exact", make([]byte, 100_000), true},
		{"by capacity", make([]byte, 3, 200_000), true},
	} {
		b, err := n.Get(t.Context(), chunkwire.Get{ID: p.ID, Length: 100_000, Buffer: row.buf})
		if err == nil {
			err = compare(b, p, 0, 100_000)
		}
		if err != nil {
			t.Errorf("buffer %s: %v", row.name, err)
			continue
		}
		if used := cap(row.buf) > 0 && &b.Data[0] == &row.buf[:1][0]; used != row.used {
			t.Errorf("buffer %s: used %v, want %v", row.name, used, row.used)
		}
	}
}

// Deleted chunks are gone, others stay, unknown ones are no error.
func testDelete(t *testing.T, h Harness) {
	n := h.Open(t)
	for seq := range uint64(6) {
		mustPut(t, n, PutOf(ID(1, seq, 0, 0), 70_000))
	}
	ids := []object.ChunkID{ID(1, 1, 0, 0), ID(1, 4, 0, 0), ID(5, 5, 5, 5), ID(1, 1, 0, 0)}
	for range 2 {
		if err := n.Delete(t.Context(), ids); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	for seq := range uint64(6) {
		if seq == 1 || seq == 4 {
			mustLack(t, n, ID(1, seq, 0, 0))
		} else {
			mustHave(t, n, PutOf(ID(1, seq, 0, 0), 70_000))
		}
	}
	if err := n.Delete(t.Context(), nil); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if st := mustStat(t, n); st.Chunks != 4 || st.LiveBytes != 4*70_000 {
		t.Errorf("stat counts %d chunks with %d bytes, want 4 with %d", st.Chunks, st.LiveBytes, 4*70_000)
	}
}

// As many as the limit go in one call, more are refused as a whole.
func testDeleteMany(t *testing.T, h Harness) {
	n := h.Open(t)
	var ids []object.ChunkID
	for i := range chunkwire.DeleteMax + 1 {
		ids = append(ids, ID(1, uint64(i), 0, 0))
	}
	mustPut(t, n, PutOf(ids[0], 10))
	mustPut(t, n, PutOf(ids[chunkwire.DeleteMax-1], 10))
	wantKind(t, "too many", n.Delete(t.Context(), ids), object.InvalidArgument)
	mustHave(t, n, PutOf(ids[0], 10))
	if err := n.Delete(t.Context(), ids[:chunkwire.DeleteMax]); err != nil {
		t.Fatalf("delete of %d: %v", chunkwire.DeleteMax, err)
	}
	mustLack(t, n, ids[0])
	mustLack(t, n, ids[chunkwire.DeleteMax-1])
}

// A put that comes after the delete of its chunk is a put like any other: the
// inventory shows it, so that the sweep finds it.
func testPutAfterDelete(t *testing.T, h Harness) {
	n := h.Open(t)
	p := PutOf(ID(1, 1, 0, 0), 1000)
	for range 3 {
		mustPut(t, n, p)
		mustHave(t, n, p)
		if page := mustInventory(t, n, chunkwire.Inventory{Session: 1, To: 10}); len(page.Entries) != 1 {
			t.Errorf("inventory after put: %v", page)
		}
		if err := n.Delete(t.Context(), []object.ChunkID{p.ID}); err != nil {
			t.Fatal(err)
		}
		mustLack(t, n, p.ID)
	}
}

// A fence refuses what is below it, of its session only, and never goes back.
func testFence(t *testing.T, h Harness) {
	n := h.Open(t)
	mustPut(t, n, PutOf(ID(1, 3, 0, 0), 10))
	fence := func(session object.SessionID, position uint64) {
		t.Helper()
		if err := n.Fence(t.Context(), session, position); err != nil {
			t.Fatalf("fence %v at %d: %v", session, position, err)
		}
	}
	refused := func(seq uint64, want bool) {
		t.Helper()
		err := n.Put(t.Context(), PutOf(ID(1, seq, 1, 0), 10))
		switch {
		case want:
			wantKind(t, fmt.Sprintf("put of sequence %d", seq), err, object.Fenced)
		case err != nil:
			t.Errorf("put of sequence %d: %v", seq, err)
		}
	}
	fence(1, 0)
	refused(0, false)
	fence(1, 5)
	refused(4, true)
	refused(5, false)
	fence(1, 5)
	fence(1, 2)
	refused(4, true)
	wantKind(t, "repeated put", n.Put(t.Context(), PutOf(ID(1, 3, 0, 0), 10)), object.Fenced)
	mustHave(t, n, PutOf(ID(1, 3, 0, 0), 10)) // what is there stays
	mustPut(t, n, PutOf(ID(2, 0, 0, 0), 10))
	fence(1, chunkwire.FenceAll)
	refused(1<<63, true)
	if err := n.Delete(t.Context(), []object.ChunkID{ID(1, 3, 0, 0)}); err != nil {
		t.Errorf("delete below the fence: %v", err)
	}
	mustLack(t, n, ID(1, 3, 0, 0))
}

func mustInventory(t *testing.T, n chunkclient.Node, q chunkwire.Inventory) chunkwire.InventoryPage {
	t.Helper()
	page, err := n.Inventory(t.Context(), q)
	if err != nil {
		t.Fatalf("inventory %+v: %v", q, err)
	}
	return page
}

func mustStat(t *testing.T, n chunkclient.Node) chunkwire.Stat {
	t.Helper()
	st, err := n.Stat(t.Context())
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	return st
}

// An inventory holds the chunks of one session and window, ascending.
func testInventory(t *testing.T, h Harness) {
	n := h.Open(t)
	for _, id := range []object.ChunkID{
		ID(2, 7, 1, 0), ID(2, 7, 0, 2), ID(2, 3, 0, 0), ID(2, 300, 0, 0), ID(2, 7, 0, 1),
		ID(1, 7, 0, 0), ID(3, 7, 0, 0), ID(2, 1<<40, 0, 0),
	} {
		mustPut(t, n, PutOf(id, 100+int(id.Blob.Sequence%50)))
	}
	all := []object.ChunkID{
		ID(2, 3, 0, 0), ID(2, 7, 0, 1), ID(2, 7, 0, 2), ID(2, 7, 1, 0), ID(2, 300, 0, 0), ID(2, 1<<40, 0, 0),
	}
	const end = ^uint64(0)
	for _, row := range []struct {
		name string
		q    chunkwire.Inventory
		want []object.ChunkID
	}{
		{"all", chunkwire.Inventory{Session: 2, To: end}, all},
		{"from is included", chunkwire.Inventory{Session: 2, From: 7, To: end}, all[1:]},
		{"to is excluded", chunkwire.Inventory{Session: 2, To: 300}, all[:4]},
		{"one sequence", chunkwire.Inventory{Session: 2, From: 7, To: 8}, all[1:4]},
		{"after", chunkwire.Inventory{Session: 2, To: end, After: all[2]}, all[3:]},
		{"after one that is not there", chunkwire.Inventory{Session: 2, To: end, After: ID(2, 8, 0, 0)}, all[4:]},
		{"after, before the window", chunkwire.Inventory{Session: 2, From: 300, To: end, After: all[0]}, all[4:]},
		{"after, behind the window", chunkwire.Inventory{Session: 2, To: 8, After: all[4]}, nil},
		{"empty window", chunkwire.Inventory{Session: 2, From: 7, To: 7}, nil},
		{"inverted window", chunkwire.Inventory{Session: 2, From: 8, To: 7}, nil},
		{"unknown session", chunkwire.Inventory{Session: 9, To: end}, nil},
	} {
		page := mustInventory(t, n, row.q)
		var got []object.ChunkID
		for _, e := range page.Entries {
			got = append(got, e.ID)
			if want := 100 + int(e.ID.Blob.Sequence%50); e.Bytes != want {
				t.Errorf("%s: %v has %d bytes, want %d", row.name, e.ID, e.Bytes, want)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(row.want) || page.More {
			t.Errorf("%s: got %v, more %v, want %v", row.name, got, page.More, row.want)
		}
	}
}

// A listing longer than a page is continued behind its last entry.
func testInventoryPages(t *testing.T, h Harness) {
	n := h.Open(t)
	const count = chunkwire.InventoryMax + 10
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; i < count; i += 32 {
				if err := n.Put(t.Context(), PutOf(ID(1, uint64(i), 0, 0), 8)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	q := chunkwire.Inventory{Session: 1, To: count}
	first := mustInventory(t, n, q)
	if len(first.Entries) != chunkwire.InventoryMax || !first.More {
		t.Fatalf("first page: %d entries, more %v", len(first.Entries), first.More)
	}
	q.After = first.Entries[len(first.Entries)-1].ID
	second := mustInventory(t, n, q)
	if len(second.Entries) != 10 || second.More {
		t.Fatalf("second page: %d entries, more %v", len(second.Entries), second.More)
	}
	for i, e := range append(first.Entries, second.Entries...) {
		if e.ID != ID(1, uint64(i), 0, 0) {
			t.Fatalf("entry %d is %v", i, e.ID)
		}
	}
}

// Stat counts what is there.
func testStat(t *testing.T, h Harness) {
	n := h.Open(t)
	if st := mustStat(t, n); st.Chunks != 0 || st.LiveBytes != 0 || st.Failed || st.Quarantined != 0 {
		t.Errorf("an empty node: %+v", st)
	}
	mustPut(t, n, PutOf(ID(1, 1, 0, 0), 5000))
	mustPut(t, n, PutOf(ID(1, 2, 0, 0), 500_000))
	st := mustStat(t, n)
	if st.Chunks != 2 || st.LiveBytes != 505_000 || st.DiskBytes < 505_000 {
		t.Errorf("two chunks: %+v", st)
	}
}

// A call whose context has ended does nothing and returns the context's error.
func testContextEnded(t *testing.T, h Harness) {
	n := h.Open(t)
	mustPut(t, n, PutOf(ID(1, 1, 0, 0), 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := n.Get(ctx, chunkwire.Get{ID: ID(1, 1, 0, 0), Length: 1})
	_, inventoryErr := n.Inventory(ctx, chunkwire.Inventory{Session: 1, To: 9})
	_, statErr := n.Stat(ctx)
	for name, err := range map[string]error{
		"put":       n.Put(ctx, PutOf(ID(1, 2, 0, 0), 10)),
		"get":       getErr,
		"delete":    n.Delete(ctx, []object.ChunkID{ID(1, 1, 0, 0)}),
		"fence":     n.Fence(ctx, 1, 100),
		"inventory": inventoryErr,
		"stat":      statErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
	}
	mustHave(t, n, PutOf(ID(1, 1, 0, 0), 10))
	mustLack(t, n, ID(1, 2, 0, 0))
}

// A caller that gives up may use its buffer again as soon as Put returns: a chunk
// is stored with the bytes it was put with, or not at all.
func testCallerKeepsData(t *testing.T, h Harness) {
	n := h.Open(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range 30 {
				id := ID(1, uint64(w*1000+i), 0, 0)
				p := PutOf(id, 200_000)
				want := p
				want.Data = bytes.Clone(p.Data)
				ctx, cancel := context.WithCancel(t.Context())
				if rng.IntN(2) == 0 {
					go cancel()
				}
				err := n.Put(ctx, p)
				clear(p.Data)
				cancel()
				got := Check(t.Context(), n, want)
				if got != nil && (err == nil || !errors.Is(got, object.NoSuchChunk)) {
					t.Errorf("put: %v, then get: %v", err, got)
				}
			}
		})
	}
	wg.Wait()
}

// Puts, gets and deletes at the same time: each sees what was acknowledged before it
// began.
func testParallel(t *testing.T, h Harness) {
	n := h.Open(t)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(w)))
			var have []chunkwire.Put
			for i := range 40 {
				size := 1 + rng.IntN(20_000)
				if rng.IntN(8) == 0 {
					size = 1 + rng.IntN(object.ChunkMaxBytes)
				}
				p := PutOf(ID(uint64(w), uint64(i), 0, 0), size)
				if err := n.Put(t.Context(), p); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				have = append(have, p)
				at := rng.IntN(len(have))
				if err := Check(t.Context(), n, have[at]); err != nil {
					t.Errorf("get: %v", err)
				}
				if rng.IntN(2) == 0 {
					if err := n.Delete(t.Context(), []object.ChunkID{have[at].ID}); err != nil {
						t.Errorf("delete: %v", err)
					}
					if err := Check(t.Context(), n, have[at]); !errors.Is(err, object.NoSuchChunk) {
						t.Errorf("get after delete: %v", err)
					}
					have = append(have[:at], have[at+1:]...)
				}
			}
			page, err := n.Inventory(t.Context(), chunkwire.Inventory{Session: object.SessionID(w), To: 1000})
			if err != nil || len(page.Entries) != len(have) {
				t.Errorf("inventory: %d entries, want %d, %v", len(page.Entries), len(have), err)
			}
		})
	}
	wg.Wait()
}

// All that was acknowledged is there after a restart.
func testReopen(t *testing.T, h Harness) {
	if h.Reopen == nil {
		t.Skip("the harness can't reopen a node")
	}
	n := h.Open(t)
	for i, size := range sizes {
		mustPut(t, n, PutOf(ID(1, uint64(i), 0, 0), size))
	}
	if err := n.Delete(t.Context(), []object.ChunkID{ID(1, 2, 0, 0), ID(1, 9, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := n.Fence(t.Context(), 1, 500); err != nil {
		t.Fatal(err)
	}
	before := mustStat(t, n)
	for range 2 {
		n = h.Reopen(t, n)
		for i, size := range sizes {
			if i == 2 || i == 9 {
				mustLack(t, n, ID(1, uint64(i), 0, 0))
			} else {
				mustHave(t, n, PutOf(ID(1, uint64(i), 0, 0), size))
			}
		}
		wantKind(t, "put below the fence", n.Put(t.Context(), PutOf(ID(1, 499, 0, 0), 10)), object.Fenced)
		after := mustStat(t, n)
		if after.Chunks != before.Chunks || after.LiveBytes != before.LiveBytes {
			t.Errorf("stat before %+v, after %+v", before, after)
		}
	}
	mustPut(t, n, PutOf(ID(1, 500, 0, 0), 10))
}
