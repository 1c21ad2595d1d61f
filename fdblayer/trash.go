package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// heartbeatsPage bounds the heartbeats read together.
const heartbeatsPage = 1000

// Trash is a blob (or a completed upload's manifest) whose last user is gone.
type Trash struct {
	Blob *object.Blob
	// Upload is set for a manifest.
	Upload *object.Stamp

	key []byte // of the entry
}

// ListTrash returns up to limit entries of a shard that the horizon has passed: nobody reads, or can begin to
// read, at a version at which they were in use.
func (l *Layer) ListTrash(ctx context.Context, shard int, c Cursor, limit int) (t []Trash, next Cursor, err error) {
	op := operation{name: "fdblayer.ListTrash", background: true}
	if err := checkShard(op, shard, limit); err != nil {
		return nil, c, err
	}
	var horizon kv.Version
	var entries []queueEntry
	_, err = l.read(ctx, op, func(ctx context.Context, t *txn) (err error) {
		// The marks and the entries are of one version, and it bounds the horizon: a session
		// opened later reads nothing older.
		if horizon, err = t.horizon(ctx); err != nil {
			return err
		}
		entries, err = t.readQueue(ctx, keys.Trashes, &l.trash, queuePlace{shard: shard, after: c, limit: limit})
		return err
	})
	if err != nil {
		return nil, c, err
	}
	next = c
	for _, e := range entries {
		if e.stamp.Era == l.era && keys.VersionOf(e.stamp) > horizon {
			break // those behind it are younger still
		}
		x, err := keys.DecodeTrash(e.value)
		if err != nil {
			return nil, c, err
		}
		entry := Trash{Blob: x.Blob, key: e.key}
		if x.Blob == nil {
			upload := x.Upload
			entry.Upload = &upload
		}
		t, next.after = append(t, entry), e.stamp
	}
	return t, next, nil
}

// horizon is the smallest mark of all sessions and of the hold, and not above t's version: nobody reads below it any more.
func (t *txn) horizon(ctx context.Context) (kv.Version, error) {
	r := t.Snapshot() // one version, see ListTrash
	horizon := t.at
	mark := func(v kv.Version, era uint32) {
		if era != t.l.era {
			v = 0 // of another count of versions: nothing is known to have passed
		}
		horizon = min(horizon, v)
	}
	held := r.Get(t.l.keys.Hold())
	rows := t.l.keys.Heartbeats()
	for {
		page, err := r.GetRange(rows, kv.RangeOptions{Limit: heartbeatsPage}).Get(ctx)
		if err != nil {
			return 0, err
		}
		for _, row := range page.Rows {
			h, err := keys.DecodeHeartbeat(row.Value)
			if err != nil {
				return 0, err
			}
			mark(h.OldestRead, h.Era)
			rows.Begin = append(row.Key, 0)
		}
		if !page.More {
			break
		}
	}
	value, err := held.Get(ctx)
	if err != nil || value == nil {
		return horizon, err
	}
	h, err := keys.DecodeHold(value)
	mark(h.OldestRead, h.Era)
	return horizon, err
}

// ClearTrash ends entries that ListTrash returned: for a blob its chunks are already deleted and synced; a manifest's parts are
// released here, into trash. It may be called again after an error.
func (l *Layer) ClearTrash(ctx context.Context, t []Trash) error {
	op := operation{name: "fdblayer.ClearTrash", background: true}
	var blobs [][]byte
	for _, entry := range t {
		if entry.Upload == nil {
			blobs = append(blobs, entry.key)
			continue
		}
		if err := l.releaseUploadParts(ctx, op, *entry.Upload, entry.key); err != nil {
			return err
		}
	}
	if len(blobs) == 0 {
		return nil
	}
	_, err := l.mutate(ctx, op, func(_ context.Context, t *txn) error {
		t.AddReadConflict(l.localGroupRange)
		for _, row := range blobs {
			t.Clear(row)
		}
		return nil
	})
	return err
}
