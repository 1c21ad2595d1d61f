package segment

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/object"
)

// active is the segment that is appended to. All before end is synced.
type active struct {
	vfs.File
	number uint32
	end    uint32
}

// batch is what is written and synced in one go.
type batch struct {
	s *Store
	u *update
	// number and first are the segment and where the batch begins in it; fresh is
	// set when the segment is begun with this batch.
	number  uint32
	fresh   bool
	first   uint32
	end     int64
	durable uint32
	records []planned
	ops     []*op
	// indexOnly is set by an op that is alone and changes the index without a record.
	indexOnly bool
	// freeBytes is what is left of the disk above the reserve; known once asked for.
	freeBytes  int64
	freeLooked bool
}

// planned is a record with its data.
type planned struct {
	record
	data []byte
}

// errFull ends an op that there is no space for.
var errFull = errors.New("no space left above the reserve")

// write is the writer: the one goroutine that changes segments and index.
func (s *Store) write() {
	var ops []*op
	for {
		var ok bool
		if ops, ok = s.queue.take(ops, true); !ok {
			return
		}
		for len(ops) > 0 {
			ops = s.writeSome(ops)
			ops, _ = s.queue.take(ops, false)
		}
	}
}

// writeSome writes a batch of the first ops and returns the rest.
func (s *Store) writeSome(ops []*op) []*op {
	s.advance(0)
	err := s.checkpoint.waitForRoom()
	if err != nil {
		s.full.Store(true)
	} else {
		err = s.failed()
	}
	if err != nil {
		for _, o := range ops {
			o.done <- err
		}
		return nil
	}
	b := s.newBatch()
	rest := b.planAll(ops)
	err = s.writeBatch(b)
	if err == nil || !noSpace(err) {
		for _, o := range b.ops {
			o.done <- err
		}
		return rest
	}
	s.full.Store(true)
	if len(b.ops) == 0 && len(rest) > 0 {
		// There was no space for the mark that must come before this op.
		rest[0].done <- errors.Join(errFull, err)
		return rest[1:]
	}
	// Puts are refused; deletes and fences get another try without them, in
	// what is left of the reserve.
	var again []*op
	for _, o := range b.ops {
		if o.put || !b.hasPuts() {
			o.done <- errors.Join(errFull, err)
			continue
		}
		again = append(again, o)
	}
	return append(again, rest...)
}

func (b *batch) hasPuts() bool {
	for _, o := range b.ops {
		if o.put {
			return true
		}
	}
	return false
}

// noSpace reports whether a write failed only for lack of space.
func noSpace(err error) bool {
	var s *syncError
	return (vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT)) && !errors.As(err, &s)
}

// syncError is a failed sync, after which nothing is known about what is on disk.
type syncError struct{ err error }

func (e *syncError) Error() string { return "sync: " + e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

func (s *Store) newBatch() *batch {
	b := &batch{s: s, u: s.newUpdate()}
	if s.active != nil && int64(s.active.end) < s.options.SegmentBytes {
		b.number, b.first, b.durable = s.active.number, s.active.end, s.active.end
	} else {
		b.startSegment()
	}
	b.end = int64(b.first)
	return b
}

func (b *batch) startSegment() {
	b.fresh, b.number, b.first, b.durable = true, b.s.nextSegment, headerBytes, 0
	b.u.begin(b.number)
}

// planAll takes ops until the batch is full, and returns the rest.
func (b *batch) planAll(ops []*op) []*op {
	for i, o := range ops {
		if o.alone && len(b.ops) > 0 || !b.fits(o.need) {
			return ops[i:]
		}
		if err := o.plan(b); err != nil {
			o.done <- err
			continue
		}
		b.ops = append(b.ops, o)
		if o.alone {
			return ops[i+1:]
		}
	}
	return nil
}

// fits reports whether need more bytes go into the batch. A batch lies in one
// segment; an op that does not fit in this segment begins the next.
func (b *batch) fits(need int64) bool {
	if b.end-int64(b.first)+need > batchMaxBytes {
		return false
	}
	if b.end+need <= b.s.options.SegmentBytes {
		return true
	}
	if len(b.records) > 0 || b.fresh {
		return len(b.records) == 0
	}
	if b.s.remains {
		// In the next segment nothing would make void what a failed write left in this
		// one: a batch with a mark alone comes first. An error has failed the store.
		_ = b.add(record{kind: recordMark}, nil)
		return false
	}
	b.startSegment()
	b.end = int64(b.first)
	return true
}

// add plans a record.
func (b *batch) add(r record, data []byte) error {
	r.at = place{segment: b.number, offset: uint32(b.end)}
	r.durable = b.durable
	r.batch = b.s.batch + 1
	if err := b.u.apply(&r); err != nil {
		// The update no longer matches the records.
		b.s.fail(err)
		return err
	}
	b.records = append(b.records, planned{r, data})
	b.end += r.bytes()
	return nil
}

// planIndexOnly plans a change of the index without a record. The op must be alone.
func (b *batch) planIndexOnly(change func(*update) error) error {
	b.u = b.s.newUpdate() // without the segment that the batch may begin
	b.indexOnly = true
	return change(b.u)
}

// admit reports errFull if need bytes more of chunks would use up the reserve.
func (b *batch) admit(need int64) error {
	if !b.freeLooked {
		b.freeLooked = true
		usage, err := b.s.fs.GetDiskUsage(b.s.options.Dir)
		switch {
		case errors.Is(err, vfs.ErrUnsupported):
			b.freeBytes = 1 << 62
		case err != nil:
			return fmt.Errorf("disk usage: %w", err)
		default:
			b.freeBytes = int64(usage.AvailBytes) - b.s.options.MinFreeBytes
		}
	}
	if b.freeBytes < need {
		b.s.full.Store(true)
		return errFull
	}
	b.freeBytes -= need
	b.s.full.Store(false)
	return nil
}

// writeBatch writes, syncs, and tells the index. After nil all of it is durable. An
// error is lack of space, and nothing changed, or the disk is failed.
func (s *Store) writeBatch(b *batch) error {
	if len(b.records) == 0 && s.remains && len(b.ops) > 0 && !b.indexOnly {
		// What is acknowledged without a record is only true if the remains of a
		// failed write never count again.
		if err := b.add(record{kind: recordMark}, nil); err != nil {
			return err
		}
	}
	if len(b.records) == 0 {
		return s.commitOnly(b)
	}
	s.batch++
	err := s.writeRecords(b)
	if err == nil {
		err = s.syncBatch(b)
	}
	if err != nil {
		if noSpace(err) {
			s.cutRemains(b)
		} else {
			s.fail(err)
		}
		return err
	}
	s.acceptSegment(b)
	p := position{place: place{segment: b.number, offset: uint32(b.end)}, batch: s.batch}
	return s.commitBatch(b, p)
}

// commitOnly applies a batch without records.
func (s *Store) commitOnly(b *batch) error {
	if !b.indexOnly {
		return nil
	}
	return s.commitBatch(b, s.position)
}

func (s *Store) commitBatch(b *batch, p position) error {
	p.quarantined = s.position.quarantined
	if err := b.u.commit(p); err != nil {
		s.fail(err)
		return err
	}
	if len(b.records) > 0 {
		s.metrics.countBatch(len(b.records))
	}
	s.advance(b.end - int64(b.first))
	s.holes.add(b.u.holes, b.number, b.first)
	return nil
}

// acceptSegment makes the batch's end the end of the segment.
func (s *Store) acceptSegment(b *batch) {
	s.remains = false
	s.active.end = uint32(b.end)
	s.previous, s.proven = b.number, uint32(b.end)
	if b.fresh {
		s.nextSegment = b.number + 1
		s.holes.signal() // the one before may be worth compacting now
	}
}

// writeRecords writes the records behind the end of the segment. Small data is
// gathered in a buffer, large data goes from where it is.
func (s *Store) writeRecords(b *batch) error {
	w := &gather{buf: s.buffer[:0], off: int64(b.first)}
	if b.fresh {
		if err := s.createSegment(b.number); err != nil {
			return err
		}
		h := segmentHeader{number: b.number, store: s.storeID, previous: s.previous, proven: s.proven}
		w.buf, w.off = h.append(w.buf), 0
	}
	w.f = s.active.File
	nonce := s.storeID.nonce(b.number)
	for i := range b.records {
		r := &b.records[i]
		w.buf = r.appendHead(w.buf, nonce)
		if err := w.data(r.data); err != nil {
			return err
		}
		w.pad(int64(r.at.offset) + r.bytes())
		if len(w.buf) >= bufferMaxBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	err := w.flush()
	s.buffer = w.buf
	s.metrics.writtenBytes.Add(uint64(b.end - int64(b.first)))
	return err
}

// gather puts small pieces together into few writes.
type gather struct {
	f   vfs.File
	buf []byte
	off int64 // where buf goes
}

func (w *gather) data(data []byte) error {
	if len(data) < directMinBytes {
		w.buf = append(w.buf, data...)
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.writeAt(data)
}

// pad fills up with zeros to an offset.
func (w *gather) pad(to int64) {
	var zeros [alignment]byte
	w.buf = append(w.buf, zeros[:to-w.off-int64(len(w.buf))]...)
}

func (w *gather) flush() error {
	err := w.writeAt(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *gather) writeAt(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := w.f.WriteAt(b, w.off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	w.off += int64(n)
	return err
}

// createSegment ends the active segment and begins the next. All of the old one
// is synced.
func (s *Store) createSegment(number uint32) error {
	f, err := s.fs.Create(s.segmentPath(number), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if s.active != nil {
		// An error of closing changes nothing: all was synced.
		_ = s.active.Close()
	}
	s.active = &active{File: f, number: number}
	return nil
}

// syncBatch makes the batch durable. For the first one of a segment that includes
// the file itself and its name.
func (s *Store) syncBatch(b *batch) error {
	s.metrics.syncs.Add(1)
	if !b.fresh {
		if err := s.active.SyncData(); err != nil {
			return &syncError{err}
		}
		return nil
	}
	if err := s.active.Sync(); err != nil {
		return &syncError{err}
	}
	if err := syncDir(s.fs, s.segmentsDir); err != nil {
		return &syncError{err}
	}
	return nil
}

// truncater is what files of the operating system can do beside vfs.File.
type truncater interface{ Truncate(size int64) error }

// cutRemains gives back what a write without space has taken. What can't be cut
// does no harm: the next batch's number makes it void (scanSegment).
func (s *Store) cutRemains(b *batch) {
	if !b.fresh {
		s.remains = true
		if t, ok := s.active.File.(truncater); ok {
			_ = t.Truncate(int64(b.first)) // only to free space
		}
		return
	}
	if s.active == nil || s.active.number != b.number {
		return // it could not even be created
	}
	s.remains = true
	_ = s.active.Close() // nothing in it counts
	s.active = nil
	if err := s.fs.Remove(s.segmentPath(b.number)); err != nil && !oserror.IsNotExist(err) {
		s.fail(err)
	}
}

// chunkRef names a chunk in an error.
func chunkRef(id object.ChunkID) object.Ref { return object.Ref{Chunk: id.String()} }
