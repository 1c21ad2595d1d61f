package fdblayer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/object"
)

// TestHeartbeats runs the heartbeat by itself, in time that passes at once: it renews the session every second,
// moves the marks of an idle process, keeps the reaper's clock, and opens a new session after a fence without being asked.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := inMemory(t)
		running := func(o *Options) { o.HeartbeatEvery, o.Now, o.Monotonic = 0, nil, nil }
		l, other := newLayer(t, db, running), newLayer(t, db, running)
		l.bucket("bucket", object.Unversioned)
		first := l.heartbeat()
		time.Sleep(10*time.Second + time.Millisecond)
		if h := l.heartbeat(); h.Count != first.Count+10 || h.OldestRead <= first.OldestRead {
			t.Errorf("after ten seconds: %+v, at first %+v", h, first)
		}
		l.put("bucket", "k", "1")
		l.put("bucket", "k", "2")
		time.Sleep(reapAfter - 2*time.Second)
		if n := l.reap(); n != 0 {
			t.Errorf("%d events ended too early", n)
		}
		time.Sleep(3 * time.Second)
		if n := l.reap(); n != 2 {
			t.Errorf("%d events ended, want 2", n)
		}
		old := l.session.Load()
		if err := other.fence(t.Context(), old.id, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if l.session.Load() == old {
			t.Error("no new session")
		}
		l.put("bucket", "k", "3")
	})
}
