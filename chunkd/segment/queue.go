package segment

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// op is something for the writer to do.
type op struct {
	// need is the most that it adds to a segment, in bytes.
	need int64
	// put is set for what is refused when the disk is full.
	put bool
	// alone is set for what must have an update of its own.
	alone bool
	// plan adds the op's records to a batch. It runs again if the batch could not
	// be written for lack of space. An error ends the op, and nothing is added.
	plan func(*batch) error
	// done gets the result, once.
	done  chan error
	state atomic.Int32
}

// The states of an op: the writer takes it, or whoever waits for it gives up first.
const (
	opQueued int32 = iota
	opTaken
	opGivenUp
)

func newOp(need int64, plan func(*batch) error) *op {
	return &op{need: need, plan: plan, done: make(chan error, 1)}
}

// queue holds the ops that wait for the writer, in order. What they hold of memory
// is bounded by whoever puts them there.
type queue struct {
	mu     sync.Mutex // guards ops and closed
	ops    []*op
	closed bool
	wake   chan struct{}
}

func (q *queue) push(o *op) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.ops = append(q.ops, o)
	q.signal()
	return nil
}

// drop takes back an op that was given up. What it holds no longer counts against
// Options.QueueBytes: while a sync takes long, callers that give up must not fill the memory.
func (q *queue) drop(o *op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.ops, o); i >= 0 {
		q.ops = slices.Delete(q.ops, i, i+1)
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// take appends all that is queued to ops. It waits if there is nothing and wait is
// set. ok is false when the queue is closed and empty.
func (q *queue) take(ops []*op, wait bool) (_ []*op, ok bool) {
	for {
		q.mu.Lock()
		taken, closed := q.ops, q.closed
		q.ops = nil
		q.mu.Unlock()
		for _, o := range taken {
			if o.state.CompareAndSwap(opQueued, opTaken) {
				ops = append(ops, o)
			}
		}
		if len(ops) > 0 || !wait {
			return ops, true
		}
		if closed {
			return ops, false
		}
		<-q.wake
	}
}

// do queues an op and waits for its result. When ctx ends before the writer has taken
// the op, it has no effect; after that the result is waited for, since the
// writer still reads what the op refers to.
func (s *Store) do(ctx context.Context, o *op) error {
	if err := s.queue.push(o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.state.CompareAndSwap(opQueued, opGivenUp) {
			s.queue.drop(o)
			return ctx.Err()
		}
		return <-o.done
	}
}
