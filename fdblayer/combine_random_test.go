package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

// hammerPut is one PUT of the test below, and its answer.
type hammerPut struct {
	tag    object.ETag
	answer Put
	err    error
}

// TestCombinedOneKey lets many clients of two processes put one key, give up now and then, and change the bucket's
// configuration, while faults happen all the time. At every moment the list row is the newest version's. At the end there is
// one row of each PUT that was acknowledged and none of any other, and the counters equal the rows.
func TestCombinedOneKey(t *testing.T) {
	t.Parallel()
	for _, m := range modes()[1:] {
		for seed := range m.seeds {
			t.Run(fmt.Sprintf("combine %d seed %d", m.combine, seed), func(t *testing.T) {
				t.Parallel()
				m.hammer(t, seed)
			})
		}
	}
}

func (m mode) hammer(t *testing.T, seed uint64) {
	engine := newEngine(t)
	quiet := newLayer(t, engine)
	quiet.bucket("bucket", object.VersioningEnabled)
	faulty := kvfault.New(engine, kvfault.Storm(seed))
	layers := [2]*testLayer{openUnderFaults(t, faulty, m.options), openUnderFaults(t, faulty, m.options)}
	const clients, each = 40, 10
	var puts [clients][each]hammerPut
	var running sync.WaitGroup
	var did atomic.Int64
	for c := range clients {
		rng := rand.New(rand.NewPCG(seed, uint64(c)))
		running.Go(func() {
			for i := range each {
				p := &puts[c][i]
				p.tag = version("", fmt.Sprint(c, " ", i)).ETag
				*p = layers[c%2].hammerOnce(rng, *p)
				quiet.checkListed("cat")
				if n := did.Add(1); n%20 == 0 {
					quiet.setVersioning("bucket", object.Versioning(n/20%2+1)) // enabled, suspended
				}
			}
		})
	}
	running.Wait()
	faulty.Land()
	quiet.checkHammered(puts[:]...)
	var members, commits uint64
	for _, l := range layers {
		l.checkLeases()
		members, commits = members+l.Metrics().CombinedMembers, commits+l.Metrics().Combined
	}
	if members <= commits {
		t.Errorf("%d combined commits of %d members", commits, members)
	}
}

// hammerOnce does a PUT.
func (l *testLayer) hammerOnce(rng *rand.Rand, h hammerPut) hammerPut {
	ctx, end := context.WithCancel(l.t.Context())
	defer end()
	if rng.IntN(10) == 0 {
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(3*time.Millisecond))), end)
		defer timer.Stop()
	}
	p := PutObject{Bucket: "bucket", Version: version("cat", "inline")}
	if rng.IntN(2) == 0 {
		lease, err := l.NewBlob()
		if err != nil {
			h.err = err
			return h
		}
		defer lease.Abandon()
		p.Version, p.Lease = blobVersion("cat", lease), lease
	}
	p.Version.ETag = h.tag
	h.answer, h.err = l.PutObject(ctx, p)
	return h
}

func (l *testLayer) checkHammered(clients ...[10]hammerPut) {
	l.t.Helper()
	rows := l.stored("cat")
	byTag := map[object.ETag][]storedRow{}
	for _, r := range rows {
		byTag[r.ETag] = append(byTag[r.ETag], r)
	}
	for _, puts := range clients {
		for _, p := range puts {
			found := byTag[p.tag]
			switch {
			case p.err == nil:
				if len(found) != 1 || found[0].Stamp != p.answer.Version.Stamp || found[0].Kind != p.answer.Version.Kind {
					l.t.Errorf("%v was acknowledged; its rows are %v", p.answer.Version.Stamp, found)
				}
			case !errors.Is(p.err, context.Canceled) && !isKind(p.err, object.SlowDown):
				l.t.Errorf("put: %v", p.err)
			case len(found) != 0:
				l.t.Errorf("a PUT that failed (%v) has rows %v", p.err, found)
			}
		}
	}
	l.checkListed("cat")
	l.checkCounters(1, int64(len(rows)))
}
