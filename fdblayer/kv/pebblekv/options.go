package pebblekv

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// ErrLocked is the cause of Open's error when another process (or another DB
// of this one) has the folder open.
var ErrLocked = errors.New("the folder is in use by another process")

// ErrNewerFormat is the cause of Open's error when a newer release wrote the folder.
var ErrNewerFormat = errors.New("the folder was written by a newer release")

// Options are the choices of a DB. Dir is required.
type Options struct {
	// Dir is the folder; it is created if absent.
	Dir string
	// FS is the file system. Default: vfs.Default.
	FS vfs.FS
	// Log takes what an operator should know. Default: nothing is logged.
	Log *zap.Logger
	// CacheBytes bounds the cache of blocks read. Default: 64 MiB.
	CacheBytes int64
	// MemTableBytes bounds one table of recent writes in memory; up to four wait
	// for being flushed. A restart reads back about as much from the log. Default: 32 MiB, less
	// on a file system below 2 GiB (a 64th of it, at least 1 MiB).
	MemTableBytes int64
	// ReserveBytes is the free space below which commits are refused, so that Pebble can
	// still flush and compact. Whoever shares the file system must leave this much, too: with
	// nothing left, Open waits for space. Default: 4 * MemTableBytes. Negative: no check.
	ReserveBytes int64
	// Clock is a monotonic clock: the time since any fixed moment. Default: the
	// system's. Tests set it.
	Clock func() time.Duration
}

const (
	defaultCacheBytes    = 64 << 20
	defaultMemTableBytes = 32 << 20
	// memTableShare keeps tables, and the log that is preallocated for one, small on a small disk.
	memTableShare = 64
	// memTableBytesMin bounds the overhead of many small tables. A batch above half a table goes to a
	// table of its own, so that every transaction fits.
	memTableBytesMin = 1 << 20

	readVersionMaxAge = kv.ReadVersionMaxAgeSeconds * time.Second
	// idleVersionAge: without commits a new version is made for a read that finds
	// the newest this old, so that versions handed out are young, as in FoundationDB.
	idleVersionAge = time.Second
)

// withDefaults returns a copy with every default filled in.
func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Clock == nil {
		start := time.Now()
		o.Clock = func() time.Duration { return time.Since(start) }
	}
	return o
}

// sized returns a copy with the defaults that depend on the file system, on
// which the folder must exist.
func (o Options) sized() Options {
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = defaultMemTableBytes
		if usage, err := o.FS.GetDiskUsage(o.Dir); err == nil {
			o.MemTableBytes = min(o.MemTableBytes, int64(usage.TotalBytes/memTableShare))
		}
	}
	o.MemTableBytes = max(o.MemTableBytes, memTableBytesMin)
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 4 * o.MemTableBytes
	}
	return o
}
