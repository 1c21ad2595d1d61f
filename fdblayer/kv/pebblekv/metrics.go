package pebblekv

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Metrics are counts since Open, and Pebble's own figures.
type Metrics struct {
	Commits       uint64 // transactions with writes that took effect
	Batches       uint64 // groups of them that were written together
	Syncs         uint64 // of the log, for batches
	Conflicts     uint64 // commits refused for a conflict
	TooOld        uint64 // commits refused for their version's age
	Refused       uint64 // commits refused because the disk can't take them
	Unknown       uint64 // commits whose result is not known
	ReadVersions  uint64 // versions handed out
	Reads         uint64 // point and range reads
	BytesRead     uint64 // keys and values
	BytesWritten  uint64 // keys and values, as given to Pebble
	SnapshotsOpen int
	Failed        bool // nothing is written any more
	Pebble        *pebble.Metrics
}

// counters are what the engine counts itself.
type counters struct {
	commits, batches, syncs, conflicts, tooOld, refused, unknown atomic.Uint64
	readVersions, reads, bytesRead, bytesWritten                 atomic.Uint64
}

// Metrics returns the counts. After Close Pebble's are missing (nil).
func (db *DB) Metrics() Metrics {
	c := &db.counters
	m := Metrics{
		Commits: c.commits.Load(), Batches: c.batches.Load(), Syncs: c.syncs.Load(), Conflicts: c.conflicts.Load(),
		TooOld: c.tooOld.Load(), Refused: c.refused.Load(), Unknown: c.unknown.Load(), ReadVersions: c.readVersions.Load(),
		Reads: c.reads.Load(), BytesRead: c.bytesRead.Load(), BytesWritten: c.bytesWritten.Load(),
		Failed: db.guard.failure() != nil,
	}
	db.versions.mu.Lock()
	m.SnapshotsOpen = len(db.versions.alive)
	db.versions.mu.Unlock()
	db.reading.RLock()
	defer db.reading.RUnlock()
	if !db.isClosed.Load() {
		m.Pebble = db.rows.Metrics()
	}
	return m
}
