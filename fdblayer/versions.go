package fdblayer

import (
	"context"
	"sync"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// versionRequestsMax bounds the requests for a read version that are under way at once, of one priority. With some of them who
// comes waits for a part of a round trip at most before its own is sent; with more of them fewer would be shared.
const versionRequestsMax = 4

// versions asks for read versions, shared by all who wait (DESIGN §7). Whoever comes gets a version whose request is sent
// afterwards, and thus one at least as new as all that was acknowledged before it came. While fewer than versionRequestsMax
// are under way that request is sent at once; otherwise all who come share the next one, sent when one is answered.
type versions struct {
	db       kv.Database
	priority kv.Priority
	metrics  *metrics

	mu sync.Mutex // guards all below and the fields of requests
	// next is not sent yet: who comes joins it.
	next     *versionRequest
	underWay int
}

// versionRequest is one request and those who wait for it.
type versionRequest struct {
	waiters int
	// sent is closed when the request is sent; tx and answer are valid then.
	sent   chan struct{}
	tx     kv.Tx
	answer kv.Future[kv.ReadVersion]
	// ended: answered, or given up by all.
	ended bool
}

// get waits for a version that is asked for after the call. The error is that of the request, or of ctx.
func (v *versions) get(ctx context.Context) (kv.ReadVersion, error) {
	r := v.join()
	select {
	case <-r.sent:
	case <-ctx.Done():
		v.leave(r, false)
		return kv.ReadVersion{}, ctx.Err()
	}
	at, err := r.answer.Get(ctx)
	v.leave(r, ctx.Err() == nil)
	return at, err
}

// join makes the caller wait for the next request.
func (v *versions) join() *versionRequest {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == nil {
		v.next = &versionRequest{sent: make(chan struct{})}
	}
	r := v.next
	r.waiters++
	v.metrics.versionWaiters.Add(1)
	v.send()
	return r
}

// leave is called by each who waits when it does so no more. The first to have the answer makes room for the next
// request; the last to leave drops the transaction: an answer that nobody waits for is not waited for.
func (v *versions) leave(r *versionRequest, answered bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r.waiters--
	if r.waiters == 0 && v.next == r {
		v.next = nil // nobody wants it
		return
	}
	if !r.ended && (answered || r.waiters == 0) {
		r.ended = true
		v.underWay--
		v.send()
	}
	if r.waiters == 0 {
		r.tx.Cancel()
	}
}

// send sends the next request if it may. Under mu, so that nobody joins it any more; sending only issues a read.
func (v *versions) send() {
	if v.next == nil || v.underWay >= versionRequestsMax {
		return
	}
	r := v.next
	v.next = nil
	v.underWay++
	r.tx = v.db.Begin(kv.TxOptions{Priority: v.priority})
	r.answer = r.tx.ReadVersion()
	close(r.sent)
	v.metrics.versionRequests.Add(1)
}
