// Package janitor does the background work of a store: it clears what a newer
// version hides (the reaper), and deletes the bytes that nothing refers to any
// more once nobody can be reading them (the trash). It decides nothing: what
// may go is decided by the transactions of fdblayer, so that a janitor may
// stop at any line, run twice, or run beside another one.
//
//	j := janitor.New(janitor.Options{Layer: layer, Chunks: chunks})
//	err := j.Run(ctx) // until ctx ends
package janitor

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// Layer is what the janitor needs of the metadata.
type Layer interface {
	Reap(ctx context.Context, shard int, c fdblayer.Cursor, limit int) (ended int, next fdblayer.Cursor, err error)
	ReapUploads(ctx context.Context, shard int, c fdblayer.Cursor, limit int) (ended int, next fdblayer.Cursor, err error)
	ListTrash(ctx context.Context, shard int, c fdblayer.Cursor, limit int) ([]fdblayer.Trash, fdblayer.Cursor, error)
	ClearTrash(ctx context.Context, t []fdblayer.Trash) error
}

// Chunks is what the janitor needs of the chunk nodes.
type Chunks interface {
	// Delete deletes the chunks of blobs; when it returns nil the deletes are on
	// stable storage.
	Delete(ctx context.Context, blobs ...object.Blob) error
}

// Options are the choices of a Janitor. Layer and Chunks are required.
type Options struct {
	Layer  Layer
	Chunks Chunks
	Log    *zap.Logger
	// Idle is the pause after a round that found nothing to do. Default: 1 s.
	Idle time.Duration
	// BatchMax bounds the entries of one step: one transaction, one delete.
	// Default: 64.
	BatchMax int
	// Shards is the number of queue shards. Default: fdblayer.Shards.
	Shards int
}

func (o Options) ensureDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Idle == 0 {
		o.Idle = time.Second
	}
	if o.BatchMax == 0 {
		o.BatchMax = 64
	}
	if o.Shards == 0 {
		o.Shards = fdblayer.Shards
	}
	return o
}

// Janitor does the background work. Run may be called once.
type Janitor struct {
	o       Options
	metrics Metrics
}

// Metrics counts what a Janitor did since its start.
type Metrics struct {
	EventsEnded  atomic.Int64 // events that the reaper has ended
	UploadsEnded atomic.Int64 // completed uploads that were forgotten a day later
	BlobsDeleted atomic.Int64 // blobs whose chunks were deleted
	BytesDeleted atomic.Int64 // their lengths
	Failures     atomic.Int64 // steps that failed and will be tried again
}

// New makes a Janitor. It starts nothing.
func New(o Options) *Janitor { return &Janitor{o: o.ensureDefaults()} }

// Metrics are the counters; they may be read at any time.
func (j *Janitor) Metrics() *Metrics { return &j.metrics }

// step works on one batch of a shard from c on. done is the number of entries
// ended; more says that the shard has further entries behind next.
type step func(ctx context.Context, shard int, c fdblayer.Cursor) (done int, next fdblayer.Cursor, more bool, err error)

// Run works until ctx ends, and returns ctx's error. A failure is logged and
// tried again later: background work has nobody to report to.
func (j *Janitor) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.loop(ctx, "reap", j.reap) })
	g.Go(func() error { return j.loop(ctx, "reap uploads", j.reapUploads) })
	g.Go(func() error { return j.loop(ctx, "trash", j.trash) })
	return g.Wait()
}

// loop goes round the shards. Each shard keeps its cursor while it has more, so that
// cleared rows are not read over again, and begins anew when it came to the end.
func (j *Janitor) loop(ctx context.Context, name string, work step) error {
	cursors := make([]fdblayer.Cursor, j.o.Shards)
	for {
		worked := false
		for shard := range cursors {
			done, next, more, err := work(ctx, shard, cursors[shard])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				j.metrics.Failures.Add(1)
				j.o.Log.Warn("background work failed, will be tried again",
					zap.String("task", name), zap.Int("shard", shard), zap.Error(err))
				more, done = false, 0
			}
			cursors[shard] = next
			if !more {
				cursors[shard] = fdblayer.Cursor{}
			}
			worked = worked || done > 0 || more
		}
		if worked {
			continue
		}
		if err := sleep(ctx, j.o.Idle); err != nil {
			return err
		}
	}
}

func (j *Janitor) reap(ctx context.Context, shard int, c fdblayer.Cursor) (int, fdblayer.Cursor, bool, error) {
	ended, next, err := j.o.Layer.Reap(ctx, shard, c, j.o.BatchMax)
	j.metrics.EventsEnded.Add(int64(ended))
	return ended, next, err == nil && ended >= j.o.BatchMax, err
}

func (j *Janitor) reapUploads(ctx context.Context, shard int, c fdblayer.Cursor) (int, fdblayer.Cursor, bool, error) {
	ended, next, err := j.o.Layer.ReapUploads(ctx, shard, c, j.o.BatchMax)
	j.metrics.UploadsEnded.Add(int64(ended))
	return ended, next, err == nil && ended >= j.o.BatchMax, err
}

// trash deletes bytes first and the entries second: an entry is cleared only
// when the deletes are synced, otherwise a crash between the two would leave
// chunks that nothing remembers.
func (j *Janitor) trash(ctx context.Context, shard int, c fdblayer.Cursor) (int, fdblayer.Cursor, bool, error) {
	entries, next, err := j.o.Layer.ListTrash(ctx, shard, c, j.o.BatchMax)
	if err != nil || len(entries) == 0 {
		return 0, next, false, err
	}
	var blobs []object.Blob
	var bytes int64
	for _, t := range entries {
		if t.Blob != nil {
			blobs = append(blobs, *t.Blob)
			bytes += t.Blob.SizeBytes
		}
	}
	if len(blobs) > 0 {
		if err := j.o.Chunks.Delete(ctx, blobs...); err != nil {
			return 0, c, false, err
		}
	}
	if err := j.o.Layer.ClearTrash(ctx, entries); err != nil {
		return 0, c, false, err
	}
	j.metrics.BlobsDeleted.Add(int64(len(blobs)))
	j.metrics.BytesDeleted.Add(bytes)
	return len(entries), next, len(entries) >= j.o.BatchMax, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
