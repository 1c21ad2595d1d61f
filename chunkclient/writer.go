package chunkclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// WriteBlob says what is written and where.
type WriteBlob struct {
	// ID must never have been written before, whatever became of it.
	ID    object.BlobID
	Group object.GroupID
	// SizeBytes is how many bytes will be written, -1 if unknown. More are ErrTooLong;
	// fewer are not noticed here: Finish tells how many came.
	SizeBytes int64
	// Hashes are given the bytes, in order. Those of a blob of several stripes run beside the
	// transfer, each in its own goroutine, so that the upload takes as long as the slowest
	// of them and not their sum. They are complete when Finish returned nil; until Finish or
	// Abort has returned they are the Writer's.
	Hashes []io.Writer
}

// Writer writes one blob. It ends with exactly one of a successful Finish, or
// Abort, which is also to follow a failed Finish. It belongs to one goroutine at a time.
type Writer struct {
	client *Client
	blob   WriteBlob
	nodes  []Node

	// ctx is that of Create. It is kept because io.Writer's methods take none; it ends
	// waiting, never a put: a put that was cut off could land behind the
	// deletion that follows.
	ctx context.Context
	// putCtx outlives ctx; cancelPuts ends it, when an Abort's time is over.
	putCtx     context.Context
	cancelPuts context.CancelFunc

	current      *stripe // being filled
	next         uint32  // number of the next stripe
	writtenBytes int64
	// slots has a token in it for every stripe in memory.
	slots chan struct{}
	// drained counts the tokens that Finish and Abort have put in to see all
	// stripes gone.
	drained int
	hashers []chan *stripe // one per hash, once there is a second stripe
	// finishing is set when no more bytes are taken, ended by what ends the Writer.
	finishing, ended bool

	failOnce sync.Once
	failed   chan struct{} // closed when err is set
	err      error         // the first failure of a put
}

// stripe is one stripe in memory. It goes when the put and every hash have let go of it.
type stripe struct {
	number uint32
	buffer *buffer
	filled int // bytes
	limit  int // bytes it will hold at most
	sums   [blocksMax]uint32
	users  atomic.Int32
}

// ErrTooLong is given when more than WriteBlob.SizeBytes bytes come.
var ErrTooLong = errors.New("chunkclient: more bytes than announced")

// errWriterEnded is a caller's mistake.
var errWriterEnded = errors.New("chunkclient: writer has ended")

// Create begins a blob. Nothing is stored yet. The Writer's methods give up waiting when ctx ends.
func (c *Client) Create(ctx context.Context, b WriteBlob) (*Writer, error) {
	nodes, err := c.o.Groups.Nodes(ctx, b.Group)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		client: c, blob: b, nodes: nodes, ctx: ctx,
		slots:  make(chan struct{}, c.o.StripesInFlight),
		failed: make(chan struct{}),
	}
	w.putCtx, w.cancelPuts = context.WithCancel(context.WithoutCancel(ctx))
	return w, nil
}

// Write takes p; it waits when enough stripes are under way. The first failure of any
// earlier stripe is returned; only Abort may follow it.
func (w *Writer) Write(p []byte) (int, error) {
	taken := 0
	for taken < len(p) {
		s, err := w.fillable()
		if err != nil {
			return taken, err
		}
		n := copy(s.buffer.bytes[s.filled:s.limit], p[taken:])
		taken += n
		w.advance(n)
	}
	return taken, nil
}

// ReadFrom reads r to its end, straight into the stripes. r's errors are
// returned as they are.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	start := w.writtenBytes
	for {
		n, err := w.readSome(r)
		switch {
		case err == io.EOF:
			return w.writtenBytes - start, nil
		case err != nil:
			return w.writtenBytes - start, err
		case n == 0:
			// Allowed, if discouraged, by io.Reader: try again unless ctx ended.
			if w.ctx.Err() != nil {
				return w.writtenBytes - start, w.ctx.Err()
			}
		}
	}
}

func (w *Writer) readSome(r io.Reader) (int, error) {
	if w.current == nil && w.writtenBytes == w.blob.SizeBytes {
		// All is there that was announced: don't take a buffer to meet the end.
		var more [64]byte
		n, err := r.Read(more[:])
		if _, werr := w.Write(more[:n]); werr != nil {
			return n, werr
		}
		return n, err
	}
	s, err := w.fillable()
	if err != nil {
		return 0, err
	}
	n, err := r.Read(s.buffer.bytes[s.filled:s.limit])
	w.advance(n)
	return n, err
}

// fillable is the stripe that the next bytes go into.
func (w *Writer) fillable() (*stripe, error) {
	if w.finishing {
		return nil, errWriterEnded
	}
	select {
	case <-w.failed:
		return nil, w.err
	default:
	}
	if w.current != nil {
		return w.current, nil
	}
	if w.writtenBytes == w.blob.SizeBytes {
		return nil, ErrTooLong
	}
	select {
	case w.slots <- struct{}{}:
	case <-w.failed:
		return nil, w.err
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
	limit := w.client.o.StripeBytes
	if w.blob.SizeBytes >= 0 {
		limit = int(min(int64(limit), w.blob.SizeBytes-w.writtenBytes))
	}
	b, err := w.client.memory.get(w.ctx, limit)
	if err != nil {
		<-w.slots
		return nil, err
	}
	w.current = &stripe{number: w.next, buffer: b, limit: limit}
	w.next++
	return w.current, nil
}

// advance counts n bytes that were put into the current stripe, checksums the
// blocks that are complete while they are in the processor's cache, and sends a
// full stripe off.
func (w *Writer) advance(n int) {
	s := w.current
	done := s.filled / object.BlockBytes
	s.filled += n
	w.writtenBytes += int64(n)
	for ; (done+1)*object.BlockBytes <= s.filled; done++ {
		s.sums[done] = blockSum(s.buffer.bytes[done*object.BlockBytes : (done+1)*object.BlockBytes])
	}
	if s.filled == s.limit {
		w.submit(w.writtenBytes == w.blob.SizeBytes)
	}
}

// submit sends the current stripe to the nodes and the hashes. Every stripe but the last
// is full.
func (w *Writer) submit(last bool) {
	s := w.current
	w.current = nil
	if rest := s.filled % object.BlockBytes; rest != 0 {
		s.sums[s.filled/object.BlockBytes] = blockSum(s.buffer.bytes[s.filled-rest : s.filled])
	}
	if !last && w.hashers == nil {
		w.startHashers()
	}
	inline := w.hashers == nil && len(w.blob.Hashes) > 0
	s.users.Store(1 + int32(len(w.hashers)))
	if inline {
		s.users.Add(1)
	}
	w.client.tasks.Go(func() {
		w.put(s)
		w.letGo(s)
	})
	for _, h := range w.hashers {
		h <- s // never waits: its capacity is that of slots
	}
	if inline {
		for _, h := range w.blob.Hashes {
			w.hash(h, s)
		}
		w.letGo(s)
	}
}

// startHashers starts a goroutine for each hash. They end when endHashers
// closes their channels.
func (w *Writer) startHashers() {
	for _, h := range w.blob.Hashes {
		feed := make(chan *stripe, cap(w.slots))
		w.hashers = append(w.hashers, feed)
		w.client.tasks.Go(func() {
			for s := range feed {
				w.hash(h, s)
				w.letGo(s)
			}
		})
	}
}

func (w *Writer) endHashers() {
	for _, feed := range w.hashers {
		close(feed)
	}
	w.hashers = nil
}

func (w *Writer) hash(h io.Writer, s *stripe) {
	if _, err := h.Write(s.buffer.bytes[:s.filled]); err != nil {
		w.fail(fmt.Errorf("chunkclient: hash: %w", err))
	}
}

// letGo ends one use of s. The last one gives back memory and slot.
func (w *Writer) letGo(s *stripe) {
	if s.users.Add(-1) == 0 {
		s.buffer.release()
		<-w.slots
	}
}

// put stores s on all slots at once.
func (w *Writer) put(s *stripe) {
	if len(w.nodes) == 1 {
		w.putSlot(s, 0)
		return
	}
	var slots sync.WaitGroup
	for slot := range w.nodes {
		slots.Go(func() { w.putSlot(s, slot) })
	}
	slots.Wait()
}

func (w *Writer) putSlot(s *stripe, slot int) {
	id := object.ChunkID{Blob: w.blob.ID, Stripe: s.number, Slot: uint16(slot)}
	err := w.nodes[slot].Put(w.putCtx, chunkwire.Put{
		ID:   id,
		Data: s.buffer.bytes[:s.filled:s.filled],
		Sums: s.sums[:blocksOf(s.filled)],
	})
	if err != nil {
		w.fail(wrap("chunkclient.Write", id, err))
	}
}

func (w *Writer) fail(err error) {
	w.failOnce.Do(func() {
		w.err = err
		close(w.failed)
	})
}

// Finish waits until every stripe is durable on every slot and every hash is complete, and
// returns the blob. After an error the blob must be aborted.
func (w *Writer) Finish(ctx context.Context) (object.Blob, error) {
	if w.ended {
		return object.Blob{}, errWriterEnded
	}
	w.finishing = true
	if w.current != nil && w.current.filled > 0 {
		w.submit(true)
	}
	w.dropCurrent()
	w.endHashers()
	if err := w.drain(ctx, w.failed); err != nil {
		return object.Blob{}, err
	}
	select {
	case <-w.failed: // by the very last stripe
		return object.Blob{}, w.err
	default:
	}
	w.ended = true
	w.cancelPuts()
	return object.Blob{
		ID: w.blob.ID, Group: w.blob.Group, SizeBytes: w.writtenBytes,
		StripeBytes: int32(w.client.o.StripeBytes), Copies: uint8(len(w.nodes)),
	}, nil
}

// Abort ends the blob and deletes what was stored of it, best effort: an error says that chunks
// may be left. It works also when ctx has ended, for Options.AbortTimeout at most.
// After a successful Finish it does nothing.
func (w *Writer) Abort(ctx context.Context) error {
	if w.ended {
		return nil
	}
	w.finishing, w.ended = true, true
	w.fail(errWriterEnded)
	w.dropCurrent()
	w.endHashers()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.client.o.AbortTimeout)
	defer cancel()
	defer w.cancelPuts()
	if err := w.drain(ctx, nil); err != nil {
		// A put hangs. It is cancelled, keeps its memory until it returns, and
		// might still land; so nothing is deleted that a put could bring back.
		return fmt.Errorf("chunkclient: abort of blob %v: puts still under way: %w", w.blob.ID, err)
	}
	d := deleter{client: w.client, batches: map[slotOfGroup]*deleteBatch{}}
	for stripe := range w.next {
		for slot, n := range w.nodes {
			d.add(ctx, slotOfGroup{w.blob.Group, slot}, n, object.ChunkID{Blob: w.blob.ID, Stripe: stripe, Slot: uint16(slot)})
		}
	}
	return d.finish(ctx)
}

// dropCurrent lets go of a stripe that was not submitted.
func (w *Writer) dropCurrent() {
	if w.current == nil {
		return
	}
	w.current.users.Store(1)
	w.letGo(w.current)
	w.current = nil
	w.next--
}

// drain waits until no stripe is in memory. It ends early with ctx, or when
// failed is closed.
func (w *Writer) drain(ctx context.Context, failed <-chan struct{}) error {
	for w.drained < cap(w.slots) {
		select {
		case w.slots <- struct{}{}:
			w.drained++
		case <-failed:
			return w.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
