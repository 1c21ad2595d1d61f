package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// member is a request that waits to be committed together with others. Its function runs in the goroutine of the batch, its
// caller waits in wait.
type member struct {
	ctx context.Context
	op  operation
	f   func(context.Context, *txn) error
	// batch and release are set by batch.add.
	batch   *batch
	release func() bool

	mu      sync.Mutex // guards state and outcome; held while f runs, which thus never does when the caller has left
	state   memberState
	outcome outcome
	done    chan struct{} // closed with outcome
}

type memberState uint8

const (
	memberWaits memberState = iota // nothing was sent
	memberTaken                    // it may have been sent
	memberLeft                     // its caller has gone
)

// outcome is what became of a member.
type outcome struct {
	commit commit
	// err: it was not committed and will not be, unless unknown is set.
	err     error
	unknown bool
	// alone: nothing has happened, and the caller is to run it. anew: with a refreshed view.
	alone, anew bool
}

var errLeft = errors.New("the request has been given up")

func newMember(ctx context.Context, op operation, f func(context.Context, *txn) error) *member {
	return &member{ctx: ctx, op: op, f: f, done: make(chan struct{})}
}

// wait waits for the outcome. A request that is given up before anything of it was sent ends at once. Later it ends with
// the outcome too: its caller must learn whether its chunks may be deleted. That is waited for as long as a commit alone
// is settled; after it the outcome is OutcomeUnknown, and the batch ends the lease when it knows.
func (m *member) wait() outcome {
	select {
	case <-m.done:
		return m.outcome
	case <-m.ctx.Done():
	}
	if o, ok := m.leave(memberWaits); ok {
		return o
	}
	timer := time.NewTimer(kv.DefaultSettleTimeout)
	defer timer.Stop()
	select {
	case <-m.done:
		return m.outcome
	case <-timer.C:
		o, _ := m.leave(memberTaken)
		return o
	}
}

// leave ends the waiting if the member is in that state, or has its outcome.
func (m *member) leave(from memberState) (outcome, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.done:
		return m.outcome, true
	default:
	}
	if m.state != from {
		return outcome{}, false
	}
	m.state = memberLeft
	if from == memberWaits {
		return outcome{err: m.batch.k.gone(m.ctx, m.op)}, true
	}
	return outcome{err: &object.Error{Op: m.op.name, Kind: object.OutcomeUnknown, Ref: m.op.ref, Err: m.ctx.Err()}}, true
}

// take makes the member part of an attempt, unless nobody waits for it.
func (m *member) take() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == memberLeft || m.ctx.Err() != nil {
		return false
	}
	m.state = memberTaken
	return true
}

// put has the member check its request and write its part. After an error, or a panic, which is to happen where its
// request ends with it, the member goes alone.
func (m *member) put(t *txn) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == memberLeft {
		return errLeft
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return t.include(m.ctx, m.op, m.f)
}

// finish says what became of the member. Its lease ends with it: the evidence has those of an unknown outcome, and a
// member that goes alone ends it itself.
func (m *member) finish(o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.op.lease != nil && !o.unknown && (!o.alone || m.state == memberLeft) {
		m.op.lease.end()
	}
	m.outcome = o
	close(m.done)
	if m.release() {
		m.batch.drop()
	}
}
