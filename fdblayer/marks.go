package fdblayer

import (
	"sync"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// marks are what a session must say of itself in its heartbeat: what it still writes, what it still
// reads, and which evidence it still needs (DESIGN §9). One lock covers all, so that a beat sees every
// upload, reader and attempt that began before it, or it sees none of it and its marks bind that one.
type marks struct {
	mu sync.Mutex // guards all below

	sequence uint64              // of the newest blob
	uploads  map[uint64]struct{} // blobs whose upload has not ended, or whose outcome is not settled

	floor   kv.Version         // nothing begins to read below it
	readers map[kv.Version]int // readers by read version

	attempt  uint64              // number of the newest evidence
	attempts map[uint64]struct{} // those whose outcome is not known

	closing bool          // no attempt begins any more
	settled chan struct{} // closed when closing and attempts is empty
}

// beatMarks is what one heartbeat publishes.
type beatMarks struct {
	// lowWater: every upload with a smaller sequence has ended, its outcome settled.
	lowWater uint64
	// oldestRead: no reader of this session reads below it, now or later.
	oldestRead kv.Version
	// evidenceEnd: the outcome of every attempt with a smaller number is known.
	evidenceEnd uint64
}

// init makes m ready. floor is the commit of the session: what was reclaimed
// before it knew nothing of its readers.
func (m *marks) init(floor kv.Version) {
	m.floor = floor
	m.uploads = make(map[uint64]struct{})
	m.readers = make(map[kv.Version]int)
	m.attempts = make(map[uint64]struct{})
	m.settled = make(chan struct{})
}

// take makes the marks of a beat that was given version, a fresh one, and raises the floor before anything of it
// is sent: the beat may land although its answer is lost.
func (m *marks) take(version kv.Version) beatMarks {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := beatMarks{lowWater: m.sequence + 1, oldestRead: version, evidenceEnd: m.attempt + 1}
	for sequence := range m.uploads {
		b.lowWater = min(b.lowWater, sequence)
	}
	for at := range m.readers {
		b.oldestRead = min(b.oldestRead, at)
	}
	for n := range m.attempts {
		b.evidenceEnd = min(b.evidenceEnd, n)
	}
	m.floor = max(m.floor, b.oldestRead)
	return b
}

// beginUpload reserves the next sequence.
func (m *marks) beginUpload() (sequence uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sequence++
	m.uploads[m.sequence] = struct{}{}
	return m.sequence
}

func (m *marks) endUpload(sequence uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.uploads, sequence)
}

// beginRead registers a reader; false means that the version is below the floor and may
// not be used any more.
func (m *marks) beginRead(at kv.Version) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at < m.floor {
		return false
	}
	m.readers[at]++
	return true
}

func (m *marks) endRead(at kv.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.readers[at]--; m.readers[at] == 0 {
		delete(m.readers, at)
	}
}

// beginAttempt numbers an attempt; 0 means that the session takes none any more.
func (m *marks) beginAttempt() (n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return 0
	}
	m.attempt++
	m.attempts[m.attempt] = struct{}{}
	return m.attempt
}

// endAttempt says that the outcome of an attempt is known.
func (m *marks) endAttempt(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.attempts, n)
	m.closeSettled()
}

// close takes no more attempts. The channel is closed when the outcome of all is known.
func (m *marks) close() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closing {
		m.closing = true
		m.closeSettled()
	}
	return m.settled
}

// closeSettled closes settled when it is time; mu is held.
func (m *marks) closeSettled() {
	if !m.closing || len(m.attempts) > 0 {
		return
	}
	select {
	case <-m.settled:
	default:
		close(m.settled)
	}
}
