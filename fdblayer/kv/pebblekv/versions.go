package pebblekv

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// snapshot is the state of the database at one version, shared by all who read
// there. The list below holds one reference, every transaction another.
type snapshot struct {
	version  kv.Version
	metadata kv.Versionstamp
	rows     *pebble.Snapshot
	refs     atomic.Int64
	in       *versions
	// usedAt is when the version was last handed out, or made. Guarded by versions.mu.
	usedAt time.Duration
}

// release gives one reference back; the last one frees the rows.
func (s *snapshot) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	s.in.mu.Lock()
	_, open := s.in.alive[s]
	delete(s.in.alive, s)
	s.in.mu.Unlock()
	if open {
		_ = s.rows.Close() // fails only when closed twice
	}
}

// versions are the snapshots of the last seconds, ascending; the last is the
// newest durable state.
type versions struct {
	clock func() time.Duration
	open  func() *pebble.Snapshot

	mu       sync.Mutex
	list     []*snapshot
	alive    map[*snapshot]struct{} // whose rows are open
	assigned kv.Version             // the greatest version given to anything
	ceiling  kv.Version             // on disk; nothing above it may be assigned
	busy     bool                   // a batch is under way: the rows may be ahead of the newest snapshot
	closed   bool
}

// begin assigns the version of a batch. end or publish must follow.
func (vs *versions) begin() kv.Version {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.busy = true
	vs.assigned++
	return vs.assigned
}

// end says that the batch wrote nothing.
func (vs *versions) end() {
	vs.mu.Lock()
	vs.busy = false
	vs.mu.Unlock()
}

// publish makes the version of a batch, now durable, the newest. It returns
// the oldest version that transactions may still begin at.
func (vs *versions) publish(v kv.Version, metadata kv.Versionstamp) (oldest kv.Version) {
	vs.mu.Lock()
	vs.busy = false
	old := vs.appendLocked(v, metadata, vs.clock())
	oldest = vs.list[0].version
	vs.mu.Unlock()
	for _, s := range old {
		s.release()
	}
	return oldest
}

// appendLocked adds the state as it is now, and returns what has become too old.
func (vs *versions) appendLocked(v kv.Version, metadata kv.Versionstamp, now time.Duration) (old []*snapshot) {
	s := &snapshot{version: v, metadata: metadata, rows: vs.open(), in: vs, usedAt: now}
	s.refs.Store(1)
	vs.alive[s] = struct{}{}
	vs.list = append(vs.list, s)
	n := 0
	for n < len(vs.list)-1 && now-vs.list[n].usedAt > readVersionMaxAge {
		n++
	}
	old = vs.list[:n:n]
	vs.list = vs.list[n:]
	return old
}

// newest hands out the newest version, with a reference, and until when it may
// be used.
func (vs *versions) newest() (s *snapshot, until time.Duration, err error) {
	vs.mu.Lock()
	if vs.closed {
		vs.mu.Unlock()
		return nil, 0, errClosed("read version")
	}
	now := vs.clock()
	s = vs.list[len(vs.list)-1]
	var old []*snapshot
	if !vs.busy && now-s.usedAt > idleVersionAge && vs.assigned < vs.ceiling {
		vs.assigned++
		old = vs.appendLocked(vs.assigned, s.metadata, now)
		s = vs.list[len(vs.list)-1]
	} else if now-s.usedAt > idleVersionAge {
		s.usedAt = now // a batch takes long: this is still the newest durable state
	}
	s.refs.Add(1)
	until = s.usedAt + readVersionMaxAge
	vs.mu.Unlock()
	for _, o := range old {
		o.release()
	}
	return s, until, nil
}

// at finds the state at a version that a transaction brings along.
func (vs *versions) at(v kv.Version) (s *snapshot, until time.Duration, err error) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.closed {
		return nil, 0, errClosed("read version")
	}
	if v > vs.list[len(vs.list)-1].version {
		return nil, 0, &kv.Error{Op: "pebblekv.read version", Kind: kv.TooOld, Code: kv.CodeFutureVersion}
	}
	// The state at v is that of the last commit not behind it.
	n := sort.Search(len(vs.list), func(i int) bool { return vs.list[i].version > v })
	if n == 0 || vs.clock()-vs.list[n-1].usedAt > readVersionMaxAge {
		return nil, 0, errTooOld("read version")
	}
	s = vs.list[n-1]
	s.refs.Add(1)
	return s, s.usedAt + readVersionMaxAge, nil
}

// close frees all snapshots, also those that transactions hold. No read may be
// under way, and none begin.
func (vs *versions) close() {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.closed = true
	for s := range vs.alive {
		_ = s.rows.Close() // fails only when closed twice
	}
	vs.alive = nil
	vs.list = nil
}

func errTooOld(op string) error {
	return &kv.Error{Op: "pebblekv." + op, Kind: kv.TooOld, Code: kv.CodeTransactionTooOld}
}

// raise says what ceiling to write with the batch of version v; 0: it is far enough.
func (vs *versions) raise(v kv.Version) kv.Version {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v+ceilingStep/2 <= vs.ceiling {
		return 0
	}
	return v + ceilingStep
}

// raised says that the ceiling is on disk.
func (vs *versions) raised(ceiling kv.Version) {
	vs.mu.Lock()
	vs.ceiling = ceiling
	vs.mu.Unlock()
}
