package fdblayer

import (
	"bytes"
	"context"
	"math"
	"sync"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// Shards is the number of queue shards.
const Shards = keys.Shards

// Cursor is where a consumer of a queue goes on; the zero value is the start.
type Cursor struct {
	after object.Stamp
}

// queueStarts remember, for each shard of a queue, where its oldest entry is. Stamps ascend, so what was
// seen to be empty stays so. Without them every round would read over all that was ever cleared: an
// engine keeps cleared rows for a while.
type queueStarts struct {
	mu     sync.Mutex // guards starts
	starts [Shards][]byte
}

// from is the range to read behind a cursor.
func (q *queueStarts) from(shard int, r kv.Range, c Cursor) (from kv.Range, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	start := q.starts[shard]
	if !c.after.IsZero() && bytes.Compare(r.Begin, start) > 0 {
		return r, false // entries before the cursor may be left
	}
	return keys.From(r, start), true
}

// saw notes the first entry seen at or behind the start.
func (q *queueStarts) saw(shard int, first []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if bytes.Compare(first, q.starts[shard]) > 0 {
		q.starts[shard] = bytes.Clone(first)
	}
}

// queueEntry is one entry of a queue.
type queueEntry struct {
	key   []byte
	value []byte
	stamp object.Stamp
}

// readQueue reads the oldest entries behind a cursor, at t's version.
func (t *txn) readQueue(ctx context.Context, q keys.Queue, starts *queueStarts, at queuePlace) ([]queueEntry, error) {
	l := t.l
	r, whole := starts.from(at.shard, l.keys.QueueEntries(at.shard, q, at.after.after), at.after)
	// A snapshot: nothing is decided here, what an entry asks for is looked at again in its own transaction.
	page, err := t.Snapshot().GetRange(r, kv.RangeOptions{Limit: at.limit}).Get(ctx)
	if err != nil {
		return nil, err
	}
	if whole {
		first := l.keys.QueueEntry(at.shard, q, lastStamp(l.era, t.at))
		if len(page.Rows) > 0 {
			first = page.Rows[0].Key
		}
		starts.saw(at.shard, first)
	}
	entries := make([]queueEntry, len(page.Rows))
	for i, row := range page.Rows {
		_, _, stamp, err := l.keys.ParseQueueEntry(row.Key)
		if err != nil {
			return nil, err
		}
		entries[i] = queueEntry{key: row.Key, value: row.Value, stamp: stamp}
	}
	return entries, nil
}

// queuePlace is where in a queue to read how much.
type queuePlace struct {
	shard int
	after Cursor
	limit int
}

// lastStamp is above every stamp up to a version, and below those of later ones.
func lastStamp(era uint32, v kv.Version) object.Stamp {
	s := object.Stamp{Era: era, Row: math.MaxUint16}
	for i := range 8 {
		s.Commit[i] = byte(uint64(v) >> (56 - 8*i))
	}
	s.Commit[8], s.Commit[9] = math.MaxUint8, math.MaxUint8
	return s
}

// checkShard refuses a shard that there is not.
func checkShard(op operation, shard, limit int) error {
	if shard < 0 || shard >= Shards || limit <= 0 {
		return &object.Error{Op: op.name, Kind: object.InvalidArgument}
	}
	return nil
}
