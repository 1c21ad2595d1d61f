package segment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// damagedChunks are the chunks of fill, one batch each.
const damagedChunks = 5

// damagedBytes is the size of chunk i of fill; their records have different lengths.
func damagedBytes(i int) int { return 1000 + 700*i }

// recordAt is where the record of chunk i begins.
func recordAt(i int) int {
	at := 64
	for j := range i {
		at += (64 + 4 + damagedBytes(j) + 63) / 64 * 64
	}
	return at
}

// fill makes a folder with one segment and returns its bytes.
func fill(t testing.TB, fs vfs.FS) []byte {
	t.Helper()
	s := mustOpen(t, testOptions(fs))
	for i := range damagedChunks {
		if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, uint64(i), 0, 0), damagedBytes(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(readAll(t, fs, segmentFiles(t, fs)[0]))
}

// verify reads a chunk as a client does: blocks that don't match their sums are errors.
func verify(t testing.TB, s *segment.Store, p chunkwire.Put) error {
	b, err := s.Get(t.Context(), chunkwire.Get{ID: p.ID, Length: len(p.Data)})
	if err != nil {
		return err
	}
	if fmt.Sprint(nodetest.Sums(b.Data)) != fmt.Sprint(b.Sums) {
		return &object.Error{Op: "verify", Kind: object.Corrupt}
	}
	return nodetest.Check(t.Context(), s, p)
}

// A damaged record costs itself and no other. In the middle it is counted as corrupt; at
// the end, where nothing proves that it had been synced, it is a torn tail. What is put
// afterwards is there, with the index and without.
func TestDamage(t *testing.T) {
	for _, row := range []struct {
		name        string
		edit        func([]byte) []byte
		lost        []int
		corrupt     []int // there, with bytes that are seen to be bad
		quarantined int64
		torn        uint64
	}{
		{name: "nothing", edit: func(b []byte) []byte { return b }},
		{
			name: "segment header", quarantined: 1,
			edit: func(b []byte) []byte { b[20]++; return b },
		},
		{
			name: "first head", lost: []int{0}, quarantined: 1,
			edit: func(b []byte) []byte { b[recordAt(0)+40]++; return b },
		},
		{
			name: "a head in the middle", lost: []int{2}, quarantined: 1,
			edit: func(b []byte) []byte { b[recordAt(2)]++; return b },
		},
		{
			name: "a length in the middle", lost: []int{2}, quarantined: 1,
			edit: func(b []byte) []byte { b[recordAt(2)+56]++; return b },
		},
		{
			name: "two apart", lost: []int{1, 3}, quarantined: 2,
			edit: func(b []byte) []byte { b[recordAt(1)+8]++; b[recordAt(3)+8]++; return b },
		},
		{
			name: "two together", lost: []int{1, 2}, quarantined: 1,
			edit: func(b []byte) []byte { clear(b[recordAt(1) : recordAt(2)+64]); return b },
		},
		{
			name: "data in the middle", corrupt: []int{2},
			edit: func(b []byte) []byte { b[recordAt(2)+100]++; return b },
		},
		{
			name: "last head", lost: []int{4}, torn: 1,
			edit: func(b []byte) []byte { b[recordAt(4)+1]++; return b },
		},
		{
			name: "last data", lost: []int{4}, torn: 1,
			edit: func(b []byte) []byte { b[recordAt(4)+200]++; return b },
		},
		{
			name: "cut in the last data", lost: []int{4}, torn: 1,
			edit: func(b []byte) []byte { return b[:recordAt(4)+1000] },
		},
		{
			name: "cut in the last head", lost: []int{4}, torn: 1,
			edit: func(b []byte) []byte { return b[:recordAt(4)+30] },
		},
		{
			name: "cut between records", lost: []int{4},
			edit: func(b []byte) []byte { return b[:recordAt(4)] },
		},
		{
			name: "zeros behind",
			edit: func(b []byte) []byte { return append(b, make([]byte, 100_000)...) },
		},
		{
			name: "noise behind", torn: 1,
			edit: func(b []byte) []byte { return append(b, nodetest.Data(nodetest.ID(9, 9, 9, 9), 100_000)...) },
		},
		{
			name: "another segment's record behind", torn: 1,
			edit: func(b []byte) []byte { return append(b, b[recordAt(3):recordAt(4)]...) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewMem()
			good := fill(t, fs)
			if len(good) != recordAt(damagedChunks) {
				t.Fatalf("the segment has %d bytes, want %d", len(good), recordAt(damagedChunks))
			}
			writeAll(t, fs, segmentFiles(t, fs)[0], string(row.edit(good)))
			is := map[int]string{}
			for _, i := range row.lost {
				is[i] = "lost"
			}
			for _, i := range row.corrupt {
				is[i] = "corrupt"
			}
			late := nodetest.PutOf(nodetest.ID(2, 1, 0, 0), 5000)
			for round := range 3 {
				if round != 1 { // with the index of round 0, then without again
					if err := fs.RemoveAll("node/index"); err != nil {
						t.Fatal(err)
					}
				}
				s := mustOpen(t, testOptions(fs))
				checkDamaged(t, s, is)
				m, st := s.Metrics(), mustStat(t, s)
				if st.Quarantined != row.quarantined || round == 0 && m.TornTails != row.torn {
					t.Errorf("round %d: %d quarantined, %d torn, want %d, %d", round, st.Quarantined, m.TornTails, row.quarantined, row.torn)
				}
				if round == 0 {
					if err := s.Put(t.Context(), late); err != nil {
						t.Errorf("put: %v", err)
					}
				}
				if err := verify(t, s, late); err != nil {
					t.Errorf("round %d: the late chunk: %v", round, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func mustStat(t testing.TB, s *segment.Store) chunkwire.Stat {
	t.Helper()
	st, err := s.Stat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func checkDamaged(t *testing.T, s *segment.Store, is map[int]string) {
	t.Helper()
	for i := range damagedChunks {
		err := verify(t, s, nodetest.PutOf(nodetest.ID(1, uint64(i), 0, 0), damagedBytes(i)))
		var ok bool
		switch is[i] {
		case "lost":
			ok = errors.Is(err, object.NoSuchChunk)
		case "corrupt":
			ok = errors.Is(err, object.Corrupt)
		default:
			ok = err == nil
		}
		if !ok {
			t.Errorf("chunk %d, want %q: %v", i, is[i], err)
		}
	}
}

// Damage under an index that knows the chunks is seen when they are read; a file that
// is gone or cut is Corrupt, never "no such chunk".
func TestDamageUnderIndex(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*testing.T, vfs.FS, string, []byte)
		bad  []int
	}{
		{"data", func(t *testing.T, fs vfs.FS, name string, b []byte) {
			b[recordAt(2)+100]++
			writeAll(t, fs, name, string(b))
		}, []int{2}},
		{"cut", func(t *testing.T, fs vfs.FS, name string, b []byte) {
			writeAll(t, fs, name, string(b[:recordAt(3)+100]))
		}, []int{3, 4}},
		{"gone", func(t *testing.T, fs vfs.FS, name string, _ []byte) {
			if err := fs.Remove(name); err != nil {
				t.Fatal(err)
			}
		}, []int{0, 1, 2, 3, 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewMem()
			b := fill(t, fs)
			row.edit(t, fs, segmentFiles(t, fs)[0], b)
			is := map[int]string{}
			for _, i := range row.bad {
				is[i] = "corrupt"
			}
			late := nodetest.PutOf(nodetest.ID(2, 1, 0, 0), 5000)
			for range 2 {
				s := mustOpen(t, testOptions(fs))
				checkDamaged(t, s, is)
				if err := s.Put(t.Context(), late); err != nil {
					t.Errorf("put: %v", err)
				}
				if err := verify(t, s, late); err != nil {
					t.Errorf("the late chunk: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A damaged index is built anew.
func TestDamagedIndex(t *testing.T) {
	fs := vfs.NewMem()
	fill(t, fs)
	names, err := fs.List("node/index")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		b := nodetest.Data(nodetest.ID(rng.Uint64(), 0, 0, 0), 300)
		if name != "LOCK" {
			writeAll(t, fs, "node/index/"+name, string(b))
		}
	}
	s := mustOpen(t, testOptions(fs))
	checkDamaged(t, s, nil)
	if m := s.Metrics(); m.Rebuilds != 1 || m.ReplayedRecords != damagedChunks {
		t.Errorf("metrics: %+v", m)
	}
}

// Whatever is done to a segment, with the index or without: opening does not panic,
// what is read is right or seen to be bad, and records before the damage are there.
func FuzzOpenDamaged(f *testing.F) {
	fs := vfs.NewMem()
	good := fill(f, fs)
	f.Add(uint32(100), uint32(1), []byte{1}, false)
	f.Add(uint32(recordAt(3)), uint32(0), []byte{0, 0, 0, 0}, false)
	f.Add(uint32(recordAt(2)), uint32(500), []byte{}, false)
	f.Add(uint32(recordAt(2)), uint32(1<<20), []byte{}, true)
	f.Add(uint32(recordAt(1)), uint32(64), good[recordAt(2):recordAt(3)], false)
	f.Add(uint32(8), uint32(60), []byte("x"), false)
	f.Fuzz(func(t *testing.T, at, remove uint32, insert []byte, keepIndex bool) {
		from := min(int(at), len(good))
		b := append([]byte(nil), good[:from]...)
		b = append(b, insert...)
		b = append(b, good[min(from+int(remove), len(good)):]...)
		disk := vfs.NewMem()
		if _, err := vfs.Clone(fs, disk, "node", "node"); err != nil {
			t.Fatal(err)
		}
		writeAll(t, disk, segmentFiles(t, disk)[0], string(b))
		if !keepIndex {
			if err := disk.RemoveAll("node/index"); err != nil {
				t.Fatal(err)
			}
		}
		s, err := segment.Open(testOptions(disk))
		if err != nil {
			if errors.Is(err, segment.ErrForeign) || errors.Is(err, object.NewerFormat) {
				return // the header says so
			}
			t.Fatal(err)
		}
		for i := range damagedChunks {
			p := nodetest.PutOf(nodetest.ID(1, uint64(i), 0, 0), damagedBytes(i))
			err := verify(t, s, p)
			switch {
			case err == nil, errors.Is(err, object.Corrupt):
			case !errors.Is(err, object.NoSuchChunk):
				t.Errorf("chunk %d: %v", i, err)
			}
			if err != nil && recordAt(i+1) <= from {
				t.Errorf("chunk %d lies before the damage at %d: %v", i, from, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
