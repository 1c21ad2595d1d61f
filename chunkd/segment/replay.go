package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/object"
)

// replayCommitRecords is how many records are applied in one step.
const replayCommitRecords = 4096

// load opens the index, or builds it anew when it is missing, damaged or another
// folder's, and brings it up to the end of the segments.
func (s *Store) load() error {
	numbers, err := s.listSegments()
	if err != nil {
		return err
	}
	pos, err := s.openOrRebuildIndex()
	if err != nil {
		return err
	}
	s.position = pos
	s.batch = pos.batch
	s.nextSegment = 1
	for n := range s.table.segments {
		s.nextSegment = max(s.nextSegment, n+1)
	}
	for _, n := range append(numbers, pos.segment) {
		s.nextSegment = max(s.nextSegment, n+1)
	}
	for i, n := range numbers {
		if n < pos.segment {
			continue
		}
		if err := s.replaySegment(n, numbers[i+1:]); err != nil {
			return fmt.Errorf("segment %08x: %w", n, err)
		}
	}
	if err := s.countBadData(); err != nil {
		return err
	}
	if err := s.settleMissing(numbers); err != nil || !s.rebuilding {
		return err
	}
	// An index without a position is taken for damaged. One of an empty store has none yet.
	return s.newUpdate().commit(s.position)
}

// listSegments lists the numbers of the segment files, ascending.
func (s *Store) listSegments() ([]uint32, error) {
	names, err := s.fs.List(s.segmentsDir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, name := range names {
		n, ok := parseSegmentName(name)
		if !ok {
			s.log.Warn("unknown file among the segments", zap.String("name", name))
			continue
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// openOrRebuildIndex returns the position to replay from.
func (s *Store) openOrRebuildIndex() (position, error) {
	dir := s.fs.PathJoin(s.options.Dir, indexName)
	damaged := s.fs.PathJoin(s.options.Dir, damagedName)
	_, statErr := s.fs.Stat(dir)
	var err error
	if _, damagedErr := s.fs.Stat(damaged); damagedErr != nil {
		var pos position
		var found bool
		if pos, found, err = s.tryIndex(); err == nil && found {
			return pos, nil
		}
	}
	if s.index != nil {
		err = errors.Join(err, s.closeIndex())
	}
	if err != nil || statErr == nil {
		s.log.Warn("the index is not usable and is built anew from the segments", zap.Error(err))
		s.metrics.rebuilds.Add(1)
	}
	if err := s.fs.RemoveAll(dir); err != nil {
		return position{}, err
	}
	if err := syncDir(s.fs, s.options.Dir); err != nil {
		return position{}, err
	}
	if err := s.fs.Remove(damaged); err != nil && !oserror.IsNotExist(err) {
		return position{}, err
	}
	s.table = newTable()
	s.rebuilding = true
	if s.index, err = openIndex(s.options, s.storeID, s.fail, s.checkpoint.starve); err != nil {
		return position{}, err
	}
	return position{}, syncDir(s.fs, s.options.Dir)
}

func (s *Store) closeIndex() error {
	x := s.index
	s.index = nil
	return x.db.Close()
}

// tryIndex opens the index and reads what a start needs of it. A failure of the index until
// then is not one of the store.
func (s *Store) tryIndex() (pos position, found bool, err error) {
	t := &trial{s: s}
	if s.index, err = openIndex(s.options, s.storeID, t.failed, s.checkpoint.starve); err != nil {
		return pos, false, err
	}
	if pos, found, err = s.readIndex(); err == nil {
		err = t.end(found)
	}
	return pos, found && err == nil, err
}

// trial is what an index reports to while it is tried.
type trial struct {
	s *Store

	mu       sync.Mutex // guards all below
	accepted bool
	err      error // the first failure before that
}

func (t *trial) failed(err error) {
	t.mu.Lock()
	accepted := t.accepted
	if t.err == nil {
		t.err = err
	}
	t.mu.Unlock()
	if accepted {
		t.s.fail(err)
	}
}

// end accepts the index if it has not failed. Of one that is not accepted no failure matters.
func (t *trial) end(found bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted = found && t.err == nil
	return t.err
}

func (s *Store) readIndex() (pos position, found bool, err error) {
	pos, found, err = s.index.position()
	if err != nil || !found {
		return pos, false, err
	}
	segments, pending, err := s.index.segments()
	if err != nil {
		return pos, false, err
	}
	s.table.pending = pending
	for n, state := range segments {
		s.table.set(n, state, true)
	}
	return pos, true, nil
}

// replaySegment applies what the index does not know yet of one segment. later are
// the segments behind it.
func (s *Store) replaySegment(n uint32, later []uint32) error {
	from := int64(headerBytes)
	known, ok := s.table.segments[n]
	if n == s.position.segment {
		if ok && known.cut {
			return nil
		}
		from = int64(s.position.offset)
	}
	f, err := s.openForReplay(n, len(later) == 0)
	if err != nil {
		return err
	}
	err = s.replayFile(f, n, from, later)
	return errors.Join(err, f.Close())
}

// openForReplay opens the last segment for writing too: its tail may have to be
// written again.
func (s *Store) openForReplay(n uint32, last bool) (vfs.File, error) {
	name := s.segmentPath(n)
	if last {
		return s.fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	}
	return s.fs.Open(name)
}

func (s *Store) replayFile(f vfs.File, n uint32, from int64, later []uint32) error {
	_, known := s.table.segments[n]
	headerOK, err := s.checkHeader(f, n)
	if err != nil {
		return err
	}
	batch := uint64(0)
	if n == s.position.segment {
		// Behind the position stands what is newer, or void: remains of a failed write.
		batch = s.position.batch
	}
	sc, err := scanSegment(f, n, s.storeID.nonce(n), from, batch)
	if err != nil {
		return err
	}
	s.metrics.replayedBytes.Add(uint64(max(sc.size-from, 0)))
	proof, err := s.proofOf(n, later)
	if err != nil {
		return err
	}
	sc.proven = max(sc.proven, proof, s.knownProof(n))
	if err := sc.dropTorn(f); err != nil {
		return err
	}
	if len(sc.records) == 0 && !known && sc.proven == 0 {
		return s.dropStillborn(n, sc)
	}
	if len(later) == 0 {
		if err := s.rewriteTail(f, sc, headerOK); err != nil {
			return err
		}
		headerOK = headerOK || sc.proven < headerBytes
	}
	return s.applyScan(f, sc, from, headerOK)
}

// knownProof is what the index itself proves: it never runs ahead of a sync.
func (s *Store) knownProof(n uint32) int64 {
	if n == s.position.segment {
		return int64(s.position.offset)
	}
	return 0
}

// checkHeader reports whether a segment's header is good. One of a newer format
// or of another store is an error.
func (s *Store) checkHeader(f vfs.File, n uint32) (bool, error) {
	b := make([]byte, headerBytes)
	if got, err := f.ReadAt(b, 0); got < headerBytes {
		if err == nil || errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	h, version, ok := parseSegmentHeader(b)
	switch {
	case ok && version > formatVersion:
		return false, &object.Error{
			Op: "segment.Open", Kind: object.NewerFormat,
			Err: fmt.Errorf("segment %08x has format %d, this release reads up to %d", n, version, formatVersion),
		}
	case ok && h.store != s.storeID:
		return false, fmt.Errorf("%w: segment %08x is another store's", ErrForeign, n)
	}
	return ok && version == formatVersion && h.number == n, nil
}

// proofOf asks the segment written after n how much of n had been synced.
func (s *Store) proofOf(n uint32, later []uint32) (int64, error) {
	if len(later) == 0 {
		return 0, nil
	}
	f, err := s.fs.Open(s.segmentPath(later[0]))
	if err != nil {
		return 0, err
	}
	b := make([]byte, headerBytes)
	got, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil // too short to prove anything
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	h, version, ok := parseSegmentHeader(b[:got])
	if !ok || version != formatVersion || h.previous != n || h.store != s.storeID {
		return 0, nil
	}
	return int64(h.proven), nil
}

// dropStillborn removes a segment in which nothing was ever acknowledged: the crash
// came before its first sync ended. What is not plainly that is kept aside.
func (s *Store) dropStillborn(n uint32, sc *scan) error {
	s.metrics.tornTails.Add(1)
	if len(sc.bad) == 0 {
		if err := s.fs.Remove(s.segmentPath(n)); err != nil {
			return err
		}
		return syncDir(s.fs, s.segmentsDir)
	}
	s.log.Warn("segment without a single good record is put aside", zap.Uint32("segment", n))
	return s.putAside(n)
}

// putAside moves a segment to where only an operator looks.
func (s *Store) putAside(n uint32) error {
	dir := s.fs.PathJoin(s.options.Dir, asideName)
	if err := s.fs.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	if err := s.fs.Rename(s.segmentPath(n), s.fs.PathJoin(dir, segmentName(n))); err != nil && !oserror.IsNotExist(err) {
		return err
	}
	return errors.Join(syncDir(s.fs, dir), syncDir(s.fs, s.options.Dir), syncDir(s.fs, s.segmentsDir))
}

// rewriteTail makes durable what nothing proves to be: after a failed sync the
// kernel may hold bytes as clean that never reached the disk, so another sync alone
// would not help. The same bytes are written in the same place; a header that was
// torn is written anew.
func (s *Store) rewriteTail(f vfs.File, sc *scan, headerOK bool) error {
	if !headerOK && sc.proven < headerBytes {
		h := segmentHeader{number: sc.number, store: s.storeID}
		if _, err := f.WriteAt(h.append(nil), 0); err != nil {
			return err
		}
	}
	var buf []byte
	for i := range sc.records {
		r := &sc.records[i]
		at := int64(r.at.offset)
		if at < sc.proven {
			continue
		}
		if buf == nil {
			buf = make([]byte, recordMax)
		}
		n := min(r.bytes(), sc.size-at) // without padding that was not written
		if _, err := f.ReadAt(buf[:n], at); err != nil {
			return err
		}
		clear(buf[n:r.bytes()])
		if _, err := f.WriteAt(buf[:r.bytes()], at); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(s.fs, s.segmentsDir)
}

// applyScan brings the good records into the index and reports the bad runs.
func (s *Store) applyScan(f vfs.File, sc *scan, from int64, headerOK bool) error {
	corrupt, torn := sc.corrupt()
	if !headerOK && sc.proven >= headerBytes && from == headerBytes {
		corrupt = append(corrupt, span{0, headerBytes})
	}
	if sc.end < sc.proven && !slices.ContainsFunc(sc.bad, func(b span) bool { return b.from == sc.end }) {
		corrupt = append(corrupt, span{sc.end, sc.proven}) // zeros, or cut off
	}
	if alignUp(sc.size, alignment) < from {
		corrupt = append(corrupt, span{sc.size, from})
	}
	s.batch = max(s.batch, sc.batch)
	for rest := sc.records; ; {
		n := min(len(rest), replayCommitRecords)
		u := s.newUpdate()
		if _, ok := u.state(sc.number); !ok {
			u.begin(sc.number)
		}
		for i := range rest[:n] {
			if err := u.apply(&rest[i]); err != nil {
				return err
			}
		}
		rest = rest[n:]
		p := position{batch: s.batch, quarantined: s.position.quarantined}
		p.place = place{segment: sc.number, offset: uint32(sc.end)}
		if len(rest) > 0 {
			// Not the last batch: what is not applied yet would be void by it.
			p.place, p.batch = rest[0].at, rest[0].batch
		} else {
			s.noteDamage(u, sc, corrupt, torn)
			p.quarantined += int64(len(corrupt))
		}
		if err := u.commit(p); err != nil {
			return err
		}
		if len(rest) == 0 {
			break
		}
	}
	s.metrics.replayedRecords.Add(uint64(len(sc.records)))
	return s.suspectBadData(f, sc)
}

func (s *Store) noteDamage(u *update, sc *scan, corrupt []span, torn bool) {
	for _, c := range corrupt {
		s.log.Error("corrupt records in a segment: quarantined",
			zap.Uint32("segment", sc.number), zap.Int64("from", c.from), zap.Int64("to", c.to))
	}
	if torn {
		s.metrics.tornTails.Add(1)
		s.log.Info("segment with a torn tail: cut", zap.Uint32("segment", sc.number), zap.Int64("end", sc.end))
	}
	u.change(sc.number, func(state *segmentState) {
		state.quarantined += uint32(len(corrupt))
		// Nothing is appended behind damage.
		state.cut = state.cut || torn || len(corrupt) > 0
	})
	// The next segment's header says up to where this one had been synced.
	s.previous, s.proven = sc.number, uint32(sc.end)
	for _, b := range sc.bad {
		if b.from >= sc.proven {
			s.proven = min(s.proven, uint32(b.from))
		}
	}
}

// suspectBadData reads the data of the replayed chunks and notes what is damaged. It may
// be a hole, if a later segment has the delete.
func (s *Store) suspectBadData(f vfs.File, sc *scan) error {
	if s.rebuilding {
		return nil // would read all that the disk holds
	}
	for i := range sc.records {
		r := &sc.records[i]
		if r.kind != recordPut || int64(r.at.offset) >= sc.proven {
			continue
		}
		good, err := readGood(f, r)
		if err != nil {
			// It is an error again for whoever asks for the chunk; the others are served.
			s.log.Warn("chunk can't be read", zap.Stringer("chunk", r.id), zap.Stringer("at", r.at), zap.Error(err))
		} else if !good {
			s.suspects = append(s.suspects, *r)
		}
	}
	return nil
}

// countBadData reports the damaged chunks that are still there when all is replayed. They
// stay readable: their other blocks may be good.
func (s *Store) countBadData() error {
	p := s.position
	for i := range s.suspects {
		r := &s.suspects[i]
		live, err := s.newUpdate().lives(r)
		if err != nil {
			return err
		}
		if live {
			p.quarantined++
			s.log.Error("corrupt chunk", zap.Stringer("chunk", r.id), zap.Stringer("at", r.at))
		}
	}
	s.suspects = nil
	if p == s.position {
		return nil
	}
	return s.newUpdate().commit(p)
}

// settleMissing forgets segments whose files were removed after the index was last
// flushed, and reports files that should be there.
func (s *Store) settleMissing(numbers []uint32) error {
	var missing []uint32
	for n := range s.table.segments {
		if _, found := slices.BinarySearch(numbers, n); !found {
			missing = append(missing, n)
		}
	}
	slices.Sort(missing)
	for _, n := range missing {
		if state := s.table.segments[n]; state.puts > 0 {
			s.log.Error("a segment with chunks is missing", zap.Uint32("segment", n), zap.Uint32("chunks", state.puts))
			if state.quarantined < math.MaxUint32 {
				u := s.newUpdate()
				u.change(n, func(st *segmentState) { st.quarantined, st.cut = math.MaxUint32, true })
				p := s.position
				p.quarantined += int64(state.puts)
				if err := u.commit(p); err != nil {
					return err
				}
			}
			continue
		}
		u := s.newUpdate()
		if err := u.remove(n); err != nil {
			return err
		}
		if err := u.commit(s.position); err != nil {
			return err
		}
	}
	return nil
}
