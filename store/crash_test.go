package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// TestCrash stops a store with its metadata and its segments on one file system at a random moment, with
// some of what was not synced kept and some lost. A store opened on what is left must have every write and every
// delete that was acknowledged, and of those under way all or nothing.
func TestCrash(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) { crash(t, seed) })
	}
}

// world is what clients were told, and the moment of the crash.
type world struct {
	// mu is held for reading by whoever notes the begin or the end of an operation, for writing
	// while the file system is cloned: between, nothing is acknowledged.
	mu      sync.RWMutex
	crashed bool
}

// crashClient writes to its own keys.
type crashClient struct {
	h      *harness
	w      *world
	rnd    *rand.Rand
	keys   []object.Key
	acked  map[object.Key][]byte // nil: no object
	flight object.Key            // "" when nothing is under way
	bytes  []byte                // that are being written to it
}

func crash(t *testing.T, seed uint64) {
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	h := newHarnessOn(t, setup{fs: fs, node: openSegments(t, fs, "")})
	w := &world{}
	acks := make(chan struct{})
	var wg sync.WaitGroup
	clients := make([]*crashClient, 4)
	for i := range clients {
		c := &crashClient{h: h, w: w, rnd: rand.New(rand.NewPCG(seed, uint64(i+2))), acked: map[object.Key][]byte{}}
		for k := range 4 {
			c.keys = append(c.keys, object.Key(fmt.Sprintf("client%d/%d", i, k)))
		}
		clients[i] = c
		wg.Go(func() {
			for c.step(t) {
				acks <- struct{}{}
			}
		})
	}
	for range 20 + rnd.IntN(150) {
		<-acks
	}
	w.mu.Lock()
	w.crashed = true
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rnd.IntN(101), RNG: rnd})
	w.mu.Unlock()
	go func() {
		wg.Wait()
		close(acks)
	}()
	for range acks { // lets the clients end
	}
	after := newHarnessOn(t, setup{fs: clone, node: openSegments(t, clone, "")})
	for _, c := range clients {
		for _, k := range c.keys {
			c.verify(t, after, k)
		}
	}
	after.put(bucket, "afterwards", randomBytes(1, 2*mib))
	after.want(bucket, "afterwards", randomBytes(1, 2*mib))
}

// step runs one operation; false when the crash has been.
func (c *crashClient) step(t *testing.T) bool {
	ctx := context.Background()
	k := c.keys[c.rnd.IntN(len(c.keys))]
	var data []byte
	if c.rnd.IntN(5) > 0 {
		data = randomBytes(c.rnd.Uint64(), 1+c.rnd.IntN([]int{2 << 10, 100 << 10, 1500 << 10}[c.rnd.IntN(3)]))
	}
	if !c.note(func() { c.flight, c.bytes = k, data }) {
		return false
	}
	var err error
	if data == nil {
		_, _, err = c.h.DeleteObject(ctx, bucket, fdblayer.DeleteObject{Key: k})
	} else {
		_, err = c.h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: k, Body: bytes.NewReader(data), SizeBytes: int64(len(data))})
	}
	if err != nil {
		t.Errorf("%s: %v", k, err)
	}
	return c.note(func() { c.flight, c.acked[k] = "", data })
}

// note runs f, unless the crash has been.
func (c *crashClient) note(f func()) bool {
	c.w.mu.RLock()
	defer c.w.mu.RUnlock()
	if !c.w.crashed {
		f()
	}
	return !c.w.crashed
}

func (c *crashClient) verify(t *testing.T, after *harness, k object.Key) {
	got, _, err := after.get(store.GetObject{Bucket: bucket, Key: k})
	if errors.Is(err, object.NoSuchKey) {
		got, err = nil, nil
	}
	if err != nil {
		t.Errorf("%s: %v", k, err)
		return
	}
	is := func(want []byte) bool { return (got == nil) == (want == nil) && bytes.Equal(got, want) }
	if !is(c.acked[k]) && !(c.flight == k && is(c.bytes)) {
		t.Errorf("%s has %d bytes (nil: %v), acknowledged were %d (nil: %v), under way: %v", k, len(got), got == nil, len(c.acked[k]), c.acked[k] == nil, c.flight == k)
	}
}
