package chunkclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// Groups says which nodes fill the slots of a group. It is safe for concurrent
// use and is asked once per blob.
type Groups interface {
	// Nodes returns the group's nodes in slot order, at least one. A group that
	// is not known is Unavailable.
	Nodes(ctx context.Context, g object.GroupID) ([]Node, error)
}

// FixedGroups are groups that never change.
type FixedGroups map[object.GroupID][]Node

// Nodes implements Groups.
func (f FixedGroups) Nodes(_ context.Context, g object.GroupID) ([]Node, error) {
	if nodes := f[g]; len(nodes) > 0 {
		return nodes, nil
	}
	return nil, &object.Error{
		Op: "chunkclient.Nodes", Kind: object.Unavailable,
		Err: fmt.Errorf("group %d has no nodes", g),
	}
}

// Options are the choices of a Client. Groups is required; the zero value of
// every other field is good.
type Options struct {
	Groups Groups
	// StripeBytes is the length of the stripes of new blobs, a multiple of
	// object.BlockBytes up to object.ChunkMaxBytes. Default: the latter. Blobs carry their own, so
	// it may change at any time.
	StripeBytes int
	// MemoryBytes bounds the buffers of all uploads and reads together.
	// Default: MemoryBytesDefault; at least 4 MiB.
	MemoryBytes int64
	// StripesInFlight bounds the stripes of one upload that are in memory.
	// Default: StripesInFlightDefault.
	StripesInFlight int
	// ReadAhead bounds the stripes of one read that are in memory. 1 turns
	// read-ahead off. Default: ReadAheadDefault.
	ReadAhead int
	// AbortTimeout bounds an Abort. Default: AbortTimeoutDefault.
	AbortTimeout time.Duration
}

// EnsureDefaults returns o with every unset field at its default.
func (o Options) EnsureDefaults() Options {
	if o.StripeBytes == 0 {
		o.StripeBytes = object.ChunkMaxBytes
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = MemoryBytesDefault
	}
	if o.StripesInFlight == 0 {
		o.StripesInFlight = StripesInFlightDefault
	}
	if o.ReadAhead == 0 {
		o.ReadAhead = ReadAheadDefault
	}
	if o.AbortTimeout == 0 {
		o.AbortTimeout = AbortTimeoutDefault
	}
	return o
}

// Validate says what is wrong with o, after EnsureDefaults.
func (o Options) Validate() error {
	switch {
	case o.Groups == nil:
		return errors.New("chunkclient: Groups is missing")
	case o.StripeBytes < object.BlockBytes || o.StripeBytes > object.ChunkMaxBytes || o.StripeBytes%object.BlockBytes != 0:
		return fmt.Errorf("chunkclient: StripeBytes %d is not a multiple of %d up to %d", o.StripeBytes, object.BlockBytes, object.ChunkMaxBytes)
	case o.MemoryBytes < memoryBytesMin:
		return fmt.Errorf("chunkclient: MemoryBytes %d is below %d", o.MemoryBytes, memoryBytesMin)
	case o.StripesInFlight < 1:
		return fmt.Errorf("chunkclient: StripesInFlight %d is below 1", o.StripesInFlight)
	case o.ReadAhead < 1:
		return fmt.Errorf("chunkclient: ReadAhead %d is below 1", o.ReadAhead)
	case o.AbortTimeout < 0:
		return fmt.Errorf("chunkclient: AbortTimeout %v is negative", o.AbortTimeout)
	}
	return nil
}

// Client reads and writes blobs. It is safe for concurrent use.
type Client struct {
	o      Options
	memory *memory
	// tasks are the goroutines of writers and readers, also of those that an
	// Abort left behind when its time was over.
	tasks sync.WaitGroup
}

// New makes a Client. It starts nothing.
func New(o Options) (*Client, error) {
	o = o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Client{o: o, memory: newMemory(o.MemoryBytes)}, nil
}

// Close waits until every goroutine has ended, or ctx. No call may be
// under way or follow. It closes no node.
func (c *Client) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		c.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats is what a Client holds.
type Stats struct {
	// MemoryBytes is the buffer memory in use, MemoryBytesMax its bound.
	MemoryBytes, MemoryBytesMax int64
}

// Stats is cheap.
func (c *Client) Stats() Stats {
	return Stats{MemoryBytes: c.memory.used.Load(), MemoryBytesMax: c.o.MemoryBytes}
}

// Delete removes the chunks of blobs from their nodes. When it returns nil none of
// them comes back, also after a crash. Absent chunks are no error, so it may be
// repeated after a failure; blobs whose chunks were not reached are tried all the
// same, and the first error is returned.
func (c *Client) Delete(ctx context.Context, blobs ...object.Blob) error {
	d := deleter{client: c, batches: map[slotOfGroup]*deleteBatch{}}
	for _, b := range blobs {
		nodes, err := c.o.Groups.Nodes(ctx, b.Group)
		if err != nil {
			d.fail(err)
			continue
		}
		for stripe := range b.Stripes() {
			for slot := range min(int(b.Copies), len(nodes)) {
				at := slotOfGroup{b.Group, slot}
				d.add(ctx, at, nodes[slot], object.ChunkID{Blob: b.ID, Stripe: uint32(stripe), Slot: uint16(slot)})
			}
		}
	}
	return d.finish(ctx)
}

type slotOfGroup struct {
	group object.GroupID
	slot  int
}

type deleteBatch struct {
	node Node
	ids  []object.ChunkID
}

// deleter collects chunk ids per slot and deletes them in batches.
type deleter struct {
	client  *Client
	batches map[slotOfGroup]*deleteBatch
	err     error
}

func (d *deleter) add(ctx context.Context, at slotOfGroup, n Node, id object.ChunkID) {
	b := d.batches[at]
	if b == nil {
		b = &deleteBatch{node: n}
		d.batches[at] = b
	}
	b.ids = append(b.ids, id)
	if len(b.ids) == chunkwire.DeleteMax {
		d.flush(ctx, b)
	}
}

func (d *deleter) flush(ctx context.Context, b *deleteBatch) {
	if len(b.ids) == 0 {
		return
	}
	if err := b.node.Delete(ctx, b.ids); err != nil {
		d.fail(wrap("chunkclient.Delete", b.ids[0], err))
	}
	b.ids = b.ids[:0]
}

func (d *deleter) finish(ctx context.Context) error {
	for _, b := range d.batches {
		d.flush(ctx, b)
	}
	return d.err
}

func (d *deleter) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// wrap adds to a node's error what was attempted. Context errors pass as they are.
func wrap(op string, id object.ChunkID, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &object.Error{Op: op, Kind: kindOf(err), Ref: object.Ref{Chunk: id.String()}, Err: err}
}

// kindOf is the kind of a node's error. An error without one is a node that
// does not answer as it should: Unavailable.
func kindOf(err error) object.Kind {
	var k object.Kind
	if errors.As(err, &k) {
		return k
	}
	return object.Unavailable
}
