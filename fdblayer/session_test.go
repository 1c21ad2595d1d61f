package fdblayer

import (
	"errors"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

// heartbeat reads what a session has published.
func (l *testLayer) heartbeat() keys.Heartbeat {
	l.t.Helper()
	var h keys.Heartbeat
	_, err := kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		value, err := tx.Get(l.keys.Heartbeat(l.session.Load().id)).Get(l.t.Context())
		if err != nil {
			return err
		}
		h, err = keys.DecodeHeartbeat(value)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// TestFence: what a session that was fenced has under way never takes effect, its blobs are refused, and its
// process goes on under a new session.
func TestFence(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l, other := newLayer(t, db), newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	l.put("photos", "cat", "meow")
	old := l.session.Load()
	lease, err := l.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.fence(t.Context(), old.id, false); err != nil {
		t.Fatal(err)
	}
	_, err = l.PutObject(t.Context(), PutObject{Bucket: "photos", Version: blobVersion("cat", lease), Lease: lease})
	if !isKind(err, object.SessionLost) {
		t.Errorf("put of a blob of a fenced session: %v", err)
	}
	l.renewed()
	if now := l.session.Load(); now == old || now.id == old.id {
		t.Fatal("the process has no new session")
	}
	if got := other.get("photos", "cat", ""); got != "meow" {
		t.Errorf("after the fence: %q", got)
	}
	_, blob := l.putBlob("photos", "cat")
	if got, want := other.get("photos", "cat", ""), "blob "+blob.String(); got != want {
		t.Errorf("under the new session: %q, want %q", got, want)
	}
	if n := l.rows(keys.Only(l.keys.Fenced(old.id))); n != 1 {
		t.Errorf("%d rows say that the session was fenced", n)
	}
}

// TestFenceLateCommit fences a session while a commit of it is on its way: it must not land.
func TestFenceLateCommit(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l, other := newLayer(t, db), newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	e := &evidence{l: l.Layer}
	tx := db.Begin(kv.TxOptions{})
	e.Mark(tx)
	tx.AddReadConflict(e.session.pinned)
	if _, err := tx.ReadVersion().Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	tx.Set(l.keys.List(1, "zombie"), []byte("here"))
	if err := other.fence(t.Context(), e.session.id, false); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); !errors.Is(err, kv.Conflict) {
		t.Errorf("the commit of a fenced session: %v", err)
	}
	// And one that was given up is settled although the session is fenced.
	if _, done, err := e.Settle(t.Context(), kv.MayStillLand); done || err != nil {
		t.Errorf("settled: %v, %v", done, err)
	}
	e.forget()
}

// TestSettle scripts every kind of unknown result for one PUT, and checks that
// it took effect exactly once.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, f := range []kvfault.Fault{
		kvfault.Conflict, kvfault.TooOld, kvfault.Busy, kvfault.SettledCommitted, kvfault.SettledAbsent, kvfault.Landed,
		kvfault.Lost, kvfault.Late,
	} {
		for _, second := range []kvfault.Fault{kvfault.None, kvfault.SettledAbsent, kvfault.Landed, kvfault.Late, kvfault.Busy} {
			t.Run(f.String()+" then "+second.String(), func(t *testing.T) {
				t.Parallel()
				db := kvfault.New(newEngine(t), kvfault.Options{})
				l := newLayer(t, db)
				l.bucket("photos", object.VersioningEnabled)
				l.put("photos", "dog", "woof") // the view knows the bucket: the next one has no conflict of its own
				db.OnCommit(1, f)
				db.OnCommit(2, second)
				p := l.put("photos", "cat", "meow")
				db.Land()
				if n := l.rows(l.keys.Versions(1, "cat")); n != 1 {
					t.Fatalf("%d version rows", n)
				}
				if got := l.get("photos", "cat", p.Version.ID()); got != "meow" {
					t.Errorf("the version that was acknowledged reads %q", got)
				}
				_ = l.renew(t.Context()) // may meet the second fault, if the PUT did not
				l.renewed()
				l.renewed()
				if n := l.rows(l.keys.AllEvidence(l.session.Load().id)); n != 0 {
					t.Errorf("%d rows of evidence stay", n)
				}
			})
		}
	}
}

// TestOutcomeUnknown: while the outcome of a blob's commit can't be found out, neither mark passes it; when it can, the
// heartbeat settles it and they do.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault kvfault.Fault
		want  string
	}{{kvfault.Landed, "blob"}, {kvfault.Lost, "no such key"}} {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			db := kvfault.New(newEngine(t), kvfault.Options{})
			l := newLayer(t, db)
			l.bucket("photos", object.Unversioned)
			l.renewed()
			before := l.heartbeat()
			lease, err := l.NewBlob()
			if err != nil {
				t.Fatal(err)
			}
			db.OnCommit(1, c.fault)
			db.OnCommit(2, kvfault.Fatal) // the fence of its evidence
			_, err = l.PutObject(t.Context(), PutObject{Bucket: "photos", Version: blobVersion("cat", lease), Lease: lease})
			if !isKind(err, object.OutcomeUnknown) {
				t.Fatalf("put: %v", err)
			}
			lease.Abandon() // must do nothing
			db.OnCommit(2, kvfault.Fatal)
			l.renewed() // the beat, and in vain the settling
			if h := l.heartbeat(); h.LowWater != before.LowWater || h.LowWater > lease.ID().Sequence {
				t.Errorf("low-water mark %d passes upload %d, whose outcome is unknown", h.LowWater, lease.ID().Sequence)
			}
			if _, blob := l.putBlob("photos", "dog"); blob.Sequence <= lease.ID().Sequence {
				t.Errorf("blob %v after %v", blob, lease.ID())
			}
			l.renewed() // settles
			l.renewed()
			if h := l.heartbeat(); h.LowWater != lease.ID().Sequence+2 {
				t.Errorf("low-water mark %d after settling, want %d", h.LowWater, lease.ID().Sequence+2)
			}
			if n := l.rows(l.keys.AllEvidence(l.session.Load().id)); n != 0 {
				t.Errorf("%d rows of evidence stay", n)
			}
			if got := l.get("photos", "cat", ""); got != c.want && got != "blob "+lease.ID().String() {
				t.Errorf("the key reads %q", got)
			}
		})
	}
}

// TestLeases: the low-water mark stays below uploads that run, and goes on when they end.
func TestLeases(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	a, _ := l.NewBlob()
	b, _ := l.NewBlob()
	lowWater := func(want uint64) {
		t.Helper()
		l.renewed()
		if h := l.heartbeat(); h.LowWater != want {
			t.Errorf("low-water mark %d, want %d", h.LowWater, want)
		}
	}
	lowWater(a.ID().Sequence)
	b.Abandon()
	lowWater(a.ID().Sequence)
	a.Abandon()
	a.Abandon()
	lowWater(b.ID().Sequence + 1)
	first := l.heartbeat()
	l.renewed()
	if again := l.heartbeat(); again.Count <= first.Count {
		t.Errorf("beat %d after beat %d", again.Count, first.Count)
	}
}

// TestNotRenewed: a process that can't publish for half of the time until it may be fenced takes no requests, and goes on
// when it can again.
func TestNotRenewed(t *testing.T) {
	t.Parallel()
	db := kvfault.New(newEngine(t), kvfault.Options{})
	l := newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	l.clock.advance(stopAfter - time.Nanosecond)
	if err := l.Ready(); err != nil {
		t.Errorf("shortly before: %v", err)
	}
	db.OnCommit(1, kvfault.Fatal)
	if err := l.renew(t.Context()); err == nil {
		t.Error("the heartbeat was to fail")
	}
	l.clock.advance(time.Nanosecond)
	if err := l.Ready(); !isKind(err, object.Unavailable) {
		t.Errorf("ready: %v", err)
	}
	if _, err := l.PutObject(t.Context(), PutObject{Bucket: "photos", Version: version("cat", "meow")}); !isKind(err, object.Unavailable) {
		t.Errorf("put: %v", err)
	}
	if _, err := l.OpenVersion(t.Context(), "photos", "cat", ""); !isKind(err, object.Unavailable) {
		t.Errorf("open: %v", err)
	}
	l.renewed()
	l.put("photos", "cat", "meow")
}

// TestSoleProcessGoesOn: nobody can fence the only process of a database, so it reads on when
// its heartbeat can't be written, as on a full disk.
func TestSoleProcessGoesOn(t *testing.T) {
	t.Parallel()
	db := kvfault.New(newEngine(t), kvfault.Options{})
	l := newLayer(t, db, func(o *Options) { o.SoleProcess = true })
	l.bucket("photos", object.Unversioned)
	l.put("photos", "cat", "meow")
	db.OnCommit(1, kvfault.Fatal)
	if err := l.renew(t.Context()); err == nil {
		t.Error("the heartbeat was to fail")
	}
	l.clock.advance(time.Hour)
	if err := l.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	if got := l.get("photos", "cat", ""); got != "meow" {
		t.Errorf("read: %q", got)
	}
}
