package pebblekv

import (
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// pebbleOptions are Pebble's settings, and why.
func (db *DB) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                 db.guard,
		Lock:               db.lock,
		Cache:              db.cache,
		FormatMajorVersion: pebble.FormatNewest,
		// The committer syncs whole batches; a table in memory is some ten thousand of them.
		MemTableSize:                uint64(db.options.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		// Rows are small and mostly new: a few more tables in level 0 cost reads little,
		// because Pebble splits them by key, and merging later saves writing.
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 24,
		LBaseMaxBytes:         64 << 20,
		// A table is synced as it is written, so that its last sync doesn't hold up the log's.
		BytesPerSync: 512 << 10,
		CompactionConcurrencyRange: func() (int, int) {
			return 1, max(1, min(4, runtime.GOMAXPROCS(0)/2))
		},
		Logger:        pebbleLog{db},
		EventListener: db.listener(),
	}
	// Ten bits a key let a point read skip all but one percent of the tables that
	// don't hold it. Compression stays Pebble's default: rows share long
	// prefixes and compress well.
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

// backgroundLogEvery bounds the lines about one failure that repeats.
const backgroundLogEvery = 10 * time.Second

// listener hears of failures in the background.
func (db *DB) listener() *pebble.EventListener {
	seldom := rate.Sometimes{Interval: backgroundLogEvery} // it is repeated at once
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			seldom.Do(func() {
				db.log.Error("metadata: background work failed, it is repeated", zap.String("error", err.Error()))
			})
		},
		// Pebble's default ends the process. A damaged block fails the reads
		// that need it, and nothing is written any more that may be derived from it.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			db.guard.fail(fmt.Errorf("damaged file: %s", info.String()))
		},
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil {
				db.space.flushed()
			}
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			db.log.Warn("metadata: commits wait for the disk", zap.String("reason", info.Reason))
		},
	}
}

// pebbleLog is Pebble's way to the operator.
type pebbleLog struct{ db *DB }

// Infof drops the running commentary.
func (pebbleLog) Infof(string, ...any) {}

// Errorf logs.
func (l pebbleLog) Errorf(format string, args ...any) {
	l.db.log.Error("metadata: " + fmt.Sprintf(format, args...))
}

// Fatalf is called where Pebble would end the process. After a failure to
// write, which the guard has noted, that is not needed: nothing more is written.
// Everything else is a broken invariant of Pebble; going on could damage the folder.
func (l pebbleLog) Fatalf(format string, args ...any) {
	message := "metadata: " + fmt.Sprintf(format, args...)
	if l.db.guard.failure() == nil {
		panic(message)
	}
	l.db.log.Error(message)
}
