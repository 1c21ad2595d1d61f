//go:build fdb

package fdbkv

import (
	"sync/atomic"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Metrics count what a DB has done since it was opened.
type Metrics struct {
	Commits   uint64 // transactions with writes that took effect
	Conflicts uint64 // commits that the database refused because of a conflict
	TooOld    uint64 // commits that it refused because their read version was too old
	Busy      uint64 // commits that it could not take
	Unknown   uint64 // commits whose result was not known at first
	// ReadVersions counts those asked for by name; a read or a commit without one asks by itself.
	ReadVersions uint64
	Reads        uint64 // point and range reads
	BytesRead    uint64 // of rows that came
	BytesWritten uint64 // of commits that took effect, as SizeBytes counts
}

type counters struct {
	commits, conflicts, tooOld, busy, unknown    atomic.Uint64
	readVersions, reads, bytesRead, bytesWritten atomic.Uint64
}

func (c *counters) read(bytes int) {
	c.reads.Add(1)
	c.bytesRead.Add(uint64(bytes))
}

func (c *counters) committed(bytes int) {
	c.commits.Add(1)
	c.bytesWritten.Add(uint64(bytes))
}

func (c *counters) failed(k kv.ErrorKind) {
	switch k {
	case kv.Conflict:
		c.conflicts.Add(1)
	case kv.TooOld:
		c.tooOld.Add(1)
	case kv.Busy:
		c.busy.Add(1)
	case kv.UnknownSettled, kv.MayStillLand:
		c.unknown.Add(1)
	case kv.Fatal: // the caller's mistake
	}
}

// Metrics returns the counts so far.
func (db *DB) Metrics() Metrics {
	c := &db.counters
	return Metrics{
		Commits: c.commits.Load(), Conflicts: c.conflicts.Load(), TooOld: c.tooOld.Load(), Busy: c.busy.Load(),
		Unknown: c.unknown.Load(), ReadVersions: c.readVersions.Load(), Reads: c.reads.Load(),
		BytesRead: c.bytesRead.Load(), BytesWritten: c.bytesWritten.Load(),
	}
}
