package fdblayer

import (
	"sync"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// reapAfter is how long the reaper leaves a row alone: requests that read it may be under way, and
// would conflict.
const reapAfter = 5 * time.Second

// samplesMax is enough for reapAfter at one sample a second, with some room.
const samplesMax = 16

// samples remember when this process was given a version. A version is not a clock; what is at or below one that
// was given a while ago is at least that old.
type samples struct {
	mu   sync.Mutex // guards both
	next int
	ring [samplesMax]sample
}

type sample struct {
	at      time.Duration // of Layer.elapsed
	version kv.Version
}

// sample notes that the database has just given a version.
func (l *Layer) sample(v kv.Version) {
	now := l.elapsed()
	l.samples.mu.Lock()
	defer l.samples.mu.Unlock()
	// Closer together they would push out the old ones, which are the ones looked for.
	newest := l.samples.ring[(l.samples.next+samplesMax-1)%samplesMax]
	if newest.version != 0 && now-newest.at < reapAfter/(samplesMax/2) {
		return
	}
	l.samples.ring[l.samples.next] = sample{at: now, version: v}
	l.samples.next = (l.samples.next + 1) % samplesMax
}

// aged is the newest version known to be at least reapAfter old; 0 if none is.
func (l *Layer) aged() (v kv.Version) {
	now := l.elapsed()
	l.samples.mu.Lock()
	defer l.samples.mu.Unlock()
	for _, s := range l.samples.ring {
		if s.version != 0 && now-s.at >= reapAfter {
			v = max(v, s.version)
		}
	}
	return v
}
