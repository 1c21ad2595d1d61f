package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/object"
)

// The index's keys: a letter and big-endian numbers, so that chunks sort by id. Its
// shape may change in any release: an index of another shape is built anew.
const (
	keyChunk   = 'c' // session, sequence, stripe, slot -> place, length, checksums
	keyFence   = 'f' // session -> position, place
	keyTomb    = 't' // segment of the put, chunk -> place of the delete
	keySegment = 's' // segment -> segmentState
	keyPending = 'p' // segment that holds puts which compaction has copied -> nothing
	keyMeta    = 'm' // storeID -> the position up to which the index is complete

	indexShape = 1
)

// memTableBytes is what the index keeps unflushed. Pebble must never stall the
// writer by itself, because a stalled write can't be given up: the writer waits for
// checkpoints instead, and these bounds are beyond what fits between two of them.
const (
	memTableBytes      = 8 << 20
	memTablesMax       = 64
	l0FilesMax         = 1000
	indexFilesMax      = 256
	indexRetryInterval = 50 * time.Millisecond
)

// location is where a chunk is.
type location struct {
	place
	length uint32
	sums   []uint32
}

func (l *location) recordBytes() int64 { return recordBytes(l.length, len(l.sums)) }

func (l *location) sameContent(length int, sums []uint32) bool {
	if int(l.length) != length || len(l.sums) != len(sums) {
		return false
	}
	for i, s := range sums {
		if l.sums[i] != s {
			return false
		}
	}
	return true
}

type fence struct {
	place
	position uint64
}

// tombKey finds the delete that must be kept because a segment still holds the put
// that it ends.
type tombKey struct {
	segment uint32
	id      object.ChunkID
}

// position is how far the index is complete.
type position struct {
	place
	batch       uint64
	quarantined int64
}

// segmentState is what the index knows of a segment.
type segmentState struct {
	end         uint32 // of the records
	puts        uint32 // live
	dataBytes   int64  // of the live chunks
	liveBytes   int64  // of the live records of all kinds, as on disk
	punched     int64  // given back to the file system
	quarantined uint32
	// cut is set for a segment with a torn tail: nothing is appended to it.
	cut bool
}

// disk is what the segment takes.
func (s segmentState) disk() int64 { return int64(s.end) - s.punched }

// index is the Pebble database. Reads are safe for concurrent use; writes come
// from the writer alone (from Open while it replays).
type index struct {
	db    *pebble.DB
	store storeID
}

// indexEvents carries what Pebble reports from its own goroutines.
type indexEvents struct {
	log *zap.SugaredLogger
	// failed gets the first failure after which the index can't be written.
	failed func(error)
	broken atomic.Bool
	// starved hears of a flush (or compaction) without space.
	starved func()
	// noteDamage has the next start build the index anew.
	noteDamage func()
}

func (e *indexEvents) Infof(string, ...any) {}

func (e *indexEvents) Errorf(format string, args ...any) { e.log.Errorf("index: "+format, args...) }

// Fatalf must not end the process: the index can be built anew, and reads go on.
// Nothing more is written to it, since Pebble does not know what its manifest holds.
func (e *indexEvents) Fatalf(format string, args ...any) {
	err := fmt.Errorf("index: "+format, args...)
	e.broken.Store(true)
	e.failed(err)
}

// dataCorruption ends writing, as whatever would be derived from a damaged table is damaged, too.
func (e *indexEvents) dataCorruption(info pebble.DataCorruptionInfo) {
	e.noteDamage()
	if !e.broken.Load() { // every read of it is reported again, at length
		e.Fatalf("%s", info)
	}
}

// writeDamaged leaves the file that says so. Without it the damage is met again, no more.
func writeDamaged(o Options) {
	name := o.FS.PathJoin(o.Dir, damagedName)
	f, err := o.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Close(), syncDir(o.FS, o.Dir))
	}
	if err != nil {
		o.Log.Error("the index is damaged; remove it, so that it is built anew", zap.Error(err))
	}
}

func (e *indexEvents) backgroundError(err error) {
	if vfs.IsNoSpaceError(err) {
		e.starved()
	} else {
		if pebble.IsCorruptionError(err) {
			e.noteDamage()
		}
		e.broken.Store(true)
		e.failed(fmt.Errorf("index: %w", err))
	}
	// Pebble tries again at once, for ever.
	time.Sleep(indexRetryInterval)
}

// gateFS lets the index make no new file once it is broken, and keeps Pebble from
// ending the process when a folder can't be synced.
type gateFS struct {
	vfs.FS
	events *indexEvents
}

var errIndexBroken = errors.New("an earlier write of the index failed")

func (g gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if g.events.broken.Load() {
		return nil, errIndexBroken
	}
	return g.FS.Create(name, c)
}

func (g gateFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return gateDir{f, g.events}, nil
}

func (g gateFS) Unwrap() vfs.FS { return g.FS }

type gateDir struct {
	vfs.File
	events *indexEvents
}

// Sync reports a failure to the store instead of to Pebble, which would panic. The store
// is failed from then on, so nothing relies on the sync: no segment is removed.
func (d gateDir) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.events.broken.Store(true)
		d.events.failed(fmt.Errorf("index: syncing the folder: %w", err))
	}
	return nil
}

func openIndex(o Options, store storeID, failed func(error), starved func()) (*index, error) {
	events := &indexEvents{
		log: o.Log.Sugar(), failed: failed, starved: starved,
		noteDamage: sync.OnceFunc(func() { writeDamaged(o) }),
	}
	cache := pebble.NewCache(o.IndexCacheBytes)
	defer cache.Unref()
	po := &pebble.Options{
		FS:                          gateFS{o.FS, events},
		Cache:                       cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      events,
		MaxOpenFiles:                indexFilesMax,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTablesMax,
		L0StopWritesThreshold:       l0FilesMax,
		EventListener: &pebble.EventListener{
			BackgroundError: events.backgroundError, DataCorruption: events.dataCorruption,
		},
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	dir := o.FS.PathJoin(o.Dir, indexName)
	if err := removeLogs(o.FS, dir); err != nil {
		return nil, err
	}
	db, err := pebble.Open(dir, po)
	if err != nil {
		return nil, err
	}
	return &index{db: db, store: store}, nil
}

// removeLogs removes Pebble's write-ahead logs. They are empty, since the index has
// none, but Pebble replays them, and waits in Open for ever for a flush that fails.
func removeLogs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if oserror.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		if err := fs.Remove(fs.PathJoin(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func appendChunkID(b []byte, id object.ChunkID) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(id.Blob.Session))
	b = binary.BigEndian.AppendUint64(b, id.Blob.Sequence)
	b = binary.BigEndian.AppendUint32(b, id.Stripe)
	return binary.BigEndian.AppendUint16(b, id.Slot)
}

const chunkIDBytes = 8 + 8 + 4 + 2

func parseChunkID(b []byte) object.ChunkID {
	be := binary.BigEndian
	return object.ChunkID{
		Blob:   object.BlobID{Session: object.SessionID(be.Uint64(b)), Sequence: be.Uint64(b[8:])},
		Stripe: be.Uint32(b[16:]),
		Slot:   be.Uint16(b[20:]),
	}
}

func chunkKey(id object.ChunkID) []byte {
	return appendChunkID(append(make([]byte, 0, 1+chunkIDBytes), keyChunk), id)
}

func segmentKey(letter byte, segment uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{letter}, segment)
}

func (k tombKey) key() []byte { return appendChunkID(segmentKey(keyTomb, k.segment), k.id) }

func fenceKey(s object.SessionID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyFence}, uint64(s))
}

func (x *index) metaKey() []byte { return append([]byte{keyMeta, indexShape}, x.store[:]...) }

func appendPlace(b []byte, p place) []byte {
	b = binary.BigEndian.AppendUint32(b, p.segment)
	return binary.BigEndian.AppendUint32(b, p.offset)
}

func parsePlace(b []byte) place {
	return place{segment: binary.BigEndian.Uint32(b), offset: binary.BigEndian.Uint32(b[4:])}
}

func (l *location) encode() []byte {
	b := appendPlace(make([]byte, 0, 12+len(l.sums)*sumBytes), l.place)
	b = binary.BigEndian.AppendUint32(b, l.length)
	for _, s := range l.sums {
		b = binary.BigEndian.AppendUint32(b, s)
	}
	return b
}

var errIndexValue = errors.New("a value of the index is malformed")

func parseLocation(b []byte) (*location, error) {
	if len(b) < 12 || len(b)%4 != 0 {
		return nil, errIndexValue
	}
	l := &location{place: parsePlace(b), length: binary.BigEndian.Uint32(b[8:])}
	if blocksOf(int(l.length)) != len(b[12:])/sumBytes {
		return nil, errIndexValue
	}
	l.sums = make([]uint32, 0, len(b[12:])/sumBytes)
	for b = b[12:]; len(b) > 0; b = b[sumBytes:] {
		l.sums = append(l.sums, binary.BigEndian.Uint32(b))
	}
	return l, nil
}

func (f fence) encode() []byte {
	return binary.BigEndian.AppendUint64(appendPlace(nil, f.place), f.position)
}

func (p position) encode() []byte {
	b := binary.BigEndian.AppendUint64(appendPlace(nil, p.place), p.batch)
	return binary.BigEndian.AppendUint64(b, uint64(p.quarantined))
}

const segmentStateBytes = 4 + 4 + 8 + 8 + 8 + 4 + 1

func (s segmentState) encode() []byte {
	be := binary.BigEndian
	b := be.AppendUint32(make([]byte, 0, segmentStateBytes), s.end)
	b = be.AppendUint32(b, s.puts)
	b = be.AppendUint64(b, uint64(s.dataBytes))
	b = be.AppendUint64(b, uint64(s.liveBytes))
	b = be.AppendUint64(b, uint64(s.punched))
	b = be.AppendUint32(b, s.quarantined)
	if s.cut {
		return append(b, 1)
	}
	return append(b, 0)
}

func parseSegmentState(b []byte) (segmentState, error) {
	if len(b) != segmentStateBytes {
		return segmentState{}, errIndexValue
	}
	be := binary.BigEndian
	return segmentState{
		end:         be.Uint32(b),
		puts:        be.Uint32(b[4:]),
		dataBytes:   int64(be.Uint64(b[8:])),
		liveBytes:   int64(be.Uint64(b[16:])),
		punched:     int64(be.Uint64(b[24:])),
		quarantined: be.Uint32(b[32:]),
		cut:         b[36] != 0,
	}, nil
}

// get calls parse with the value of a key, if there is one.
func (x *index) get(key []byte, parse func([]byte) error) error {
	v, closer, err := x.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = parse(v)
	return errors.Join(err, closer.Close())
}

// chunk finds a chunk; nil: there is none.
func (x *index) chunk(id object.ChunkID) (l *location, err error) {
	err = x.get(chunkKey(id), func(v []byte) error {
		l, err = parseLocation(v)
		return err
	})
	return l, err
}

func (x *index) fence(s object.SessionID) (f fence, err error) {
	err = x.get(fenceKey(s), func(v []byte) error {
		if len(v) != 16 {
			return errIndexValue
		}
		f = fence{place: parsePlace(v), position: binary.BigEndian.Uint64(v[8:])}
		return nil
	})
	return f, err
}

// tomb finds the delete of a put; the zero place: there is none.
func (x *index) tomb(k tombKey) (p place, err error) {
	err = x.get(k.key(), func(v []byte) error {
		if len(v) != 8 {
			return errIndexValue
		}
		p = parsePlace(v)
		return nil
	})
	return p, err
}

func (x *index) position() (p position, found bool, err error) {
	err = x.get(x.metaKey(), func(v []byte) error {
		if len(v) != 24 {
			return errIndexValue
		}
		be := binary.BigEndian
		p = position{place: parsePlace(v), batch: be.Uint64(v[8:]), quarantined: int64(be.Uint64(v[16:]))}
		found = true
		return nil
	})
	return p, found, err
}

// each calls visit for the keys in [from, to) until it returns false.
func (x *index) each(from, to []byte, visit func(key, value []byte) (bool, error)) error {
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, verr := it.ValueAndErr()
		if verr != nil {
			return errors.Join(verr, it.Close())
		}
		more, verr := visit(it.Key(), v)
		if verr != nil {
			return errors.Join(verr, it.Close())
		}
		if !more {
			break
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// tombsOf lists the deletes that are kept for a segment.
func (x *index) tombsOf(segment uint32) (map[tombKey]place, error) {
	tombs := map[tombKey]place{}
	err := x.each(segmentKey(keyTomb, segment), tombsEnd(segment), func(k, v []byte) (bool, error) {
		if len(k) != 5+chunkIDBytes || len(v) != 8 {
			return false, errIndexValue
		}
		tombs[tombKey{segment: segment, id: parseChunkID(k[5:])}] = parsePlace(v)
		return true, nil
	})
	return tombs, err
}

func tombsEnd(segment uint32) []byte {
	if segment == math.MaxUint32 {
		return []byte{keyTomb + 1}
	}
	return segmentKey(keyTomb, segment+1)
}

// segments reads the states of all segments and which of them are pending.
func (x *index) segments() (map[uint32]segmentState, map[uint32]bool, error) {
	states, pending := map[uint32]segmentState{}, map[uint32]bool{}
	err := x.each([]byte{keySegment}, []byte{keySegment + 1}, func(k, v []byte) (bool, error) {
		if len(k) != 5 {
			return false, errIndexValue
		}
		state, err := parseSegmentState(v)
		states[binary.BigEndian.Uint32(k[1:])] = state
		return true, err
	})
	if err != nil {
		return nil, nil, err
	}
	err = x.each([]byte{keyPending}, []byte{keyPending + 1}, func(k, _ []byte) (bool, error) {
		if len(k) != 5 {
			return false, errIndexValue
		}
		pending[binary.BigEndian.Uint32(k[1:])] = true
		return true, nil
	})
	return states, pending, err
}
