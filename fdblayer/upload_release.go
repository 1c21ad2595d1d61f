package fdblayer

import (
	"context"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	// releasePartsPerCommit bounds the parts that one transaction releases: each is some 400 bytes of writes and
	// conflicts.
	releasePartsPerCommit = 200
	// tombstoneAge is how long a completed upload can be completed again, with the same result.
	tombstoneAge = 24 * time.Hour
)

// releaseUploadParts clears all parts of an upload that nobody can read any more, releases their blobs into the
// trash, and clears the row end with the last. It takes as many transactions as that needs; begun again after an error it
// goes on where it was.
func (l *Layer) releaseUploadParts(ctx context.Context, op operation, upload object.Stamp, end []byte) error {
	for more := true; more; {
		_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
			// Serializable: whoever clears them at the same time conflicts, and each is released once.
			page, err := t.GetRange(l.keys.Parts(upload, 1, object.PartsMax), kv.RangeOptions{Limit: releasePartsPerCommit}).Get(ctx)
			if err != nil {
				return err
			}
			if more = page.More; !more {
				t.Clear(end)
			}
			return t.clearParts(ctx, page.Rows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clearParts clears part rows, which were read serializably, and releases their content.
func (t *txn) clearParts(ctx context.Context, rows []kv.KeyValue) error {
	uses := make([]use, 0, len(rows))
	for _, row := range rows {
		_, number, err := t.l.keys.ParsePart(row.Key)
		if err != nil {
			return err
		}
		p, err := keys.DecodePart(number, row.Value)
		if err != nil {
			return err
		}
		t.Clear(row.Key)
		uses = append(uses, use{Content: p.Content, ref: p.Ref})
	}
	return t.releaseAll(ctx, uses...)
}

// reapUpload ends the event of a completed upload: its parts that the manifest does not list are released. Where
// all parts are gone already, with the last version that used them, there is nothing left to do.
func (l *Layer) reapUpload(ctx context.Context, op operation, e uploadEvent) error {
	for numbers := e.parts; ; {
		batch := numbers[:min(len(numbers), releasePartsPerCommit)]
		numbers = numbers[len(batch):]
		_, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
			rows := make([]kv.KeyValue, 0, len(batch))
			found := make([]kv.Future[[]byte], len(batch))
			for i, n := range batch {
				found[i] = t.Get(l.keys.Part(e.upload, n)) // serializable, as in releaseUploadParts
			}
			for i, n := range batch {
				value, err := found[i].Get(ctx)
				if err != nil {
					return err
				}
				if value != nil {
					rows = append(rows, kv.KeyValue{Key: l.keys.Part(e.upload, n), Value: value})
				}
			}
			if len(numbers) == 0 {
				t.Clear(e.row)
			}
			return t.clearParts(ctx, rows)
		})
		if err != nil || len(numbers) == 0 {
			return err
		}
	}
}

// ReapUploads looks at up to limit entries of a shard of the queue of completed uploads, from the cursor on, and clears
// those whose upload was completed more than a day ago, with the upload's tombstone. It returns how many it ended and where
// to go on. It may run many times, also at once in several processes.
func (l *Layer) ReapUploads(ctx context.Context, shard int, c Cursor, limit int) (ended int, next Cursor, err error) {
	op := operation{name: "fdblayer.ReapUploads", background: true}
	if err := checkShard(op, shard, limit); err != nil {
		return 0, c, err
	}
	var entries []queueEntry
	_, err = l.read(ctx, op, func(ctx context.Context, t *txn) (err error) {
		entries, err = t.readQueue(ctx, keys.Tombstones, &l.tombstones, queuePlace{shard: shard, after: c, limit: limit})
		return err
	})
	if err != nil {
		return 0, c, err
	}
	before := l.o.Now().Add(-tombstoneAge)
	var rows [][]byte
	next = c
	for _, e := range entries {
		t, err := keys.DecodeTombstone(e.value)
		if err != nil {
			return 0, c, err
		}
		if t.Completed.After(before) {
			break // those behind it were completed later, but for what wall clocks differ
		}
		rows = append(rows, l.keys.Upload(t.Bucket, t.Key, t.Upload), e.key)
		ended, next.after = ended+1, e.stamp
	}
	if ended == 0 {
		return 0, c, nil
	}
	_, err = l.mutate(ctx, op, func(_ context.Context, t *txn) error {
		for _, row := range rows {
			t.Clear(row)
		}
		return nil
	})
	if err != nil {
		return 0, c, err
	}
	return ended, next, nil
}
