package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// What a folder holds.
const (
	segmentsName = "segments"
	indexName    = "index"
	damagedName  = "index.damaged" // the index must be built anew
	asideName    = "quarantine"
	lockName     = "LOCK"

	dirMode = 0o755
)

// Store is one folder of chunks. It is safe for concurrent use.
type Store struct {
	options     Options
	fs          vfs.FS
	log         *zap.Logger
	segmentsDir string
	lock        io.Closer
	node        object.NodeID
	storeID     storeID
	index       *index
	files       *files
	metrics     metrics

	// mu guards table and position against readers; only the writer (Open, while it
	// replays) changes them.
	mu       sync.Mutex
	table    *table
	position position

	// The writer's own, and Open's before it.
	batch       uint64 // the last number given out
	nextSegment uint32
	active      *active
	previous    uint32 // of the next segment's header
	proven      uint32
	buffer      []byte
	// remains is set while a failed write's records may stand behind the end.
	remains    bool
	rebuilding bool
	suspects   []record // replayed puts with bad data

	queue      queue
	room       *semaphore.Weighted // of Options.QueueBytes
	checkpoint checkpoint
	holes      holes
	reading    gate
	limiter    *rate.Limiter // of compaction

	failure      atomic.Pointer[error]
	failedSignal chan struct{} // closed with failure set
	full         atomic.Bool
	// punches counts holes before they are made, so that a reader sees that what
	// it read may have been zeros.
	punches atomic.Uint64

	stop     context.Context
	cancel   context.CancelFunc
	writing  sync.WaitGroup
	tidying  sync.WaitGroup
	closing  sync.Once
	closeErr error
}

func newTable() *table {
	return &table{segments: map[uint32]segmentState{}, pending: map[uint32]bool{}}
}

// Open opens the folder, makes it if it is absent, and replays what the index does
// not know yet: up to ReplayMaxBytes, or the heads of all records if the index
// is missing or damaged. Errors: ErrLocked (kind Unavailable), ErrForeign
// (InvalidArgument), NewerFormat, and Unavailable for what the file system
// answers.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, &object.Error{Op: "segment.Open", Kind: object.InvalidArgument, Err: err}
	}
	s, err := openOnce(o)
	if err != nil {
		if _, statErr := o.FS.Stat(o.FS.PathJoin(o.Dir, damagedName)); statErr == nil {
			return openOnce(o) // the damage was met on the way; now the index is built anew
		}
	}
	return s, err
}

func openOnce(o Options) (*Store, error) {
	s := &Store{
		options:     o,
		fs:          o.FS,
		log:         o.Log,
		segmentsDir: o.FS.PathJoin(o.Dir, segmentsName),
		table:       newTable(),
		room:        semaphore.NewWeighted(o.QueueBytes),
	}
	s.files = newFiles(o.FS, s.segmentPath)
	s.limiter = rate.NewLimiter(rate.Inf, copyMaxBytes+recordMax)
	if o.CompactionBytesPerSecond > 0 {
		s.limiter.SetLimit(rate.Limit(o.CompactionBytesPerSecond))
	}
	s.queue.wake = make(chan struct{}, 1)
	s.holes.wake = make(chan struct{}, 1)
	s.failedSignal = make(chan struct{})
	s.checkpoint.init()
	s.stop, s.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.cancel()
		return nil, openError(errors.Join(err, s.release()))
	}
	s.writing.Go(s.write)
	s.tidying.Go(s.tidy)
	return s, nil
}

func openError(err error) error {
	var typed *object.Error
	switch {
	case errors.As(err, &typed):
		return err
	case errors.Is(err, ErrForeign):
		return &object.Error{Op: "segment.Open", Kind: object.InvalidArgument, Err: err}
	case errors.Is(err, errDamagedIdentity):
		return &object.Error{Op: "segment.Open", Kind: object.Corrupt, Err: err}
	default:
		return &object.Error{Op: "segment.Open", Kind: object.Unavailable, Err: err}
	}
}

func (s *Store) open() error {
	fs, dir := s.fs, s.options.Dir
	if err := makeDir(fs, dir); err != nil {
		return err
	}
	var err error
	if s.lock, err = fs.Lock(fs.PathJoin(dir, lockName)); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLocked, dir, err)
	}
	id, store, err := openIdentity(s.options)
	if err != nil {
		return err
	}
	s.node, s.storeID = id.Node, store
	if err := fs.MkdirAll(s.segmentsDir, dirMode); err != nil {
		return err
	}
	if err := syncDir(fs, dir); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	if err := s.flushIndex(); errors.Is(err, errFull) {
		// Reading goes on. What was replayed will be again, so it counts as not flushed.
		s.advance(int64(s.metrics.replayedBytes.Load()))
	} else if err != nil {
		return err
	}
	if err := s.failed(); err != nil {
		return err
	}
	return s.resumeActive()
}

// resumeActive goes on with the last segment if its end is clean.
func (s *Store) resumeActive() error {
	last := s.position.segment
	state, ok := s.table.segments[last]
	if !ok || state.cut || last != s.nextSegment-1 || int64(state.end) >= s.options.SegmentBytes {
		return nil
	}
	f, err := s.fs.OpenReadWrite(s.segmentPath(last), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	s.active = &active{File: f, number: last, end: state.end}
	return nil
}

func (s *Store) segmentPath(n uint32) string {
	return s.fs.PathJoin(s.segmentsDir, segmentName(n))
}

// Close finishes what is queued, flushes the index, so that the next Open reads
// nothing, and frees the folder. Calls that come later end with Unavailable. It
// may be called more than once.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.cancel()
		s.tidying.Wait()
		s.queue.close()
		s.writing.Wait()
		s.reading.close()
		err := s.flushIndex()
		if errors.Is(err, errFull) {
			s.fail(err) // lets go of the flush; the next start replays
		}
		err = errors.Join(err, s.release())
		if err == nil {
			err = s.failed()
		}
		if err != nil {
			s.closeErr = &object.Error{Op: "segment.Close", Kind: object.Unavailable, Err: err}
		}
	})
	return s.closeErr
}

// release frees what Open took.
func (s *Store) release() error {
	var err error
	if s.active != nil {
		err = s.active.Close()
		s.active = nil
	}
	err = errors.Join(err, s.files.close())
	if s.index != nil {
		_ = s.checkpoint.wait() // for the flushers, which may have nothing to wait for
		s.checkpoint.flushers.Wait()
		err = errors.Join(err, s.closeIndex())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

// fail marks the disk failed: nothing is written any more, reads go on.
func (s *Store) fail(err error) {
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("the disk failed: only reading goes on", zap.Error(err))
		close(s.failedSignal)
		s.checkpoint.fail()
	}
}

// failed returns why the disk is failed, or nil.
func (s *Store) failed() error {
	if err := s.failure.Load(); err != nil {
		return fmt.Errorf("the disk failed earlier: %w", *err)
	}
	return nil
}

// Node is the id of the folder's node.
func (s *Store) Node() object.NodeID { return s.node }

// Stat is the store's state. It asks the file system for its free space, and
// nothing else of the disk.
func (s *Store) Stat(ctx context.Context) (chunkwire.Stat, error) {
	if err := ctx.Err(); err != nil {
		return chunkwire.Stat{}, err
	}
	st := chunkwire.Stat{Node: s.node, Failed: s.failed() != nil, Full: s.full.Load()}
	usage, err := s.fs.GetDiskUsage(s.options.Dir)
	switch {
	case err == nil:
		st.FreeBytes, st.TotalBytes = int64(usage.AvailBytes), int64(usage.TotalBytes)
		st.Full = st.Full || st.FreeBytes < s.options.MinFreeBytes
	case !errors.Is(err, vfs.ErrUnsupported):
		return st, &object.Error{Op: "segment.Stat", Kind: object.Unavailable, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Chunks, st.LiveBytes, st.DiskBytes = s.table.chunks, s.table.dataBytes, s.table.diskBytes
	st.Quarantined = s.position.quarantined
	return st, nil
}
