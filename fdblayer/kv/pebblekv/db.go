package pebblekv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// DB is an open folder. It is safe for concurrent use.
type DB struct {
	options  Options
	log      *zap.Logger
	rows     *pebble.DB
	lock     *pebble.Lock
	cache    *pebble.Cache
	guard    *guard
	space    *space
	versions *versions
	queue    *queue
	counters counters
	// metadata is the newest metadata version; only the committer uses it after Open.
	metadata kv.Versionstamp
	history  history

	// reading is held for reading by every read, and taken by Close.
	reading   sync.RWMutex
	isClosed  atomic.Bool
	closeOnce sync.Once
	closeErr  error
	committed sync.WaitGroup
}

// Keys of the engine itself. Transactions can't reach 0xff and above.
var (
	metadataVersionKey = []byte("\xff/metadataVersion") // FoundationDB's name
	ceilingKey         = []byte("\xff/pebblekv/ceiling")
	formatKey          = []byte("\xff/pebblekv/format")
	legalEnd           = []byte{0xff}
)

const (
	formatVersion = 1
	// ceilingStep is how far ahead of the assigned versions the ceiling is
	// raised; it is renewed when half of it is used up.
	ceilingStep = 1 << 20
	versionMax  = kv.Version(math.MaxInt64 - 2*ceilingStep)
)

// Open opens the folder, and creates it if it is absent. What was committed before a crash is there;
// the log is read back, nothing else. The cause of an error may be ErrLocked or ErrNewerFormat. While the
// disk is too full to write out what the log holds, Open waits for space, and says so in the log.
func Open(o Options) (*DB, error) {
	o = o.withDefaults()
	db := &DB{options: o, log: o.Log}
	if err := db.open(); err != nil {
		db.releaseFolder()
		return nil, fmt.Errorf("open metadata folder %q: %w", o.Dir, err)
	}
	db.queue = newQueue()
	db.committed.Add(1)
	go func() {
		defer db.committed.Done()
		db.commitLoop()
	}()
	return db, nil
}

func (db *DB) open() error {
	if err := makeDir(db.options.FS, db.options.Dir); err != nil {
		return err
	}
	db.options = db.options.sized()
	lock, err := pebble.LockDirectory(db.options.Dir, db.options.FS)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return errors.Join(ErrLocked, err)
	}
	db.lock = lock
	db.space = newSpace(db.options, db.log)
	db.guard = newGuard(db.options.FS, func(err error) {
		db.log.Error("metadata can't be written any more; reading goes on, restart when the cause is gone", zap.String("error", err.Error()))
	}, db.space.tableFailed)
	db.cache = pebble.NewCache(db.options.CacheBytes)
	rows, err := pebble.Open(db.options.Dir, db.pebbleOptions())
	if err != nil {
		return err
	}
	db.rows = rows
	if err := db.recover(); err != nil {
		return err
	}
	return db.guard.failure()
}

// makeDir makes a folder and those above it, and makes their names durable: whatever is in
// the folder is lost with any of them. All are synced, because one that is there may
// have been made a moment ago, by a process that died. (Pebble syncs the one above alone.)
func makeDir(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for parent := fsys.PathDir(dir); ; parent = fsys.PathDir(parent) {
		f, err := fsys.OpenDir(parent)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		// A folder that may not be read was not made by us.
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if fsys.PathDir(parent) == parent {
			return nil
		}
	}
}

// recover checks the format, and begins with versions above all that were ever assigned.
func (db *DB) recover() error {
	format, err := db.readNumber(formatKey)
	if err != nil {
		return err
	}
	if format > formatVersion {
		return fmt.Errorf("%w: format %d, this release knows %d", ErrNewerFormat, format, formatVersion)
	}
	ceiling, err := db.readNumber(ceilingKey)
	if err != nil {
		return err
	}
	if ceiling > uint64(versionMax) {
		return fmt.Errorf("version ceiling %d is beyond all use", ceiling)
	}
	metadata, err := db.getRow(metadataVersionKey)
	if err != nil {
		return err
	}
	copy(db.metadata[:], metadata)

	first := kv.Version(ceiling) + 1
	batch := db.rows.NewBatch()
	defer func() { _ = batch.Close() }() // it was committed, or there is an error already
	writeNumber(batch, formatKey, formatVersion)
	writeNumber(batch, ceilingKey, uint64(first+ceilingStep))
	if err := batch.Commit(pebble.Sync); err != nil {
		return err
	}
	db.versions = &versions{
		clock: db.options.Clock, open: db.rows.NewSnapshot, alive: map[*snapshot]struct{}{},
		assigned: first, ceiling: first + ceilingStep,
	}
	db.versions.publish(first, db.metadata)
	db.history.floor = first
	return nil
}

// readNumber reads one of the engine's own rows; absent is 0.
func (db *DB) readNumber(key []byte) (uint64, error) {
	value, err := db.getRow(key)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("row %q has %d bytes, want 8", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func writeNumber(batch *pebble.Batch, key []byte, n uint64) {
	// Setting in a batch that is not indexed only appends to memory.
	_ = batch.Set(key, binary.BigEndian.AppendUint64(nil, n), nil)
}

// getRow reads a copy of the newest value; nil is absent.
func (db *DB) getRow(key []byte) ([]byte, error) { return getCopy(db.rows, key) }

func getCopy(r pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value = append(make([]byte, 0, len(value)), value...)
	return value, closer.Close()
}

// Begin starts a transaction. It does no I/O.
func (db *DB) Begin(o kv.TxOptions) kv.Tx {
	return &transaction{db: db, options: o}
}

// Close commits what is queued, refuses the rest, and frees the folder. Transactions
// under way fail.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.guard.close()
		db.queue.close()
		db.committed.Wait()
		db.reading.Lock()
		db.isClosed.Store(true)
		db.reading.Unlock()
		db.versions.close()
		db.closeErr = db.releaseFolder()
	})
	return db.closeErr
}

// releaseFolder closes whatever is open.
func (db *DB) releaseFolder() error {
	var errs []error
	if db.rows != nil {
		errs = append(errs, db.rows.Close())
	}
	if db.cache != nil {
		db.cache.Unref()
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

func errClosed(op string) error {
	return &kv.Error{Op: "pebblekv." + op, Kind: kv.Fatal, Err: pebble.ErrClosed}
}

func fatal(op string, code int) error {
	return &kv.Error{Op: "pebblekv." + op, Kind: kv.Fatal, Code: code}
}

var _ kv.Database = (*DB)(nil)
