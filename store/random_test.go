package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// TestRandom runs random operations of several clients, each on its own keys, against a model, while
// the node fails now and then. What succeeded must be there, what failed must not, and what has an
// unknown outcome is one of both.
func TestRandom(t *testing.T) {
	runRandom(t, rand.Uint64(), func(o setup) (*harness, func()) { return newHarnessOn(t, o), func() {} })
}

// runRandom is the test on the store that open makes; what it returns beside it ends the store's faults.
func runRandom(t *testing.T, seed uint64, open func(o setup) (*harness, func())) {
	const clients = 4
	rounds := 80
	if testing.Short() {
		rounds = 40
	}
	t.Logf("seed %d", seed)
	faults := &nodeFaults{rnd: rand.New(rand.NewPCG(seed, 99))}
	node := &clienttest.Node{
		BeforePut:    func(context.Context, chunkwire.Put) error { return faults.next(60) },
		BeforeGet:    func(context.Context, chunkwire.Get) error { return faults.next(60) },
		BeforeDelete: func(context.Context, []object.ChunkID) error { return faults.next(10) },
	}
	h, calm := open(setup{node: node})
	var wg sync.WaitGroup
	all := make([]*randomClient, clients)
	for i := range all {
		c := &randomClient{
			h: h, t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, uint64(i))),
			prefix: fmt.Sprintf("client%d/", i), states: map[object.Key]*state{},
		}
		all[i] = c
		wg.Go(func() {
			for range rounds {
				c.step()
			}
		})
	}
	wg.Wait()
	faults.stop()
	calm()
	for _, c := range all {
		c.verifyAll()
	}
}

// nodeFaults fails one call in so many.
type nodeFaults struct {
	mu      sync.Mutex // guards both
	rnd     *rand.Rand
	stopped bool
}

func (f *nodeFaults) next(oneIn int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped || f.rnd.IntN(oneIn) != 0 {
		return nil
	}
	return &object.Error{Op: "node", Kind: object.Unavailable}
}

func (f *nodeFaults) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

// state is what a key may hold: nil is no object.
type state struct {
	now [][]byte
	// late are writes with an unknown outcome, which may still land.
	late [][]byte
}

func (s *state) allows(data []byte) bool {
	same := func(d []byte) bool { return (d == nil) == (data == nil) && bytes.Equal(d, data) }
	return slices.ContainsFunc(s.now, same) || slices.ContainsFunc(s.late, same)
}

// randomClient is one of several that run at the same time.
type randomClient struct {
	h      *harness
	t      *testing.T
	seed   uint64
	rnd    *rand.Rand
	prefix string
	states map[object.Key]*state
}

func (c *randomClient) key() object.Key {
	k := object.Key(fmt.Sprintf("%s%d", c.prefix, c.rnd.IntN(6)))
	if c.states[k] == nil {
		c.states[k] = &state{now: [][]byte{nil}}
	}
	return k
}

func (c *randomClient) data() []byte {
	sizes := []int{0, 1, 900, 4096, 5000, 70 << 10, 1 << 20, 3 << 20}
	return randomBytes(c.rnd.Uint64(), c.rnd.IntN(sizes[c.rnd.IntN(len(sizes))]+1))
}

// settle notes that a write of data to k ended with err.
func (c *randomClient) settle(op string, k object.Key, data []byte, err error) {
	s := c.states[k]
	switch {
	case err == nil:
		s.now = [][]byte{data}
	case errors.Is(err, object.OutcomeUnknown):
		s.late = append(s.late, data)
	case !notNow(err):
		c.t.Errorf("seed %d: %s of %s: %v", c.seed, op, k, err)
	}
}

// notNow says that err is what a client is to try again.
func notNow(err error) bool {
	return errors.Is(err, object.Unavailable) || errors.Is(err, object.SlowDown)
}

func (c *randomClient) step() {
	ctx := context.Background()
	k := c.key()
	switch c.rnd.IntN(12) {
	case 0, 1, 2, 3:
		data := c.data()
		_, err := c.h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: k, Body: bytes.NewReader(data), SizeBytes: int64(len(data))})
		c.settle("put", k, data, err)
	case 4:
		data := c.data()
		_, err := c.h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: k, Body: bytes.NewReader(data[:len(data)/2]), SizeBytes: int64(len(data)) + 1})
		if err == nil {
			c.t.Errorf("seed %d: a short body for %s succeeded", c.seed, k)
		}
	case 5:
		_, _, err := c.h.DeleteObject(ctx, bucket, fdblayer.DeleteObject{Key: k})
		c.settle("delete", k, nil, err)
	case 6:
		c.copy(ctx, k)
	case 7:
		c.multipart(ctx, k)
	default:
		c.verify(k)
	}
}

func (c *randomClient) copy(ctx context.Context, to object.Key) {
	from := c.key()
	source, late := c.states[from], c.states[from].late
	made, _, err := c.h.CopyObject(ctx, store.CopyObject{Source: bucket, SourceKey: from, Bucket: bucket, Key: to, Replace: true})
	switch {
	case errors.Is(err, object.NoSuchKey):
		if !source.allows(nil) {
			c.t.Errorf("seed %d: copy of %s: %v", c.seed, from, err)
		}
	case err == nil:
		// The source is one of its states: the copy's ETag tells which.
		for _, data := range slices.Concat(source.now, late) {
			if data != nil && (md5Hex(data) == made.Version.ETag || len(made.Version.ETag) > 32 && int64(len(data)) == made.Version.SizeBytes) {
				c.states[to].now = [][]byte{data}
				return
			}
		}
		c.t.Errorf("seed %d: copy of %s is of %+v", c.seed, from, made.Version)
	case errors.Is(err, object.OutcomeUnknown):
		c.states[to].late = append(c.states[to].late, slices.Concat(source.now, late)...)
	default:
		c.settle("copy", to, nil, err)
	}
}

func (c *randomClient) multipart(ctx context.Context, k object.Key) {
	u, _, err := c.h.CreateUpload(ctx, bucket, object.Upload{Key: k})
	if err != nil {
		return // nothing visible
	}
	pieces := [][]byte{randomBytes(c.rnd.Uint64(), object.PartMinBytes), append(c.data(), 'x')}
	var list []store.CompletePart
	for i, data := range pieces {
		p, _, err := c.h.PutPart(ctx, store.PutPart{Bucket: bucket, Key: k, Upload: u.ID, Number: i + 1, Body: bytes.NewReader(data), SizeBytes: int64(len(data))})
		if err != nil {
			if _, err := c.h.AbortUpload(ctx, bucket, k, u.ID); err != nil && !notNow(err) && !errors.Is(err, object.OutcomeUnknown) {
				c.t.Errorf("seed %d: abort of an upload of %s: %v", c.seed, k, err)
			}
			return
		}
		list = append(list, store.CompletePart{Number: i + 1, ETag: p.ETag})
	}
	_, err = c.h.CompleteUpload(ctx, store.CompleteUpload{Bucket: bucket, Key: k, Upload: u.ID, Parts: list, SizeBytes: -1})
	c.settle("complete", k, slices.Concat(pieces...), err)
}

// verify reads a key, unless the node fails.
func (c *randomClient) verify(k object.Key) bool {
	got, _, err := c.h.get(store.GetObject{Bucket: bucket, Key: k})
	switch {
	case notNow(err):
		return false
	case errors.Is(err, object.NoSuchKey):
		got, err = nil, nil
	case got == nil:
		got = []byte{}
	}
	if err != nil || !c.states[k].allows(got) {
		c.t.Errorf("seed %d: %s has %d bytes (nil: %v), %v, which no write left", c.seed, k, len(got), got == nil, err)
	}
	return true
}

func (c *randomClient) verifyAll() {
	for k := range c.states {
		for tries := 0; !c.verify(k); tries++ {
			if tries == 100 {
				c.t.Errorf("seed %d: %s can't be read", c.seed, k)
				break
			}
		}
	}
}

// TestUnreadBodyOfFailedPut: when a node fails, the body is not read to its end for nothing.
func TestUnreadBodyOfFailedPut(t *testing.T) {
	node := &clienttest.Node{BeforePut: func(context.Context, chunkwire.Put) error { return &object.Error{Kind: object.Full} }}
	h := newHarnessOn(t, setup{node: node})
	const size = 1 << 30
	read := int64(0)
	body := readerFunc(func(p []byte) (int, error) {
		if read == size {
			return 0, io.EOF
		}
		read += int64(len(p))
		return len(p), nil
	})
	_, err := h.PutObject(context.Background(), store.PutObject{Bucket: bucket, Key: "k", Body: body, SizeBytes: size})
	if !errors.Is(err, object.Full) || read > size/2 {
		t.Errorf("got %v after %d bytes", err, read)
	}
}
