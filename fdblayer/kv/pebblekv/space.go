package pebblekv

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// space decides whether the disk can take a commit: while there is room for
// what Pebble must still write of earlier ones, and flushing works. All of
// this is over when the cause is.
type space struct {
	fs      vfs.FS
	dir     string
	reserve int64
	log     *zap.Logger

	mu       sync.Mutex
	lookedAt time.Time
	low      error // the reserve is used up
	table    error // the last failure to write a table, and when it was
	tableAt  time.Time
}

// tableFailureFor is how long commits are refused after a failure to write a table. Pebble repeats
// a flush that fails every retryPause, which renews it.
const tableFailureFor = 10 * retryPause

// spaceLookEvery is how old a look at the free space may be. At a gigabyte a second a
// tenth of that goes by unseen, less than the default reserve.
const spaceLookEvery = 50 * time.Millisecond

func newSpace(o Options, log *zap.Logger) *space {
	return &space{fs: o.FS, dir: o.Dir, reserve: o.ReserveBytes, log: log}
}

// check returns the error for a commit that can't be taken now.
func (s *space) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.lookedAt) > spaceLookEvery {
		s.lookedAt = now
		s.lookLocked()
	}
	if s.low == nil && now.Sub(s.tableAt) < tableFailureFor {
		return s.table
	}
	return s.low
}

func (s *space) lookLocked() {
	if s.reserve < 0 {
		return
	}
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return // not every file system can say; a failed write still can
	}
	wasLow := s.low != nil
	s.low = nil
	if int64(usage.AvailBytes) < s.reserve {
		s.low = &kv.Error{
			Op: "pebblekv.Commit", Kind: kv.Busy,
			Err: fmt.Errorf("%w: %d bytes free, %d kept in reserve", kv.ErrFull, usage.AvailBytes, s.reserve),
		}
	}
	if isLow := s.low != nil; isLow != wasLow {
		s.log.Warn("metadata: free space", zap.Bool("enough", !isLow), zap.Uint64("bytes", usage.AvailBytes), zap.Int64("reserve", s.reserve))
	}
}

// tableFailed notes that memory could not be written to disk.
func (s *space) tableFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = &kv.Error{Op: "pebblekv.Commit", Kind: kv.Busy, Err: fmt.Errorf("write a table: %w", withFull(err))}
	s.tableAt = time.Now()
}

// flushed notes that it could.
func (s *space) flushed() {
	s.mu.Lock()
	s.table = nil
	s.mu.Unlock()
}

// withFull adds kv.ErrFull to an error of a full disk.
func withFull(err error) error {
	if vfs.IsNoSpaceError(err) {
		return errors.Join(kv.ErrFull, err)
	}
	return err
}
