package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/cockroachdb/errors/oserror"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/object"
)

// tidy is the one goroutine that gives space back. It works when deletes have left
// something to reclaim, and ends with the store.
func (s *Store) tidy() {
	skip := map[uint32]bool{}
	for {
		s.punchHoles()
		n, found := s.pickSegment(skip)
		if !found || s.failed() != nil {
			select {
			case <-s.holes.wake:
				continue
			case <-s.stop.Done():
				return
			}
		}
		err := s.compact(n)
		switch {
		case s.stop.Err() != nil:
			return
		case errors.Is(err, errFull):
			// The next delete is the next chance.
			s.log.Warn("no space to compact a segment", zap.Uint32("segment", n))
			select {
			case <-s.holes.wake:
			case <-s.stop.Done():
				return
			}
		case err != nil:
			// Reading it may be impossible; it is tried again after the next start.
			s.log.Error("a segment can't be compacted", zap.Uint32("segment", n), zap.Error(err))
			skip[n] = true
		}
	}
}

// pickSegment chooses what to reclaim next: a segment that compaction began with
// and did not finish, before anything else; else the lowest one without live records;
// else the one with the least that lives, if that is less than half.
func (s *Store) pickSegment(skip map[uint32]bool) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best uint32
	share := 0.5
	for n := range s.table.pending {
		if best == 0 || n < best {
			best = n
		}
	}
	if best != 0 {
		return best, !skip[best]
	}
	for n, state := range s.table.segments {
		if n == s.position.segment || skip[n] || state.quarantined == math.MaxUint32 {
			continue // appended to, unreadable, or missing
		}
		living := 0.0
		if disk := state.disk(); disk > 0 {
			living = float64(state.liveBytes) / float64(disk)
		}
		if living < share || living == share && share == 0 && n < best {
			best, share = n, living
		}
	}
	return best, best != 0
}

// compact copies what lives in a segment to the end of the log and removes it.
func (s *Store) compact(n uint32) error {
	if s.liveBytes(n) > 0 {
		if err := s.copyLive(n); err != nil {
			return err
		}
		s.metrics.compactions.Add(1)
	}
	if s.liveBytes(n) > 0 {
		// Heads are damaged that the index knew before.
		if err := s.copyByIndex(n); err != nil {
			return err
		}
	}
	if left := s.liveBytes(n); left != 0 {
		return errors.New("live records can't be found")
	}
	return s.removeSegment(n)
}

func (s *Store) liveBytes(n uint32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.segments[n].liveBytes
}

// copyLive goes through the heads of a segment and has the writer append what
// still lives.
func (s *Store) copyLive(n uint32) error {
	f, err := s.files.acquire(n)
	if err != nil {
		return err
	}
	defer s.files.release(f)
	sc, err := scanSegment(f, n, s.storeID.nonce(n), headerBytes, 0)
	if err != nil {
		return err
	}
	return s.copyRecords(f, sc.records)
}

// copyRecords copies records in portions.
func (s *Store) copyRecords(f io.ReaderAt, records []record) error {
	for len(records) > 0 {
		n, bytes := 0, int64(0)
		for n < len(records) && n < copyMaxRecords && bytes < copyMaxBytes-recordMax {
			bytes += records[n].bytes()
			n++
		}
		if err := s.copyPortion(f, records[:n]); err != nil {
			return err
		}
		records = records[n:]
		s.punchHoles()
	}
	return nil
}

// copyPortion reads what lives of some records and waits until it is appended.
func (s *Store) copyPortion(f io.ReaderAt, records []record) error {
	var live []planned
	var bytes int64
	for _, r := range records {
		ok, err := s.newUpdate().lives(&r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		p := planned{record: r}
		if r.kind == recordPut {
			p.data = make([]byte, r.length)
			if _, err := f.ReadAt(p.data, int64(r.at.offset)+headBytes(len(r.sums))); err != nil {
				return err
			}
			s.checkCopied(&p)
		}
		live = append(live, p)
		bytes += r.bytes()
	}
	if len(live) == 0 {
		return nil
	}
	if err := s.limiter.WaitN(s.stop, int(bytes)); err != nil {
		return err
	}
	o := newOp(bytes, func(b *batch) error { return b.planCopies(live) })
	o.put = true
	if err := s.do(s.stop, o); err != nil {
		return err
	}
	s.metrics.compactedBytes.Add(uint64(bytes))
	return nil
}

// checkCopied reports a damaged chunk. It is copied with its sums all the same: its
// other blocks may be good, and no reader takes the bad ones for good. If it was
// deleted meanwhile and is a hole now, the writer drops it.
func (s *Store) checkCopied(p *planned) {
	if goodData(p.data, p.sums) {
		return
	}
	if ok, err := s.newUpdate().lives(&p.record); err == nil && ok {
		s.log.Error("corrupt chunk", zap.Stringer("chunk", p.id), zap.Stringer("at", p.at))
	}
}

// lives reports whether a record is still needed.
func (u *update) lives(r *record) (bool, error) {
	switch r.kind {
	case recordPut:
		l, err := u.chunk(r.id)
		return l != nil && l.place == r.at, err
	case recordDelete:
		p, err := u.tomb(tombKey{segment: r.killed.segment, id: r.id})
		return p == r.at, err
	case recordFence:
		f, err := u.fence(r.id.Blob.Session)
		return f.place == r.at && f.position == r.id.Blob.Sequence, err
	default:
		return false, nil
	}
}

func (b *batch) planCopies(live []planned) error {
	for _, p := range live {
		ok, err := b.u.lives(&p.record)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		r := p.record
		r.copied = r.kind == recordPut
		if err := b.add(r, p.data); err != nil {
			return err
		}
	}
	return nil
}

// removeSegment removes the file of a segment in which nothing lives; one with
// corrupt records is put aside. The order matters: a delete elsewhere is kept until
// the file with its put is durably gone.
func (s *Store) removeSegment(n uint32) error {
	s.mu.Lock()
	state := s.table.segments[n]
	s.mu.Unlock()
	// The durable index may still need what the segment says, and not know the copies:
	// a delete in it that is kept nowhere else.
	if err := s.flushIndex(); err != nil {
		return err
	}
	s.files.drop(n)
	var err error
	if state.quarantined > 0 {
		err = s.putAside(n)
	} else {
		err = s.fs.Remove(s.segmentPath(n))
		s.files.drop(n) // a reader may have opened it again meanwhile, and would keep its blocks
		if oserror.IsNotExist(err) {
			err = nil
		}
		if err == nil {
			err = syncDir(s.fs, s.segmentsDir)
		}
	}
	if err != nil {
		s.fail(err)
		return err
	}
	o := newOp(0, func(b *batch) error {
		return b.planIndexOnly(func(u *update) error { return u.remove(n) })
	})
	o.alone = true
	// The file is gone, so the index is told even while the store closes.
	if err := s.do(context.WithoutCancel(s.stop), o); err != nil {
		return err
	}
	s.metrics.removed.Add(1)
	return nil
}

// copyByIndex copies what the index knows of a segment, without its heads. It goes
// through the whole index, so it is only for damaged segments.
func (s *Store) copyByIndex(n uint32) error {
	records, err := s.recordsByIndex(n)
	if err != nil {
		return err
	}
	f, err := s.files.acquire(n)
	if err != nil {
		return err
	}
	defer s.files.release(f)
	return s.copyRecords(f, records)
}

func (s *Store) recordsByIndex(n uint32) (records []record, err error) {
	err = s.index.each([]byte{keyChunk}, []byte{keyChunk + 1}, func(k, v []byte) (bool, error) {
		l, err := parseLocation(v)
		if err == nil && l.segment == n {
			r := record{kind: recordPut, at: l.place, id: parseChunkID(k[1:]), length: l.length, sums: l.sums}
			records = append(records, r)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	err = s.index.each([]byte{keyTomb}, []byte{keyTomb + 1}, func(k, v []byte) (bool, error) {
		if p := parsePlace(v); p.segment == n {
			// Killing all of its segment is no more than the delete did: what was
			// put there later under the same id has a delete of its own or lives
			// elsewhere, as this segment is no longer appended to.
			killed := place{segment: binary.BigEndian.Uint32(k[1:]), offset: math.MaxUint32}
			records = append(records, record{kind: recordDelete, at: p, id: parseChunkID(k[5:]), killed: killed})
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	err = s.index.each([]byte{keyFence}, []byte{keyFence + 1}, func(k, v []byte) (bool, error) {
		if p := parsePlace(v); p.segment == n {
			id := object.BlobID{
				Session:  object.SessionID(binary.BigEndian.Uint64(k[1:])),
				Sequence: binary.BigEndian.Uint64(v[8:]),
			}
			records = append(records, record{kind: recordFence, at: p, id: object.ChunkID{Blob: id}})
		}
		return true, nil
	})
	return records, err
}
