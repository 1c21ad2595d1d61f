package segment

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// hole is a deleted chunk whose blocks can go back to the file system.
type hole struct{ location }

// extent is the part of the segment that is given back: whole blocks of data. The
// head stays, so that the records behind it are found.
func (h *hole) extent() (from, to int64) {
	start := int64(h.offset) + headBytes(len(h.sums))
	from = alignUp(start, punchBlockBytes)
	return from, (start + int64(h.length)) / punchBlockBytes * punchBlockBytes
}

// holes are the holes to be made.
type holes struct {
	mu     sync.Mutex // guards queued and off
	queued []hole
	// off is set on file systems without holes.
	off  bool
	wake chan struct{}
}

// add queues the holes that deletes of a batch allow. A chunk that was put in the
// same batch is left out: nothing but its data would show that it had been whole.
func (h *holes) add(found []hole, segment, first uint32) {
	if len(found) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range found {
		sameBatch := one.segment == segment && one.offset >= first
		if one.length >= punchMinBytes && !sameBatch && !h.off && len(h.queued) < punchQueueMax {
			h.queued = append(h.queued, one)
		}
	}
	h.signal()
}

// signal wakes the tidier: there may be something to reclaim.
func (h *holes) signal() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

func (h *holes) take() []hole {
	h.mu.Lock()
	defer h.mu.Unlock()
	queued := h.queued
	h.queued = nil
	return queued
}

func (h *holes) turnOff() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.off, h.queued = true, nil
}

// HolePuncher is an ability that a vfs.File may have. Files of the operating
// system are punched without it, where it can do that.
type HolePuncher interface {
	// PunchHole frees the blocks of a range; it then reads as zeros. The length of
	// the file stays.
	PunchHole(offset, length int64) error
}

// errNoHoles: the file system makes no holes.
var errNoHoles = errors.New("the file system makes no holes")

func punch(f vfs.File, offset, length int64) error {
	if p, ok := f.(HolePuncher); ok {
		return p.PunchHole(offset, length)
	}
	if f.Fd() == vfs.InvalidFd {
		return errNoHoles
	}
	return punchFd(f.Fd(), offset, length)
}

// punchHoles gives the blocks of deleted chunks back. The deletes are synced and in
// the index. Only the tidier calls it, so no segment is removed meanwhile.
func (s *Store) punchHoles() {
	queued := s.holes.take()
	slices.SortFunc(queued, func(a, b hole) int {
		return cmp.Or(cmp.Compare(a.segment, b.segment), cmp.Compare(a.offset, b.offset))
	})
	for len(queued) > 0 && s.stop.Err() == nil && s.failed() == nil {
		n := 1
		for n < len(queued) && queued[n].segment == queued[0].segment {
			n++
		}
		s.punchSegment(queued[0].segment, queued[:n])
		queued = queued[n:]
	}
}

func (s *Store) punchSegment(segment uint32, found []hole) {
	s.mu.Lock()
	state, ok := s.table.segments[segment]
	s.mu.Unlock()
	if !ok || state.liveBytes == 0 || state.quarantined > 0 {
		return // about to be removed, or kept for an operator to look at
	}
	f, err := s.fs.OpenReadWrite(s.segmentPath(segment), vfs.WriteCategoryUnspecified)
	if err != nil {
		s.log.Warn("no holes in a segment", zap.Uint32("segment", segment), zap.Error(err))
		return
	}
	var freed int64
	for i := range found {
		from, to := found[i].extent()
		s.punches.Add(1)
		if err = punch(f, from, to-from); err != nil {
			break
		}
		freed += to - from
		s.metrics.holes.Add(1)
	}
	if errors.Is(err, errNoHoles) {
		s.holes.turnOff()
	} else if err != nil {
		s.log.Warn("no holes in a segment", zap.Uint32("segment", segment), zap.Error(err))
	}
	if err := f.Close(); err != nil {
		s.log.Warn("closing a segment after making holes", zap.Uint32("segment", segment), zap.Error(err))
	}
	s.metrics.holeBytes.Add(uint64(freed))
	if freed > 0 {
		s.countPunched(segment, freed)
	}
}

// countPunched has the writer note what was given back. It only steers compaction, so
// it need not be durable.
func (s *Store) countPunched(segment uint32, bytes int64) {
	o := newOp(0, func(b *batch) error {
		return b.planIndexOnly(func(u *update) error {
			u.change(segment, func(st *segmentState) { st.punched += bytes })
			return nil
		})
	})
	o.alone = true
	// The store may be closing, or the disk have failed; then it does not matter.
	_ = s.do(s.stop, o)
}
