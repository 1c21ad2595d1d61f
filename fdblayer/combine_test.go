package fdblayer

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

// gathering is a layer whose requests wait together until they are let go, in the order in which they came.
type gathering struct {
	*testLayer
	came    int
	running sync.WaitGroup
}

// gather opens a layer with a bucket, and holds its only slot.
func gather(t *testing.T, db kv.Database, v object.Versioning, change ...func(*Options)) *gathering {
	t.Helper()
	all := append([]func(*Options){func(o *Options) { combined(o, 64) }}, change...)
	g := &gathering{testLayer: newLayer(t, db, all...)}
	g.bucket("photos", v)
	g.put("photos", "dog", "woof")
	g.hold()
	return g
}

func (g *gathering) hold() {
	if err := g.combiner.slots.Acquire(g.t.Context(), 1); err != nil {
		g.t.Fatal(err)
	}
}

// ask begins a request and returns when it waits.
func (g *gathering) ask(request func()) {
	g.t.Helper()
	g.came++
	batch, members := g.forming()
	g.running.Go(request)
	for {
		if now, n := g.forming(); now != batch || n != members {
			return
		}
		runtime.Gosched()
	}
}

// forming is the batch that is forming, and how many wait in it.
func (g *gathering) forming() (*batch, int) {
	g.combiner.mu.Lock()
	defer g.combiner.mu.Unlock()
	if g.combiner.forming == nil {
		return nil, 0
	}
	return g.combiner.forming, len(g.combiner.forming.members)
}

// letGo gives the slot back.
func (g *gathering) letGo() { g.combiner.slots.Release(1) }

// answer is what a PUT was told.
type answer struct {
	Put
	err  error
	done chan struct{} // closed when the others are set
}

// askPut asks for a PUT of a key, every other one of a blob.
func (g *gathering) askPut(ctx context.Context, b object.BucketName, k object.Key) *answer {
	g.t.Helper()
	p := PutObject{Bucket: b, Version: version(k, fmt.Sprint("request ", g.came))}
	if g.came%2 == 1 {
		lease, err := g.NewBlob()
		if err != nil {
			g.t.Fatal(err)
		}
		p.Version, p.Lease = blobVersion(k, lease), lease
	}
	a := &answer{done: make(chan struct{})}
	g.ask(func() {
		defer close(a.done)
		a.Put, a.err = g.PutObject(ctx, p)
	})
	return a
}

// checkRows: the key has one row of each answer that was a success and no other, in the order of the answers; the list row
// and the counters agree.
func (g *gathering) checkRows(k object.Key, others int64, answers ...*answer) {
	g.t.Helper()
	rows := g.stored(k)
	n := 0
	for i, a := range answers {
		if a.err != nil {
			continue
		}
		if n >= len(rows) || rows[n].Stamp != a.Version.Stamp || rows[n].version != a.Token.Version {
			g.t.Errorf("answer %d: version %v is not row %d of %d", i, a.Version.Stamp, n, len(rows))
		}
		n++
	}
	if n != len(rows) {
		g.t.Errorf("%d rows of %d successes", len(rows), n)
	}
	g.checkListed(k)
	g.checkCounters(1, int64(len(rows))+others)
}

// checkListed: at one version the list row is that of the newest row.
func (l *testLayer) checkListed(k object.Key) {
	l.t.Helper()
	_, err := kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		r := tx.Snapshot()
		newest, list := r.GetRange(l.keys.Versions(1, k), kv.RangeOptions{Limit: 1, Reverse: true}), r.Get(l.keys.List(1, k))
		page, err := newest.Get(l.t.Context())
		if err != nil {
			return err
		}
		value, err := list.Get(l.t.Context())
		if err != nil || len(page.Rows) == 0 && value == nil {
			return err
		}
		v, err := l.decodeVersion(k, page.Rows[0])
		if err != nil {
			return err
		}
		row, err := keys.DecodeList(value)
		if err == nil && row.Stamp != v.Stamp {
			l.t.Errorf("%s is listed with %v, its newest version is %v", k, row.Stamp, v.Stamp)
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
}

// exact: the counters are known. A cluster may add conflicts and unknown results of its own.
func exact() bool { return !kvenv.OnFoundationDB() }

// TestCombined puts eight PUTs of one key together and lets the commit meet each fault: every one is acknowledged and takes
// effect once, in the order of the requests, also when they are split; leases end and no evidence stays.
func TestCombined(t *testing.T) {
	t.Parallel()
	const requests = 8
	for _, row := range []struct {
		fault    kvfault.Fault
		combined uint64 // commits that there are in the end
		splits   uint64
	}{
		{kvfault.None, 1, 0},
		{kvfault.Conflict, 2, 1},
		{kvfault.Fatal, 2, 1},
		{kvfault.TooOld, 1, 0},
		{kvfault.Busy, 1, 0},
		{kvfault.SettledCommitted, 1, 0},
		{kvfault.SettledAbsent, 1, 0},
		{kvfault.Landed, 1, 0},
		{kvfault.Lost, 1, 0},
		{kvfault.Late, 1, 0},
	} {
		t.Run(row.fault.String(), func(t *testing.T) {
			t.Parallel()
			db := kvfault.New(newEngine(t), kvfault.Options{})
			g := gather(t, db, object.VersioningEnabled)
			var answers []*answer
			for range requests {
				answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
			}
			before := g.Metrics()
			db.OnCommit(1, row.fault)
			g.letGo()
			g.running.Wait()
			db.Land()
			for i, a := range answers {
				if a.err != nil {
					t.Errorf("request %d: %v", i, a.err)
				}
			}
			g.checkRows("cat", 1, answers...)
			m := g.Metrics()
			if exact() && (m.Combined-before.Combined != row.combined || m.CombinedMembers-before.CombinedMembers != requests ||
				m.Splits != row.splits || m.Commits-before.Commits != row.combined) {
				t.Errorf("%+v, want %d commits and %d splits", m, row.combined, row.splits)
			}
			if n := g.rows(g.keys.AllEvidence(g.session.Load().id)); exact() && n > int(row.combined)+3 {
				t.Errorf("%d rows of evidence for one request of each kind and %d commits", n, row.combined)
			}
			g.checkLeases()
			if n := g.rows(g.keys.AllEvidence(g.session.Load().id)); n != 0 {
				t.Errorf("%d rows of evidence stay", n)
			}
		})
	}
}

// TestCombinedSplitsUntilAlone lets conflicts go on until every request is alone, and beyond.
func TestCombinedSplitsUntilAlone(t *testing.T) {
	t.Parallel()
	db := kvfault.New(newEngine(t), kvfault.Options{})
	g := gather(t, db, object.VersioningEnabled)
	var answers []*answer
	for range 4 {
		answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
	}
	for n := range 12 {
		db.OnCommit(n+1, kvfault.Conflict)
	}
	g.letGo()
	g.running.Wait()
	for i, a := range answers {
		if a.err != nil {
			t.Errorf("request %d: %v", i, a.err)
		}
	}
	if n := len(g.stored("cat")); n != len(answers) {
		t.Errorf("%d rows", n)
	}
	if m := g.Metrics(); exact() && (m.Splits != 3 || m.Refused != 4 || m.Combined != 0) {
		t.Errorf("%+v", m)
	}
	g.checkListed("cat")
	g.checkCounters(1, 5)
	g.checkLeases()
}

// TestCombinedOneIsRefused deletes a bucket, and changes another one, while PUTs to them and to a third wait together: those
// to the deleted one are refused, the others commit under what holds then.
func TestCombinedOneIsRefused(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	g, other := gather(t, db, object.VersioningEnabled), newLayer(t, db)
	g.bucket("gone", object.Unversioned)
	g.bucket("changed", object.Unversioned)
	for _, b := range []object.BucketName{"gone", "changed"} {
		if found, err := g.view.bucket(t.Context(), b); err != nil || found == nil {
			t.Fatalf("%v, %v", found, err)
		}
	}
	var answers, gone, changed []*answer
	for range 3 {
		answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
		gone = append(gone, g.askPut(t.Context(), "gone", "cat"))
		changed = append(changed, g.askPut(t.Context(), "changed", "cat"))
	}
	if _, err := other.DeleteBucket(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	other.setVersioning("changed", object.VersioningEnabled)
	g.letGo()
	g.running.Wait()
	for i, a := range answers {
		if a.err != nil {
			t.Errorf("request %d: %v", i, a.err)
		}
		if !isKind(gone[i].err, object.NoSuchBucket) {
			t.Errorf("request %d to a bucket that is gone: %v", i, gone[i].err)
		}
		if changed[i].err != nil || changed[i].Version.Kind != object.Kept {
			t.Errorf("request %d to a bucket that was changed: kind %d, %v", i, changed[i].Version.Kind, changed[i].err)
		}
	}
	g.checkRows("cat", 1, answers...)
	for id, want := range map[object.BucketID]int{2: 0, 3: 3} {
		if n := g.rows(g.keys.Versions(id, "cat")); n != want {
			t.Errorf("bucket %d has %d rows, want %d", id, n, want)
		}
	}
	g.checkLeases()
}

// TestCombinedBounds: neither more requests than allowed are put together, nor more bytes.
func TestCombinedBounds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name             string
		max, requests    int
		content          int
		commits, members uint64
	}{
		{"members", 4, 10, 10, 3, 10},
		{"bytes", 64, 30, 90_000, 15, 30},
		{"both allow", 64, 30, 10, 1, 30},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g := gather(t, newEngine(t), object.VersioningEnabled, func(o *Options) { o.CombineMax = row.max })
			for n := range row.requests {
				g.ask(func() { g.put("photos", object.Key(fmt.Sprint(n)), strings.Repeat("x", row.content)) })
			}
			g.letGo()
			g.running.Wait()
			if m := g.Metrics(); exact() && (m.Combined != row.commits || m.CombinedMembers != row.members) {
				t.Errorf("%d commits of %d members, want %d of %d", m.Combined, m.CombinedMembers, row.commits, row.members)
			}
		})
	}
}
