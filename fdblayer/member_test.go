package fdblayer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

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
			if m := g.Metrics(); exact() && (m.Unknown != 1 || m.Unsettled != 1) {
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
			if kvenv.OnFoundationDB() && row.rows == 1 {
				t.Skip("the test's clock makes versions too old on the embedded engine only")
			}
			synctest.Test(t, func(t *testing.T) {
				db := &interposed{Database: inMemory(t)}
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
