package segment

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scanWindowBytes is what a scan reads at a time: enough to pass over many small
// records with one call, little beside a large one.
const scanWindowBytes = 64 << 10

// span is a run of bytes of a segment.
type span struct{ from, to int64 }

// scan is what a pass over a segment found.
type scan struct {
	number uint32
	size   int64
	// records are the good ones, ascending.
	records []record
	// bad are the runs in which there is no good record, but for zeros at the end.
	bad []span
	// end is behind the last good record.
	end int64
	// proven is the offset before which all was synced, as the records say.
	proven int64
	// batch is the highest batch number.
	batch uint64
}

// window reads a file in pieces.
type window struct {
	f     vfs.File
	size  int64
	start int64
	buf   []byte
}

// at returns n bytes at an offset, less at the end of the file, valid until the
// next call.
func (w *window) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(w.size-off, 0)))
	if off < w.start || off+int64(n) > w.start+int64(len(w.buf)) {
		buf := w.buf[:cap(w.buf)]
		if len(buf) < max(n, scanWindowBytes) {
			buf = make([]byte, max(n, scanWindowBytes))
		}
		got, err := w.f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		w.start, w.buf = off, buf[:got]
		n = min(n, got)
	}
	return w.buf[off-w.start:][:n], nil
}

// scanSegment finds all good records from an offset on, behind a record of the given batch. After
// a bad one it goes on looking: only the end of the file ends a scan. It reads heads, not data.
func scanSegment(f vfs.File, number uint32, nonce uint64, from int64, batch uint64) (*scan, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &scan{number: number, size: info.Size(), end: from, batch: batch}
	w := &window{f: f, size: s.size}
	badFrom := int64(-1)
	for off := from; off < s.size; {
		head, err := w.at(off, headMax)
		if err != nil {
			return nil, err
		}
		r, err := parseHead(head, place{segment: number, offset: uint32(off)}, nonce)
		// A record of an earlier batch behind one of a later batch is what a failed
		// write left there, and a record that does not fit is torn.
		if err != nil || r.batch < s.batch || off+r.bytes() > alignUp(s.size, alignment) {
			if badFrom < 0 {
				badFrom = off
			}
			if off, err = nextCandidate(w, off+alignment, nonce); err != nil {
				return nil, err
			}
			continue
		}
		if badFrom >= 0 {
			s.bad = append(s.bad, span{badFrom, off})
			badFrom = -1
		}
		s.records = append(s.records, r)
		s.batch = r.batch
		s.proven = max(s.proven, int64(r.durable))
		off += r.bytes()
		s.end = off
	}
	if badFrom >= 0 {
		zeros, err := allZeros(w, badFrom)
		if err != nil {
			return nil, err
		}
		if !zeros {
			s.bad = append(s.bad, span{badFrom, s.size})
		}
	}
	return s, nil
}

// nextCandidate finds the next place that looks like the begin of a record.
func nextCandidate(w *window, off int64, nonce uint64) (int64, error) {
	for ; off < w.size; off += alignment {
		b, err := w.at(off, headerBytes)
		if err != nil {
			return 0, err
		}
		if len(b) == headerBytes && binary.LittleEndian.Uint64(b[8:]) == nonce &&
			binary.LittleEndian.Uint32(b[16:]) == uint32(off) {
			return off, nil
		}
	}
	return w.size, nil
}

func allZeros(w *window, off int64) (bool, error) {
	for off < w.size {
		b, err := w.at(off, scanWindowBytes)
		if err != nil {
			return false, err
		}
		if len(b) == 0 {
			return true, nil
		}
		for _, c := range b {
			if c != 0 {
				return false, nil
			}
		}
		off += int64(len(b))
	}
	return true, nil
}

// dropTorn reads the data of the records that nothing proves to have been synced,
// and takes those out whose data is not whole.
func (s *scan) dropTorn(f vfs.File) error {
	kept := s.records[:0]
	for _, r := range s.records {
		if int64(r.at.offset) >= s.proven && r.kind == recordPut {
			good, err := readGood(f, &r)
			if err != nil {
				return err
			}
			if !good {
				s.bad = append(s.bad, span{int64(r.at.offset), int64(r.at.offset) + r.bytes()})
				continue
			}
		}
		kept = append(kept, r)
	}
	s.records = kept
	return nil
}

// readGood reads a record's data and checks it.
func readGood(f vfs.File, r *record) (bool, error) {
	data := make([]byte, r.length)
	_, err := f.ReadAt(data, int64(r.at.offset)+headBytes(len(r.sums)))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return err == nil && goodData(data, r.sums), nil
}

// corrupt lists the bad runs that had once been synced; the others are torn.
func (s *scan) corrupt() (corrupt []span, torn bool) {
	for _, b := range s.bad {
		if b.from < s.proven {
			corrupt = append(corrupt, b)
		} else {
			torn = true
		}
	}
	return corrupt, torn
}
