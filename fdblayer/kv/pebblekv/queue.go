package pebblekv

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Bounds of what waits for the committer and of what it takes at once.
const (
	// queueBytesMax bounds all transactions that wait; who comes later waits for room. Three
	// of the greatest size fit.
	queueBytesMax = 32 << 20
	// queueBatchBytesMax bounds those of batch priority: at most a sixteenth of the queue.
	queueBatchBytesMax = 2 << 20
	// batchBytesMax and batchCommitsMax bound one Pebble batch: the first keeps it well below
	// a memory table and a sync below some ten milliseconds, the second is
	// below what two bytes of a stamp can number.
	batchBytesMax   = 4 << 20
	batchCommitsMax = 1 << 14
)

// commitState says who may still decide about a request.
type commitState = int32

const (
	commitQueued    commitState = iota
	commitTaken                 // by the committer
	commitAbandoned             // by the caller, before that
)

// request is a transaction that waits for the committer.
type request struct {
	tx      *transaction
	version kv.Version // read version, 0 if it has none
	keys    []string   // of the points it writes; those with a stamp are added by the committer
	state   atomic.Int32
	done    chan struct{}

	// The answer, valid when done is closed.
	commit kv.Commit
	err    error
}

// finish answers.
func (r *request) finish(c kv.Commit, err error) {
	r.commit, r.err = c, err
	close(r.done)
}

// queue hands requests to the committer, in order.
type queue struct {
	room      *semaphore.Weighted
	batchRoom *semaphore.Weighted
	wake      chan struct{} // one token: there is something to do

	mu      sync.Mutex
	waiting []*request
	closed  bool
}

func newQueue() *queue {
	return &queue{
		room:      semaphore.NewWeighted(queueBytesMax),
		batchRoom: semaphore.NewWeighted(queueBatchBytesMax),
		wake:      make(chan struct{}, 1),
	}
}

// acquire waits for room. The error is the context's.
func (q *queue) acquire(ctx context.Context, tx *transaction) (release func(), err error) {
	n := int64(min(tx.sizeBytes, kv.TransactionMaxBytes))
	batch := int64(0)
	if tx.options.Priority == kv.Batch {
		batch = min(n, queueBatchBytesMax)
		if err := q.batchRoom.Acquire(ctx, batch); err != nil {
			return nil, err
		}
	}
	if err := q.room.Acquire(ctx, n); err != nil {
		q.batchRoom.Release(batch)
		return nil, err
	}
	return func() {
		q.room.Release(n)
		q.batchRoom.Release(batch)
	}, nil
}

// put adds a request, false after close.
func (q *queue) put(r *request) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, r)
	q.mu.Unlock()
	q.signal()
	return true
}

// drop takes back a request that was abandoned, which no longer counts against the room: while
// a sync takes long, callers that give up must not fill the memory.
func (q *queue) drop(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, r); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for requests and takes as many as one batch may hold. ok is false
// when the queue is closed and empty.
func (q *queue) take() (taken []*request, ok bool) {
	for {
		q.mu.Lock()
		n, size := 0, 0
		for n < len(q.waiting) && n < batchCommitsMax && (n == 0 || size+q.waiting[n].tx.sizeBytes <= batchBytesMax) {
			size += q.waiting[n].tx.sizeBytes
			n++
		}
		taken = q.waiting[:n:n]
		q.waiting = q.waiting[n:]
		if len(q.waiting) == 0 {
			q.waiting = nil
		}
		more, closed := len(q.waiting) > 0, q.closed
		q.mu.Unlock()
		if n > 0 {
			if more {
				q.signal()
			}
			return taken, true
		}
		if closed {
			return nil, false
		}
		<-q.wake
	}
}

// close refuses further requests; those that wait are still taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}
