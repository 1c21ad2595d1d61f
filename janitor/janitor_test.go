package janitor_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/janitor"
	"github.com/stampede-store/stampede/object"
)

// fake is a layer and a chunk client in one. The janitor runs each of its tasks in
// a goroutine, and they touch different fields.
type fake struct {
	uploads []int            // per shard: completed uploads to forget
	events  []int            // per shard: events waiting
	trash   [][]object.Blob  // per shard: blobs waiting
	log     []string         // what the trash task did, in order
	fail    map[string]error // by the name of a call, once
	deleted []object.Blob
}

func (f *fake) once(call string) error {
	err := f.fail[call]
	delete(f.fail, call)
	return err
}

func (f *fake) Reap(_ context.Context, shard int, c fdblayer.Cursor, limit int) (int, fdblayer.Cursor, error) {
	n := min(limit, f.events[shard])
	f.events[shard] -= n
	return n, c, nil
}

func (f *fake) ReapUploads(_ context.Context, shard int, c fdblayer.Cursor, limit int) (int, fdblayer.Cursor, error) {
	if shard >= len(f.uploads) {
		return 0, c, nil
	}
	n := min(limit, f.uploads[shard])
	f.uploads[shard] -= n
	return n, c, nil
}

func (f *fake) ListTrash(_ context.Context, shard int, c fdblayer.Cursor, limit int) ([]fdblayer.Trash, fdblayer.Cursor, error) {
	var found []fdblayer.Trash
	for i := range f.trash[shard] {
		if len(found) < limit {
			found = append(found, fdblayer.Trash{Blob: &f.trash[shard][i]})
		}
	}
	return found, c, f.once("list")
}

func (f *fake) ClearTrash(_ context.Context, t []fdblayer.Trash) error {
	if err := f.once("clear"); err != nil {
		return err
	}
	f.log = append(f.log, "clear")
	for shard := range f.trash {
		f.trash[shard] = slices.DeleteFunc(slices.Clone(f.trash[shard]), func(b object.Blob) bool {
			return slices.ContainsFunc(t, func(t fdblayer.Trash) bool { return t.Blob.ID == b.ID })
		})
	}
	return nil
}

func (f *fake) Delete(_ context.Context, blobs ...object.Blob) error {
	if err := f.once("delete"); err != nil {
		return err
	}
	f.log = append(f.log, "delete")
	f.deleted = append(f.deleted, blobs...)
	return nil
}

// runFor lets a janitor work on f for a while of fake time.
func runFor(t *testing.T, f *fake, d time.Duration) *janitor.Metrics {
	t.Helper()
	var m *janitor.Metrics
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		j := janitor.New(janitor.Options{Layer: f, Chunks: f, BatchMax: 10, Shards: len(f.events)})
		if err := j.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run ended with %v, want its context's error", err)
		}
		m = j.Metrics()
	})
	return m
}

func blobs(n int) []object.Blob {
	b := make([]object.Blob, n)
	for i := range b {
		b[i] = object.Blob{ID: object.BlobID{Session: 1, Sequence: uint64(i + 1)}, SizeBytes: 100}
	}
	return b
}

// TestDrains: every shard is worked off, in batches, and counted.
func TestDrains(t *testing.T) {
	f := &fake{events: []int{25, 0, 3}, uploads: []int{0, 12, 1}, trash: [][]object.Blob{nil, blobs(25), nil}}
	m := runFor(t, f, time.Minute)
	if got := m.EventsEnded.Load(); got != 28 {
		t.Errorf("events ended: got %d, want 28", got)
	}
	if got := m.UploadsEnded.Load(); got != 13 {
		t.Errorf("uploads ended: got %d, want 13", got)
	}
	if got := m.BlobsDeleted.Load(); got != 25 || m.BytesDeleted.Load() != 2500 {
		t.Errorf("deleted %d blobs, %d bytes; want 25, 2500", got, m.BytesDeleted.Load())
	}
	if len(f.trash[1]) != 0 {
		t.Errorf("%d entries are left in the trash", len(f.trash[1]))
	}
}

// TestDeleteBeforeClear: an entry is cleared only after its delete succeeded,
// and a failure of any step is made up for later.
func TestDeleteBeforeClear(t *testing.T) {
	for _, failing := range []string{"", "list", "delete", "clear"} {
		t.Run("failing "+failing, func(t *testing.T) {
			f := &fake{
				events: []int{0}, trash: [][]object.Blob{blobs(1)},
				fail: map[string]error{failing: errors.New("injected")},
			}
			m := runFor(t, f, time.Minute)
			if len(f.trash[0]) != 0 || len(f.deleted) == 0 {
				t.Errorf("left %d entries, deleted %d blobs", len(f.trash[0]), len(f.deleted))
			}
			if f.log[0] != "delete" || f.log[len(f.log)-1] != "clear" {
				t.Errorf("order of work: %v", f.log)
			}
			if want := int64(min(1, len(failing))); m.Failures.Load() != want {
				t.Errorf("failures: got %d, want %d", m.Failures.Load(), want)
			}
		})
	}
}
