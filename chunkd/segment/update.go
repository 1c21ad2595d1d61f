package segment

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/stampede-store/stampede/object"
)

// table is what is known of all segments, in memory.
type table struct {
	segments map[uint32]segmentState
	// pending are the segments that hold puts which compaction has copied. Until
	// such a segment is gone no other one is removed, because a delete names
	// only the newest put of its chunk.
	pending map[uint32]bool
	// Sums over segments.
	chunks    int64
	dataBytes int64
	diskBytes int64
}

func (t *table) set(n uint32, s segmentState, present bool) {
	old := t.segments[n]
	if !present {
		s = segmentState{}
		delete(t.segments, n)
	} else {
		t.segments[n] = s
	}
	t.chunks += int64(s.puts) - int64(old.puts)
	t.dataBytes += s.dataBytes - old.dataBytes
	t.diskBytes += s.disk() - old.disk()
}

// update collects what a run of records changes, and applies it to index and table
// in one step. It sees its own changes. The writer has one at a time.
type update struct {
	s *Store

	chunks  map[object.ChunkID]*location // nil: deleted
	fences  map[object.SessionID]fence
	tombs   map[tombKey]place // zero: gone
	states  map[uint32]segmentState
	removed map[uint32]bool
	pending map[uint32]bool
	holes   []hole
}

func (s *Store) newUpdate() *update {
	return &update{
		s:       s,
		chunks:  map[object.ChunkID]*location{},
		fences:  map[object.SessionID]fence{},
		tombs:   map[tombKey]place{},
		states:  map[uint32]segmentState{},
		removed: map[uint32]bool{},
		pending: map[uint32]bool{},
	}
}

func (u *update) chunk(id object.ChunkID) (*location, error) {
	if l, ok := u.chunks[id]; ok {
		return l, nil
	}
	return u.s.index.chunk(id)
}

func (u *update) fence(s object.SessionID) (fence, error) {
	if f, ok := u.fences[s]; ok {
		return f, nil
	}
	f, err := u.s.index.fence(s)
	if err == nil {
		u.fences[s] = f
	}
	return f, err
}

func (u *update) tomb(k tombKey) (place, error) {
	if p, ok := u.tombs[k]; ok {
		return p, nil
	}
	return u.s.index.tomb(k)
}

// state is a segment's state with the changes so far.
func (u *update) state(n uint32) (segmentState, bool) {
	if u.removed[n] {
		return segmentState{}, false
	}
	if s, ok := u.states[n]; ok {
		return s, true
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	s, ok := u.s.table.segments[n]
	return s, ok
}

// change edits a segment's state. A segment that is gone has none.
func (u *update) change(n uint32, edit func(*segmentState)) {
	if s, ok := u.state(n); ok {
		edit(&s)
		u.states[n] = s
	}
}

// begin adds a new segment.
func (u *update) begin(n uint32) {
	u.states[n] = segmentState{end: headerBytes}
	delete(u.removed, n)
}

func (u *update) unlive(p place, bytes int64) {
	u.change(p.segment, func(s *segmentState) { s.liveBytes -= bytes })
}

// apply takes a record into account. Records come in the order of their places.
// replayed is set for what was read back, of which no hole is made.
func (u *update) apply(r *record) error {
	u.change(r.at.segment, func(s *segmentState) {
		s.end = max(s.end, r.at.offset+uint32(r.bytes()))
	})
	switch r.kind {
	case recordPut:
		return u.applyPut(r)
	case recordDelete:
		return u.applyDelete(r)
	case recordFence:
		return u.applyFence(r)
	default:
		return nil
	}
}

func (u *update) applyPut(r *record) error {
	old, err := u.chunk(r.id)
	if err != nil {
		return err
	}
	if old != nil {
		u.dropPut(old)
		if old.segment != r.at.segment {
			u.pending[old.segment] = true
		}
	}
	u.chunks[r.id] = &location{place: r.at, length: r.length, sums: r.sums}
	u.change(r.at.segment, func(s *segmentState) {
		s.puts++
		s.dataBytes += int64(r.length)
		s.liveBytes += r.bytes()
	})
	return nil
}

func (u *update) dropPut(l *location) {
	u.change(l.segment, func(s *segmentState) {
		s.puts--
		s.dataBytes -= int64(l.length)
		s.liveBytes -= l.recordBytes()
	})
}

// applyDelete ends the put at r.killed or before it, and keeps the delete alive
// while the segment of that put is there. In the same segment both go together.
func (u *update) applyDelete(r *record) error {
	cur, err := u.chunk(r.id)
	if err != nil {
		return err
	}
	if cur != nil && !r.killed.before(cur.place) {
		u.dropPut(cur)
		u.chunks[r.id] = nil
		u.holes = append(u.holes, hole{location: *cur})
	}
	if _, ok := u.state(r.killed.segment); !ok || r.killed.segment == r.at.segment {
		return nil
	}
	k := tombKey{segment: r.killed.segment, id: r.id}
	old, err := u.tomb(k)
	if err != nil {
		return err
	}
	if old != (place{}) {
		u.unlive(old, headerBytes)
	}
	u.tombs[k] = r.at
	u.change(r.at.segment, func(s *segmentState) { s.liveBytes += headerBytes })
	return nil
}

func (u *update) applyFence(r *record) error {
	old, err := u.fence(r.id.Blob.Session)
	if err != nil {
		return err
	}
	if r.id.Blob.Sequence < old.position {
		return nil
	}
	if old.place != (place{}) {
		u.unlive(old.place, headerBytes)
	}
	u.fences[r.id.Blob.Session] = fence{place: r.at, position: r.id.Blob.Sequence}
	u.change(r.at.segment, func(s *segmentState) { s.liveBytes += headerBytes })
	return nil
}

// remove forgets a segment whose file is gone, and lets go of the deletes that
// were kept for it. It must be alone in its update.
func (u *update) remove(n uint32) error {
	tombs, err := u.s.index.tombsOf(n)
	if err != nil {
		return err
	}
	for _, p := range tombs {
		u.unlive(p, headerBytes)
	}
	delete(u.states, n)
	u.removed[n] = true
	return nil
}

// commit applies the update: to the index, which is then complete up to p, and to
// the table.
func (u *update) commit(p position) error {
	x := u.s.index
	b := x.db.NewBatch()
	defer func() { _ = b.Close() }() // frees memory only
	if err := u.fill(b); err != nil {
		return err
	}
	if err := b.Set(x.metaKey(), p.encode(), nil); err != nil {
		return err
	}
	if err := x.db.Apply(b, pebble.NoSync); err != nil {
		return err
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	for n, s := range u.states {
		u.s.table.set(n, s, true)
	}
	for n := range u.pending {
		u.s.table.pending[n] = true
	}
	for n := range u.removed {
		u.s.table.set(n, segmentState{}, false)
		delete(u.s.table.pending, n)
	}
	u.s.position = p
	return nil
}

func (u *update) fill(b *pebble.Batch) error {
	set := func(k, v []byte, present bool) error {
		if present {
			return b.Set(k, v, nil)
		}
		return b.Delete(k, nil)
	}
	for id, l := range u.chunks {
		var v []byte
		if l != nil {
			v = l.encode()
		}
		if err := set(chunkKey(id), v, l != nil); err != nil {
			return err
		}
	}
	for k, p := range u.tombs {
		if err := set(k.key(), appendPlace(nil, p), p != place{}); err != nil {
			return err
		}
	}
	for session, f := range u.fences {
		if f.position == 0 {
			continue // only looked up
		}
		if err := b.Set(fenceKey(session), f.encode(), nil); err != nil {
			return err
		}
	}
	for n, s := range u.states {
		if err := b.Set(segmentKey(keySegment, n), s.encode(), nil); err != nil {
			return err
		}
	}
	for n := range u.pending {
		if err := b.Set(segmentKey(keyPending, n), nil, nil); err != nil {
			return err
		}
	}
	for n := range u.removed {
		if err := u.fillRemoved(b, n); err != nil {
			return err
		}
	}
	return nil
}

func (u *update) fillRemoved(b *pebble.Batch, n uint32) error {
	if err := b.DeleteRange(segmentKey(keyTomb, n), tombsEnd(n), nil); err != nil {
		return err
	}
	if err := b.Delete(segmentKey(keyPending, n), nil); err != nil {
		return err
	}
	return b.Delete(segmentKey(keySegment, n), nil)
}
