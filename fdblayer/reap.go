package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	// reapKeysPerCommit bounds the keys that one transaction of the reaper looks at, reapRowsPerKey the rows of
	// one key. Together they keep it well below a megabyte of reads for usual rows; few keys are overwritten
	// more often than that between two rounds, and those are worked on alone.
	reapKeysPerCommit = 32
	reapRowsPerKey    = 16
	// reapRowsPerCommit bounds the rows that one transaction clears of a single key.
	reapRowsPerCommit = 100
)

// Reap looks at up to limit events of a shard from the cursor on, clears the rows that visibility hides and releases their
// blobs. It returns how many events it ended and where to go on. Events younger than 5 s are left for later. It may
// run many times, also at once in several processes.
func (l *Layer) Reap(ctx context.Context, shard int, c Cursor, limit int) (ended int, next Cursor, err error) {
	op := operation{name: "fdblayer.Reap", background: true}
	if err := checkShard(op, shard, limit); err != nil {
		return 0, c, err
	}
	aged := l.aged()
	var entries []queueEntry
	_, err = l.read(ctx, op, func(ctx context.Context, t *txn) (err error) {
		entries, err = t.readQueue(ctx, keys.Events, &l.reaper, queuePlace{shard: shard, after: c, limit: limit})
		return err
	})
	if err != nil {
		return 0, c, err
	}
	for i, e := range entries {
		if e.stamp.Era == l.era && keys.VersionOf(e.stamp) > aged {
			entries = entries[:i] // those behind it are younger still
			break
		}
	}
	if len(entries) == 0 {
		return 0, c, nil
	}
	work, err := sortEvents(entries)
	if err != nil {
		return 0, c, err
	}
	if err := l.reapAll(ctx, op, work); err != nil {
		return 0, c, err
	}
	return len(entries), Cursor{after: entries[len(entries)-1].stamp}, nil
}

// reapWork is what a batch of events asks for.
type reapWork struct {
	keys    []keyEvents
	uploads []uploadEvent
	buckets []bucketEvent
}

// keyEvents are the events of one key.
type keyEvents struct {
	bucket object.BucketID
	key    object.Key
	// upTo is the newest of them: the newest null row up to there hides all older ones.
	upTo object.Stamp
	rows [][]byte // of the events
}

// uploadEvent is that of an upload that was completed.
type uploadEvent struct {
	upload object.Stamp
	parts  []int // numbers of those to release
	row    []byte
}

// bucketEvent is that of a bucket that was deleted.
type bucketEvent struct {
	bucket object.BucketID
	row    []byte
}

// sortEvents puts the events of each key together: the newest does the work of all.
func sortEvents(entries []queueEntry) (w reapWork, err error) {
	type name struct {
		bucket object.BucketID
		key    object.Key
	}
	at := make(map[name]int, len(entries))
	for _, entry := range entries {
		e, err := keys.DecodeEvent(entry.value)
		if err != nil {
			return w, err
		}
		switch {
		case !e.Upload.IsZero():
			w.uploads = append(w.uploads, uploadEvent{upload: e.Upload, parts: e.Parts, row: entry.key})
			continue
		case e.Key == "":
			w.buckets = append(w.buckets, bucketEvent{bucket: e.Bucket, row: entry.key})
			continue
		}
		i, ok := at[name{e.Bucket, e.Key}]
		if !ok {
			i = len(w.keys)
			at[name{e.Bucket, e.Key}] = i
			w.keys = append(w.keys, keyEvents{bucket: e.Bucket, key: e.Key})
		}
		k := &w.keys[i]
		k.upTo, k.rows = entry.stamp, append(k.rows, entry.key)
	}
	return w, nil
}

func (l *Layer) reapAll(ctx context.Context, op operation, w reapWork) error {
	for begin := 0; begin < len(w.keys); begin += reapKeysPerCommit {
		batch := w.keys[begin:min(begin+reapKeysPerCommit, len(w.keys))]
		if err := l.reapKeys(ctx, op, batch); err != nil {
			return err
		}
	}
	for _, e := range w.uploads {
		if err := l.reapUpload(ctx, op, e); err != nil {
			return err
		}
	}
	for _, e := range w.buckets {
		if err := l.reapBucket(ctx, op, e); err != nil {
			return err
		}
	}
	return nil
}

// reapKeys ends the events of some keys in one transaction; a key with many rows is left and worked on alone.
func (l *Layer) reapKeys(ctx context.Context, op operation, batch []keyEvents) error {
	var long []keyEvents
	_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		long = long[:0]
		var released []use
		pages := make([]kv.Future[kv.Page], len(batch))
		for i, k := range batch {
			pages[i] = t.hiddenRows(k, k.upTo, reapRowsPerKey)
		}
		for i, k := range batch {
			page, err := pages[i].Get(ctx)
			if err != nil {
				return err
			}
			if page.More {
				long = append(long, k)
				continue
			}
			h := hiding{}
			if err := t.reapPage(k, page, &h); err != nil {
				return err
			}
			released = append(released, h.released...)
			t.endEvents(k)
		}
		if len(long) == len(batch) {
			return errNothing
		}
		return t.releaseAll(ctx, released...)
	})
	for i := 0; err == nil && i < len(long); i++ {
		err = l.reapLong(ctx, op, long[i])
	}
	return err
}

// reapLong ends the events of one key in as many transactions as that takes. What is hidden stays so, and
// nothing is added below the events, so each goes on where the one before ended.
func (l *Layer) reapLong(ctx context.Context, op operation, k keyEvents) error {
	before := hiding{down: k.upTo}
	for more := true; more; {
		var after hiding
		_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
			after = hiding{seen: before.seen, purge: before.purge}
			page, err := t.hiddenRows(k, before.down, reapRowsPerCommit).Get(ctx)
			if err != nil {
				return err
			}
			if err := t.reapPage(k, page, &after); err != nil {
				return err
			}
			if more = page.More; !more {
				t.endEvents(k)
			}
			return t.releaseAll(ctx, after.released...)
		})
		if err != nil {
			return err
		}
		before = after
	}
	return nil
}

// hiddenRows reads the rows of a key below a stamp, newest first. A snapshot: rows are only ever added above, and each that is
// cleared is conflicted on by itself.
func (t *txn) hiddenRows(k keyEvents, below object.Stamp, limit int) kv.Future[kv.Page] {
	return t.Snapshot().GetRange(t.l.keys.VersionsBefore(k.bucket, k.key, below),
		kv.RangeOptions{Limit: limit, Reverse: true})
}

// hiding is what is known of a key's rows down to some place.
type hiding struct {
	seen visibility
	// purge is the newest null row, if that is a purge: it goes when all behind it are gone.
	purge *object.Version
	// down is the last row seen.
	down object.Stamp
	// released are the uses of the rows that this transaction clears.
	released []use
}

// reapPage clears the hidden rows of a page and, at the end of the rows, a purge that then hides nothing.
func (t *txn) reapPage(k keyEvents, page kv.Page, h *hiding) error {
	for _, row := range page.Rows {
		v, err := t.l.decodeVersion(k.key, row)
		if err != nil {
			return err
		}
		h.down = v.Stamp
		hidden := h.seen.nullPassed && v.Kind.IsNull()
		if h.seen.counts(v.Kind); !hidden && v.Kind == object.Purge {
			h.purge = &v
		}
		if hidden {
			t.reapRow(k.bucket, &v, h)
		}
	}
	if !page.More && h.purge != nil {
		t.reapRow(k.bucket, h.purge, h)
	}
	return nil
}

// reapRow clears a row. It conflicts with whoever clears it too: a blob is released once.
func (t *txn) reapRow(b object.BucketID, v *object.Version, h *hiding) {
	t.AddReadConflict(keys.Only(t.l.keys.Version(b, v.Key, v.Stamp)))
	h.released = append(h.released, t.clearVersion(b, v))
}

func (t *txn) endEvents(k keyEvents) {
	for _, row := range k.rows {
		t.Clear(row)
	}
}

// reapBucket clears what is left of a bucket that was deleted: uploads, rows that were hidden, and its counters. Its id is
// never used again.
func (l *Layer) reapBucket(ctx context.Context, op operation, e bucketEvent) error {
	if err := l.reapBucketUploads(ctx, op, e.bucket); err != nil {
		return err
	}
	for more := true; more; {
		_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
			// Serializable: the reaper of a key's own event changes the counters too.
			page, err := t.GetRange(l.keys.BucketVersions(e.bucket), kv.RangeOptions{Limit: reapRowsPerCommit}).Get(ctx)
			if err != nil {
				return err
			}
			released := make([]use, 0, len(page.Rows))
			for _, row := range page.Rows {
				_, key, stamp, err := l.keys.ParseVersion(row.Key)
				if err != nil {
					return err
				}
				v, err := keys.DecodeVersion(key, stamp, row.Value)
				if err != nil {
					return err
				}
				released = append(released, t.clearVersion(e.bucket, &v))
			}
			if err := t.releaseAll(ctx, released...); err != nil {
				return err
			}
			if more = page.More; more {
				return nil
			}
			for slice := range keys.CounterSlices {
				t.ClearRange(l.keys.Counters(slice, e.bucket))
			}
			t.Clear(e.row)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reapBucketUploads ends the uploads of a bucket that was deleted, as AbortUpload does. The parts of completed
// ones are their objects' content and go with those.
func (l *Layer) reapBucketUploads(ctx context.Context, op operation, b object.BucketID) error {
	for more := true; more; {
		_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
			// Serializable: of two reapers one trashes an upload.
			page, err := t.GetRange(l.keys.Uploads(b, ""), kv.RangeOptions{Limit: reapRowsPerCommit}).Get(ctx)
			if err != nil {
				return err
			}
			if more = page.More; len(page.Rows) == 0 {
				return errNothing
			}
			for _, row := range page.Rows {
				u, err := l.decodeUpload(row)
				if err != nil {
					return err
				}
				t.Clear(row.Key)
				if u.Completed == nil {
					t.trash(keys.ShardOfUpload(u.ID), keys.Trash{Upload: u.ID})
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
