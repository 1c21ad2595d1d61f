package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// combinedBytesMax bounds what is put together, by the estimates of the operations: a commit so large still takes no longer
// than a small one, and is far from the limits of a transaction.
const combinedBytesMax = 256 << 10

// combiner puts blind transactions together while others are being committed (DESIGN §7). While a slot is free a request
// commits alone, in its own goroutine, as without a combiner. Otherwise it joins the batch that is forming. A batch has a
// goroutine of its own, which refreshes the view while more come, waits for a slot, closes the batch and commits it: no
// timer, and a read version that was obtained since the commit before.
//
// What concerns one member only is never decided in a batch: a member whose check fails, or that is left over when conflicts
// have split its batch, is told to go alone. So each answer but success is one that a request gets alone.
type combiner struct {
	l     *Layer
	max   int
	slots *semaphore.Weighted // one for each commit under way; first come, first served

	mu      sync.Mutex // guards the rest, and what batches say it does
	forming *batch
	leaders int           // goroutines of batches
	idle    chan struct{} // if somebody waits for them: closed when there are none
}

// batch is requests that wait together.
type batch struct {
	k *combiner
	// ctx ends when those of all members have ended, or all have their answers.
	ctx    context.Context
	cancel context.CancelFunc
	// Guarded by combiner.mu. The first two change no more when the batch isn't forming any more.
	members   []*member
	sizeBytes int
	alive     int // members whose context has not ended, and who have no answer
}

func newCombiner(l *Layer) *combiner {
	return &combiner{l: l, max: l.o.CombineMax, slots: semaphore.NewWeighted(int64(l.o.CommitsInFlight))}
}

// run is transact for a blind transaction.
func (k *combiner) run(ctx context.Context, op operation, f func(context.Context, *txn) error) (commit, error) {
	if op.lease != nil {
		op.lease.give()
	}
	anew := false // whether the view is to be refreshed first
	if m := newMember(ctx, op, f); !k.mayJoin(ctx, op) {
		if err := k.slots.Acquire(ctx, 1); err != nil {
			return commit{}, k.gone(ctx, op)
		}
	} else if k.join(m) {
		o := m.wait()
		if !o.alone {
			return o.commit, o.err
		}
		anew = o.anew
		if err := k.slots.Acquire(ctx, 1); err != nil {
			return commit{}, k.gone(ctx, op)
		}
	}
	defer k.slots.Release(1)
	return k.l.transact(ctx, op, k.l.pinned(anew), f)
}

// gone is the error of a request whose context ended before anything of it was sent.
func (k *combiner) gone(ctx context.Context, op operation) error {
	if op.lease != nil {
		op.lease.end()
	}
	return k.l.failure(op, nil, ctx.Err())
}

// mayJoin keeps back what would be refused or would make others wait: those requests find out alone. It also reads the
// bucket into the view.
func (k *combiner) mayJoin(ctx context.Context, op operation) bool {
	if k.l.enter(op) != nil {
		return false
	}
	b, err := k.l.view.bucket(ctx, op.ref.Bucket)
	return err == nil && b != nil
}

// join adds m to the batch that is forming, or begins one. If nothing is to be waited for it takes a slot instead and
// returns false.
func (k *combiner) join(m *member) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b := k.forming; b != nil && (len(b.members) == k.max || b.sizeBytes+m.op.sizeBytes > combinedBytesMax) {
		k.forming = nil
	}
	if k.forming == nil {
		if k.slots.TryAcquire(1) {
			return false
		}
		k.forming = &batch{k: k}
		k.forming.ctx, k.forming.cancel = context.WithCancel(context.Background())
		k.leaders++
		go k.forming.lead()
	}
	k.forming.add(m)
	return true
}

// add takes a member along; combiner.mu is held.
func (b *batch) add(m *member) {
	b.members = append(b.members, m)
	b.sizeBytes += m.op.sizeBytes
	b.alive++
	m.release = context.AfterFunc(m.ctx, b.drop)
	m.batch = b
}

// drop is called once for each member, when its context has ended or it has its answer. The last one ends the batch.
func (b *batch) drop() {
	b.k.mu.Lock()
	defer b.k.mu.Unlock()
	if b.alive--; b.alive > 0 {
		return
	}
	if b.k.forming == b {
		b.k.forming = nil
	}
	b.cancel()
}

// lead is the goroutine of a batch.
func (b *batch) lead() {
	k := b.k
	defer k.leaderDone()
	_, err := k.l.view.refresh(b.ctx) // if it fails, the first attempt tries again
	if k.slots.Acquire(b.ctx, 1) != nil {
		return // nobody waits any more
	}
	defer k.slots.Release(1)
	k.mu.Lock()
	if k.forming == b {
		k.forming = nil
	}
	k.mu.Unlock()
	k.commit(b.ctx, b.members, err != nil)
}

// commit commits members in one transaction and tells each what became of it. anew: the view is to be refreshed first.
func (k *combiner) commit(ctx context.Context, members []*member, anew bool) {
	g := group{k: k, members: members, anew: anew}
	done, err := g.run(ctx)
	switch {
	case len(g.members) == 0: // all have left
	case err == nil:
		k.l.metrics.combined.Add(1)
		k.l.metrics.combinedMembers.Add(uint64(len(g.members)))
		tell(g.members, func(*member) outcome { return outcome{commit: done} })
	case g.evidence.unknown:
		tell(g.members, func(m *member) outcome { return outcome{err: k.l.failure(m.op, &g.evidence, err), unknown: true} })
	case errors.Is(err, errRefused):
		k.goAlone(g.refused, false)
		k.commit(ctx, g.passed, anew)
	case errors.Is(err, errSplit), errors.Is(err, kv.Conflict), errors.Is(err, kv.Fatal) && !errors.Is(err, kv.ErrFull):
		// Whoever it was because of, the others are not to suffer.
		if len(g.members) == 1 {
			k.goAlone(g.members, true)
			return
		}
		k.l.metrics.splits.Add(1)
		half := len(g.members) / 2
		k.commit(ctx, g.members[:half], true)
		k.commit(ctx, g.members[half:], true)
	default:
		tell(g.members, func(m *member) outcome {
			if m.ctx.Err() != nil {
				return outcome{err: k.gone(m.ctx, m.op)}
			}
			return outcome{err: k.l.failure(m.op, nil, err)}
		})
	}
}

// goAlone has members run as without a combiner. Nothing of them has happened.
func (k *combiner) goAlone(members []*member, anew bool) {
	k.l.metrics.refused.Add(uint64(len(members)))
	tell(members, func(*member) outcome { return outcome{alone: true, anew: anew} })
}

func tell(members []*member, what func(*member) outcome) {
	for _, m := range members {
		m.finish(what(m))
	}
}

func (k *combiner) leaderDone() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leaders--; k.leaders == 0 && k.idle != nil {
		close(k.idle)
		k.idle = nil
	}
}

// wait waits for the batches under way, or until ctx ends.
func (k *combiner) wait(ctx context.Context) {
	k.mu.Lock()
	if k.leaders > 0 && k.idle == nil {
		k.idle = make(chan struct{})
	}
	idle := k.idle
	k.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

var (
	errSplit   = errors.New("a conflict of requests that were put together")
	errRefused = errors.New("some of the requests that were put together must go alone")
)

// group is members that are committed together: a batch, or what is left or a part of one.
type group struct {
	k        *combiner
	members  []*member // those in the newest attempt
	anew     bool
	evidence evidence
	// passed and refused are what the newest attempt found of the members' checks.
	passed, refused []*member
}

// run makes one transaction of all: one read version, which is not newer than what any member is checked against; one
// evidence; the conflicts of every member; and rows numbered in the order of the members, so that of a key that several
// write the list row is the last one's.
func (g *group) run(ctx context.Context) (done commit, err error) {
	g.evidence = evidence{l: g.k.l}
	defer func() {
		// Here a panic would end the process, where in a request it ends the request.
		if p := recover(); p != nil {
			g.k.l.o.Log.Error("a combined commit panicked", zap.Any("panic", p), zap.Stack("stack"))
			err = &object.Error{Op: "fdblayer.combiner", Kind: object.Internal, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	return g.k.l.run(ctx, &g.evidence, operation{name: "fdblayer.combiner"}, g.begin, g.put)
}

// begin is the beginning of each attempt. Nothing of an attempt before has taken effect.
func (g *group) begin(ctx context.Context, last error) (kv.Version, error) {
	if errors.Is(last, kv.Conflict) {
		return 0, errSplit
	}
	members := make([]*member, 0, len(g.members))
	leases := make([]*BlobLease, 0, len(g.members))
	for _, m := range g.members {
		if !m.take() {
			m.finish(outcome{err: g.k.gone(m.ctx, m.op)})
			continue
		}
		members = append(members, m)
		if m.op.lease != nil {
			leases = append(leases, m.op.lease)
		}
	}
	g.members, g.evidence.leases = members, leases
	if len(members) == 0 {
		return 0, errNothing
	}
	return g.k.l.pinned(g.anew)(ctx, last)
}

// put has every member check its request and write. If one can't, nothing is committed.
func (g *group) put(t *txn) error {
	g.passed, g.refused = nil, nil
	for _, m := range g.members {
		if err := m.put(t); err != nil {
			g.refused = append(g.refused, m)
		} else {
			g.passed = append(g.passed, m)
		}
	}
	if len(g.refused) > 0 {
		return errRefused
	}
	return nil
}
