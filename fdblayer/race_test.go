package fdblayer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

// moody is a database whose faults can be switched on and off.
type moody struct {
	kv.Database
	faulty *kvfault.DB
	on     atomic.Bool
}

func newMoody(t *testing.T, seed uint64) *moody {
	db := newEngine(t)
	return &moody{Database: db, faulty: kvfault.New(db, kvfault.Storm(seed))}
}

func (m *moody) Begin(o kv.TxOptions) kv.Tx {
	if m.on.Load() {
		return m.faulty.Begin(o)
	}
	return m.Database.Begin(o)
}

// calm ends the faults, and lets what was still under way arrive.
func (m *moody) calm() {
	m.on.Store(false)
	m.faulty.Land()
}

// seedOf is a new seed, which a failing test names.
func seedOf(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return seed
}

// passing are errors that a client may get of a store under faults and races.
var passing = []object.Kind{
	object.Unavailable, object.SlowDown, object.OutcomeUnknown, object.ConditionalConflict, object.SessionLost,
	object.NoSuchKey, object.NoSuchVersion, object.NoSuchUpload, object.InvalidPart,
}

func passes(err error) bool {
	return err == nil || slices.ContainsFunc(passing, func(k object.Kind) bool { return errors.Is(err, k) })
}

// actor is one client of one process in a random test.
type actor struct {
	*testLayer
	random   *rand.Rand
	versions []string // ids that it has seen
}

var (
	raceBuckets = []object.BucketName{"plain", "kept"}
	raceKeys    = []object.Key{"a", "b", "c"}
)

// act does one thing at random and returns what went wrong, if that may not happen.
func (a *actor) act(ctx context.Context) error {
	b, k := raceBuckets[a.random.IntN(2)], raceKeys[a.random.IntN(3)]
	var err error
	switch a.random.IntN(10) {
	case 0, 1:
		var lease *BlobLease
		if lease, err = a.NewBlob(); err == nil {
			_, err = a.PutObject(ctx, PutObject{Bucket: b, Version: blobVersion(k, lease), Lease: lease})
		}
	case 2, 3, 4:
		c := copyOf(b, k, raceKeys[a.random.IntN(3)])
		c.Bucket = raceBuckets[a.random.IntN(2)]
		var put Put
		if put, _, err = a.CopyObject(ctx, c); err == nil {
			a.versions = append(a.versions, put.Version.ID())
		}
	case 5, 6, 7:
		d := DeleteObject{Key: k}
		if a.random.IntN(2) == 0 && len(a.versions) > 0 {
			d.VersionID = a.versions[a.random.IntN(len(a.versions))]
		}
		var deleted []Deleted
		if deleted, _, err = a.DeleteObjects(ctx, b, []DeleteObject{d}); err == nil {
			err = deleted[0].Err
		}
	default:
		err = a.multipart(ctx, b, k)
	}
	if passes(err) {
		return nil
	}
	return err
}

// multipart begins an upload, puts parts, one perhaps twice, and completes or aborts it, or leaves it.
func (a *actor) multipart(ctx context.Context, b object.BucketName, k object.Key) error {
	u, _, err := a.CreateUpload(ctx, b, object.Upload{Key: k})
	if err != nil {
		return err
	}
	for range 3 {
		if err := a.putRacingPart(ctx, b, u, 1+a.random.IntN(2)); !passes(err) {
			return err
		}
	}
	switch a.random.IntN(4) {
	case 0:
		_, err = a.AbortUpload(ctx, b, k, u.ID)
	case 1, 2:
		c := completion(b, u, 1)
		c.Make = madeOfParts
		_, err = a.CompleteUpload(ctx, c)
	}
	return err
}

// putRacingPart puts a part whose entity tag says which blob it has.
func (l *testLayer) putRacingPart(ctx context.Context, b object.BucketName, u object.Upload, number int) error {
	lease, err := l.NewBlob()
	if err != nil {
		return err
	}
	p := object.Part{Number: number, SizeBytes: 1 << 20, Content: blobVersion("", lease).Content, ETag: blobTag(lease.ID())}
	_, err = l.PutPart(ctx, b, u.Key, u.ID, p, lease)
	return err
}

func blobTag(id object.BlobID) object.ETag {
	sum := md5.Sum([]byte(id.String()))
	return object.ETag(hex.EncodeToString(sum[:]))
}

// madeOfParts makes a version whose entity tag says which parts it was made of.
func madeOfParts(_ object.Upload, stored []object.Part) (object.Version, error) {
	h := md5.New()
	for _, p := range stored {
		fmt.Fprintf(h, "%d %s ", p.Number, p.ETag)
	}
	return object.Version{ETag: object.ETag(fmt.Sprintf("%x-%d", h.Sum(nil), len(stored)))}, nil
}

// TestRacesOnSharedContent lets clients of two processes put, copy, delete and upload at random beside the reaper and the
// trash, under faults. At the end references and list rows are exact; nothing in use was deleted; and when all is
// deleted, nothing is left.
func TestRacesOnSharedContent(t *testing.T) {
	t.Parallel()
	for _, m := range []mode{{combine: 0, clients: 4}, {combine: 16, clients: 12}} {
		t.Run(fmt.Sprint("combine ", m.combine), func(t *testing.T) {
			t.Parallel()
			m.checkRaces(t)
		})
	}
}

func (m mode) checkRaces(t *testing.T) {
	seed := seedOf(t)
	db := newMoody(t, seed)
	one, two := newLayer(t, db, m.options), newLayer(t, db, m.options)
	one.bucket("plain", object.Unversioned)
	one.bucket("kept", object.VersioningEnabled)
	db.on.Store(true)
	acts := 1000 / m.clients
	if testing.Short() {
		acts = 240 / m.clients
	}
	d := &deletedBlobs{}
	var clients, background sync.WaitGroup
	done := make(chan struct{})
	for i := range m.clients {
		a := &actor{testLayer: []*testLayer{one, two}[i%2], random: rand.New(rand.NewPCG(seed, uint64(i)))}
		clients.Go(func() {
			for range acts {
				if err := a.act(t.Context()); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for _, l := range []*testLayer{one, two} {
		background.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					l.cleanUp(d)
				}
			}
		})
	}
	clients.Wait()
	close(done)
	background.Wait()
	db.calm()
	one.renewed()
	two.renewed()
	one.checkReferences(d)
	one.checkLists()
	one.deleteAll()
	for range 4 {
		two.age()
		one.reclaim(d)
	}
	one.checkReferences(d)
	one.clock.advance(25 * time.Hour)
	one.renewed()
	one.buryUploads()
	if left := one.kinds(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// cleanUp is one round of background work that may fail.
func (l *testLayer) cleanUp(d *deletedBlobs) {
	ctx := l.t.Context()
	if err := l.renew(ctx); err == nil {
		l.clock.advance(time.Second)
	}
	for shard := range Shards {
		_, _, err := l.Reap(ctx, shard, Cursor{}, 10)
		if !passes(err) {
			l.t.Errorf("reap: %v", err)
		}
		trash, _, err := l.ListTrash(ctx, shard, Cursor{}, 10)
		if !passes(err) {
			l.t.Errorf("list trash: %v", err)
		}
		for _, x := range trash {
			if x.Blob != nil {
				d.add(x.Blob.ID)
			}
		}
		if err := l.ClearTrash(ctx, trash); !passes(err) {
			l.t.Errorf("clear trash: %v", err)
		}
	}
}

// deleteAll deletes every version and aborts every upload.
func (l *testLayer) deleteAll() {
	l.t.Helper()
	for _, b := range raceBuckets {
		for _, k := range raceKeys {
			for range 10_000 {
				r, err := l.OpenVersion(l.t.Context(), b, k, "")
				if err != nil {
					break
				}
				id := r.Version.ID()
				r.Close()
				l.del(b, k, id)
			}
		}
		page, err := l.ListUploads(l.t.Context(), ListUploads{Bucket: b, UploadsMax: 1000})
		if err != nil || page.More {
			l.t.Fatalf("list uploads: more %t, %v", page.More, err)
		}
		for _, u := range page.Uploads {
			if _, err := l.AbortUpload(l.t.Context(), b, u.Key, u.ID); err != nil {
				l.t.Fatalf("abort: %v", err)
			}
		}
	}
}

// checkLists compares the list rows with the current versions.
func (l *testLayer) checkLists() {
	l.t.Helper()
	for _, b := range raceBuckets {
		listed := map[object.Key]object.Stamp{}
		for _, e := range l.list(ListObjects{Bucket: b, KeysMax: 1000}).Entries {
			listed[e.Key] = e.Stamp
		}
		for _, k := range raceKeys {
			want := object.Stamp{}
			if r, err := l.OpenVersion(l.t.Context(), b, k, ""); err == nil {
				if r.Version.Kind.HasContent() {
					want = r.Version.Stamp
				}
				r.Close()
			}
			if got := listed[k]; got != want {
				l.t.Errorf("%s/%s is listed with %v, its current version is %v", b, k, got, want)
			}
		}
	}
}

// TestCompleteRaces lets two processes complete one upload, a third request abort it and a fourth replace its part, under
// faults: the upload ends one way, every success names the same version, and the object has the parts that
// were checked.
func TestCompleteRaces(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	db := newMoody(t, seed)
	one, two := newLayer(t, db), newLayer(t, db)
	one.bucket("plain", object.Unversioned)
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	d := &deletedBlobs{}
	for round := range rounds {
		u := one.upload("plain", object.Key(fmt.Sprint("k", round)))
		for number := range 2 {
			if err := one.putRacingPart(t.Context(), "plain", u, number+1); err != nil {
				t.Fatal(err)
			}
		}
		db.on.Store(true)
		c := completion("plain", u, 1)
		c.Make = madeOfParts
		var puts [2]Put
		var errs [3]error
		var racing sync.WaitGroup
		racing.Go(func() { puts[0], errs[0] = one.CompleteUpload(t.Context(), c) })
		racing.Go(func() { puts[1], errs[1] = two.CompleteUpload(t.Context(), c) })
		racing.Go(func() {
			if round%3 == 0 {
				_, errs[2] = two.AbortUpload(t.Context(), "plain", u.Key, u.ID)
				return
			}
			errs[2] = object.NoSuchUpload
		})
		racing.Go(func() {
			if err := two.putRacingPart(t.Context(), "plain", u, 1); !passes(err) {
				t.Errorf("put part: %v", err)
			}
		})
		racing.Wait()
		db.calm()
		one.checkCompleted(u, puts, errs)
	}
	for range 4 {
		two.age()
		one.reclaim(d)
	}
	one.checkReferences(d)
	if left := one.kinds(); left["event"] != 0 || left["trash"] != 0 || left["part"] != left["manifest reference"] {
		t.Errorf("left over: %v", left)
	}
}

// checkCompleted compares what requests were told with what became of the upload.
func (l *testLayer) checkCompleted(u object.Upload, puts [2]Put, errs [3]error) {
	l.t.Helper()
	for _, err := range errs {
		if !passes(err) {
			l.t.Errorf("upload %v: %v", u.ID, err)
		}
	}
	r, err := l.OpenVersion(l.t.Context(), "plain", u.Key, "")
	if err != nil && !isKind(err, object.NoSuchKey) {
		l.t.Fatal(err)
	}
	there := err == nil
	for i, p := range puts {
		if errs[i] == nil && (!there || p.Version.Stamp != r.Version.Stamp || p.Version.ETag != r.Version.ETag) {
			l.t.Errorf("upload %v: told of version %v, there is %v", u.ID, p.Version.Stamp, r)
		}
	}
	if errs[2] == nil && there {
		l.t.Errorf("upload %v was aborted, and completed", u.ID)
	}
	if !there {
		return
	}
	defer r.Close()
	parts, err := r.Parts(l.t.Context(), 0, 1)
	if err != nil {
		l.t.Fatal(err)
	}
	parts[0].ETag = blobTag(parts[0].Content.Blob.ID)
	if want, _ := madeOfParts(u, parts); r.Version.ETag != want.ETag {
		l.t.Errorf("upload %v: the object has other parts than those that were checked", u.ID)
	}
}

// TestReleaseInOneTransaction: releases of one blob in one transaction see each other, and a release sees what the
// transaction refers to anew.
func TestReleaseInOneTransaction(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("plain", object.Unversioned)
	put, blob := l.putBlob("plain", "a")
	copied, _, err := l.CopyObject(t.Context(), copyOf("plain", "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	first, second := use{put.Version.Content, put.Version.Stamp}, use{copied.Version.Content, copied.Version.Stamp}
	for _, row := range []struct {
		name    string
		do      func(ctx context.Context, x *txn) error
		trashed int
		left    int
	}{
		{"one of two", func(ctx context.Context, x *txn) error { return x.releaseAll(ctx, first) }, 0, 1},
		{"both at once", func(ctx context.Context, x *txn) error { return x.releaseAll(ctx, first, second) }, 1, 0},
		{"one after the other", func(ctx context.Context, x *txn) error {
			return errors.Join(x.releaseAll(ctx, first), x.releaseAll(ctx, second))
		}, 1, 0},
		{"the same one twice", func(ctx context.Context, x *txn) error {
			return errors.Join(x.releaseAll(ctx, first), x.releaseAll(ctx, first))
		}, 0, 1},
		{"both, and a new one", func(ctx context.Context, x *txn) error {
			x.refer(&put.Version.Content, x.pending())
			return x.releaseAll(ctx, first, second)
		}, 0, 1},
		{"nothing", func(ctx context.Context, x *txn) error {
			return x.releaseAll(ctx, use{}, use{Content: object.Content{Inline: []byte("x")}})
		}, 0, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			refs := l.keys.BlobRefs(blob)
			trash := l.keys.QueueEntries(keys.ShardOfBlob(blob), keys.Trashes, object.Stamp{})
			_, err := l.mutate(t.Context(), operation{name: "test"}, func(ctx context.Context, x *txn) error { return row.do(ctx, x) })
			if err != nil {
				t.Fatal(err)
			}
			if trashed, left := l.rows(trash), l.rows(refs); trashed != row.trashed || left != row.left {
				t.Errorf("%d in the trash, %d references left; want %d, %d", trashed, left, row.trashed, row.left)
			}
			// As it was before.
			_, err = l.mutate(t.Context(), operation{name: "test"}, func(_ context.Context, x *txn) error {
				x.ClearRange(trash)
				x.ClearRange(refs)
				for _, u := range []use{first, second} {
					x.Set(l.keys.BlobRef(blob, u.ref), keys.EncodeBlobRef(*u.Blob))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
