package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
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
			if m.Combined-before.Combined != row.combined || m.CombinedMembers-before.CombinedMembers != requests ||
				m.Splits != row.splits || m.Commits-before.Commits != row.combined {
				t.Errorf("%+v, want %d commits and %d splits", m, row.combined, row.splits)
			}
			if n := g.rows(g.keys.AllEvidence(g.session.Load().id)); n > int(row.combined)+3 {
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
	if m := g.Metrics(); m.Splits != 3 || m.Refused != 4 || m.Combined != 0 {
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

// TestCombinedFence fences the session while requests wait together, and while they are being committed: none of them takes
// effect, those with a blob are to be written again, and the process goes on under a new session.
func TestCombinedFence(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the commit", "during the commit"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			engine := newEngine(t)
			db := &interposed{Database: engine}
			g, other := gather(t, db, object.VersioningEnabled), newLayer(t, engine)
			old := g.session.Load()
			var answers []*answer
			for range 6 {
				answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
			}
			fence := func() {
				if err := other.fence(t.Context(), old.id, false); err != nil {
					t.Error(err)
				}
			}
			if when == "before the commit" {
				fence()
			} else {
				db.before.Store(&fence)
			}
			g.letGo()
			g.running.Wait()
			for i, a := range answers {
				if i%2 == 1 && !isKind(a.err, object.SessionLost) {
					t.Errorf("request %d, with a blob of the old session: %v", i, a.err)
				}
				// Without a blob it may come to the new session, if that is open in time.
				if i%2 == 0 && a.err != nil && !isKind(a.err, object.Unavailable) {
					t.Errorf("request %d: %v", i, a.err)
				}
			}
			if b := old.take(1); b.lowWater != old.sequence+1 || b.evidenceEnd != old.attempt+1 {
				t.Errorf("the marks of the old session stay at %+v", b)
			}
			g.renewed()
			p, _ := g.putBlob("photos", "cat")
			// Those that went alone ran side by side.
			slices.SortFunc(answers, func(a, b *answer) int { return a.Version.Stamp.Compare(b.Version.Stamp) })
			g.checkRows("cat", 1, append(answers, &answer{Put: p})...)
		})
	}
}

// TestCombinedUnknown: when the outcome can't be found out all are told so, and their leases stay until the heartbeat has.
func TestCombinedUnknown(t *testing.T) {
	t.Parallel()
	for fault, landed := range map[kvfault.Fault]int{kvfault.Landed: 4, kvfault.Lost: 0} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			db := kvfault.New(newEngine(t), kvfault.Options{})
			g := gather(t, db, object.VersioningEnabled)
			var answers []*answer
			for range 4 {
				answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
			}
			db.OnCommit(1, fault)
			db.OnCommit(2, kvfault.Fatal) // the fence of the evidence
			g.letGo()
			g.running.Wait()
			for i, a := range answers {
				if !isKind(a.err, object.OutcomeUnknown) {
					t.Errorf("request %d: %v", i, a.err)
				}
			}
			if s := g.session.Load(); s.take(1).lowWater != 1 {
				t.Errorf("the low-water mark passes uploads whose outcome is unknown: %+v", s.take(1))
			}
			if m := g.Metrics(); m.Unknown != 1 || m.Unsettled != 1 {
				t.Errorf("%+v", m)
			}
			g.checkLeases()
			if n := len(g.stored("cat")); n != landed {
				t.Errorf("%d rows", n)
			}
		})
	}
}

// TestCombinedGivenUp: a request that is given up while it waits ends at once and never happens; one that is given up while
// it is committed ends with the outcome of all; the others don't notice.
func TestCombinedGivenUp(t *testing.T) {
	t.Parallel()
	db := &interposed{Database: newEngine(t)}
	g := gather(t, db, object.VersioningEnabled)
	early, endEarly := context.WithCancel(t.Context())
	late, endLate := context.WithCancel(t.Context())
	var answers []*answer
	for _, ctx := range []context.Context{late, early, t.Context(), late, early, t.Context()} {
		answers = append(answers, g.askPut(ctx, "photos", "cat"))
	}
	endEarly()
	committing := func() { endLate() }
	db.before.Store(&committing)
	g.letGo()
	g.running.Wait()
	for i, a := range answers {
		if gone := i == 1 || i == 4; gone != errors.Is(a.err, context.Canceled) || !gone && a.err != nil {
			t.Errorf("request %d: %v", i, a.err)
		}
	}
	g.checkRows("cat", 1, answers...)
	g.checkLeases()
}

// TestCombinedAllGivenUp: when all have given up nothing is committed for them any more, or what is under way is settled.
func TestCombinedAllGivenUp(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the commit", "during the commit"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			db := &interposed{Database: newEngine(t)}
			g := gather(t, db, object.VersioningEnabled)
			ctx, end := context.WithCancel(t.Context())
			defer end()
			answers := []*answer{g.askPut(ctx, "photos", "cat"), g.askPut(ctx, "photos", "cat")}
			committing := func() { end() }
			if when == "before the commit" {
				end()
				g.running.Wait() // without the slot
			} else {
				db.before.Store(&committing)
			}
			g.letGo()
			g.running.Wait()
			g.combiner.wait(t.Context())
			for i, a := range answers {
				if a.err != nil && !errors.Is(a.err, context.Canceled) || when == "before the commit" && a.err == nil {
					t.Errorf("request %d: %v", i, a.err)
				}
			}
			g.checkRows("cat", 1, answers...)
			g.checkLeases()
		})
	}
}

// TestCombinedTakesLong: who has given up waits no longer for a commit than a commit alone would be settled, and its lease
// ends when the outcome is known.
func TestCombinedTakesLong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		rows int
	}{
		{"before the commit", 1}, // too old by then; when it is tried again, one has left
		{"after the commit", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := &interposed{Database: newEngine(t)}
				g := gather(t, db, object.VersioningEnabled)
				gate := make(chan struct{})
				pause := func() { <-gate }
				if row.rows == 1 {
					db.before.Store(&pause)
				} else {
					db.after.Store(&pause)
				}
				short, end := context.WithTimeout(t.Context(), time.Second)
				defer end()
				stays, leaves := g.askPut(t.Context(), "photos", "cat"), g.askPut(short, "photos", "cat")
				g.letGo()
				time.Sleep(time.Second + kv.DefaultSettleTimeout - time.Millisecond)
				synctest.Wait()
				select {
				case <-leaves.done:
					t.Errorf("left too early: %v", leaves.err)
				default:
				}
				time.Sleep(2 * time.Millisecond)
				<-leaves.done
				if !isKind(leaves.err, object.OutcomeUnknown) {
					t.Errorf("the request that has been given up: %v", leaves.err)
				}
				if s := g.session.Load(); s.take(1).lowWater != 1 {
					t.Errorf("the low-water mark passes an upload whose outcome is unknown: %+v", s.take(1))
				}
				close(gate)
				g.running.Wait()
				if n := len(g.stored("cat")); stays.err != nil || n != row.rows {
					t.Errorf("%v, %d rows", stays.err, n)
				}
				g.checkLeases()
			})
		})
	}
}

// TestMemberLeft: of a request whose caller has left while its attempt was being prepared nothing is written, and its lease
// ends when it is told to go alone.
func TestMemberLeft(t *testing.T) {
	t.Parallel()
	g := gather(t, newEngine(t), object.VersioningEnabled)
	lease, err := g.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	m := newMember(ctx, operation{name: "test", lease: lease}, func(context.Context, *txn) error {
		t.Error("the function of a request that has left was run")
		return nil
	})
	if !g.combiner.join(m) {
		t.Fatal("not waiting")
	}
	if !m.take() {
		t.Fatal("not taken")
	}
	end()
	if o, ok := m.leave(memberTaken); !ok || !isKind(o.err, object.OutcomeUnknown) {
		t.Errorf("left with %+v, %t", o, ok)
	}
	if err := m.put(&txn{l: g.Layer, session: g.session.Load()}); !errors.Is(err, errLeft) {
		t.Errorf("put: %v", err)
	}
	m.finish(outcome{alone: true})
	g.checkLeases()
	g.combiner.wait(t.Context()) // nobody waits: the batch ends
	g.letGo()
}

// TestCombinedPanic: a panic of one request is its own.
func TestCombinedPanic(t *testing.T) {
	t.Parallel()
	g := gather(t, newEngine(t), object.VersioningEnabled)
	answers := []*answer{g.askPut(t.Context(), "photos", "cat")}
	var panicked any
	g.ask(func() {
		defer func() { panicked = recover() }()
		op := operation{name: "test", ref: object.Ref{Bucket: "photos"}}
		_, err := g.blind(t.Context(), op, func(_ context.Context, x *txn) error {
			x.Set(g.keys.List(1, "zombie"), nil)
			panic("a bug")
		})
		t.Errorf("returned %v", err)
	})
	answers = append(answers, g.askPut(t.Context(), "photos", "cat"))
	g.letGo()
	g.running.Wait()
	if panicked != "a bug" {
		t.Errorf("panicked with %v", panicked)
	}
	g.checkRows("cat", 1, answers...)
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
			if m := g.Metrics(); m.Combined != row.commits || m.CombinedMembers != row.members {
				t.Errorf("%d commits of %d members, want %d of %d", m.Combined, m.CombinedMembers, row.commits, row.members)
			}
		})
	}
}
