package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
)

// seeds is how many seeds the tests of this file run.
func seeds() uint64 {
	if testing.Short() {
		return 2
	}
	return 6
}

// mode is how requests are put together in a random test.
type mode struct {
	combine int // how many at most
	clients int
	seeds   uint64
}

func (m mode) options(o *Options) {
	if m.combine > 0 {
		combined(o, m.combine)
	}
}

// modes are those of the random tests. Requests are put together only where many come at once.
func modes() []mode {
	return []mode{{0, 6, seeds()}, {16, 24, seeds() / 2}, {64, 24, seeds() / 2}}
}

// event is one operation of a history and its answer.
type event struct {
	key     object.Key
	kind    string // put, delete, get
	content string // put, or got
	token   int64
	newest  int64 // acknowledged anywhere before it began
	stamp   object.Stamp
	err     error
}

// history is what concurrent clients saw.
type history struct {
	mu     sync.Mutex
	events []event
	acked  atomic.Int64
	next   atomic.Int64
}

func (h *history) add(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	if e.err == nil {
		for {
			acked := h.acked.Load()
			if acked >= e.token || h.acked.CompareAndSwap(acked, e.token) {
				break
			}
		}
	}
}

// client does random operations on few keys.
func (h *history) client(ctx context.Context, l *testLayer, rng *rand.Rand, operations int) {
	for range operations {
		e := event{key: object.Key(fmt.Sprintf("k%d", rng.IntN(3))), newest: h.acked.Load()}
		switch dice := rng.IntN(10); {
		case dice < 4:
			e.kind, e.content = "put", fmt.Sprint("content ", h.next.Add(1))
			p := PutObject{Bucket: "bucket", Version: version(e.key, e.content)}
			if dice == 0 {
				p.If = func(*object.Version) error { return nil }
			}
			put, err := l.PutObject(ctx, p)
			e.stamp, e.token, e.err = put.Version.Stamp, put.Token.Version, err
		case dice < 6:
			e.kind = "delete"
			d, token, err := l.DeleteObjects(ctx, "bucket", []DeleteObject{{Key: e.key}, {Key: "absent"}})
			e.token, e.err = token.Version, err
			if err == nil {
				e.err = errors.Join(d[0].Err, d[1].Err)
			}
		default:
			e.kind = "get"
			r, err := l.OpenVersion(ctx, "bucket", e.key, "")
			switch {
			case err == nil:
				e.token, e.content = r.Token.Version, string(r.Version.Content.Inline)
				r.Close()
			case isKind(err, object.NoSuchKey):
				e.kind = "get nothing"
			default:
				e.err = err
			}
		}
		h.add(e)
	}
}

// TestHistory lets clients of two processes work on the same keys while faults happen all the
// time. The rows that are left, none of them reaped, tell in which order the writes took effect; every answer
// must agree with them: what was acknowledged is there once, what failed is not, and a read has the state of its token,
// which is never older than what was acknowledged before it began.
func TestHistory(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		for seed := range m.seeds {
			for _, v := range []object.Versioning{object.Unversioned, object.VersioningEnabled, object.VersioningSuspended} {
				t.Run(fmt.Sprintf("combine %d seed %d versioning %d", m.combine, seed, v), func(t *testing.T) {
					t.Parallel()
					m.checkHistory(t, seed, v)
				})
			}
		}
	}
}

func (m mode) checkHistory(t *testing.T, seed uint64, v object.Versioning) {
	engine := newEngine(t)
	quiet := newLayer(t, engine)
	quiet.bucket("bucket", v)
	faulty := kvfault.New(engine, kvfault.Storm(seed))
	layers := [2]*testLayer{openUnderFaults(t, faulty, m.options), openUnderFaults(t, faulty, m.options)}
	var h history
	var wg sync.WaitGroup
	for i := range m.clients {
		wg.Go(func() {
			h.client(t.Context(), layers[i%2], rand.New(rand.NewPCG(seed, uint64(i))), 240/m.clients)
		})
	}
	wg.Wait()
	faulty.Land()
	quiet.checkHistory(h.events)
}

// openUnderFaults opens a layer on a database with faults, which may take some attempts.
func openUnderFaults(t *testing.T, db kv.Database, change ...func(*Options)) *testLayer {
	t.Helper()
	c := newClock()
	o := Options{DB: db, Prefix: []byte("test"), Now: c.Now, Monotonic: c.Now, HeartbeatEvery: 1000 * time.Hour}
	combined(&o, *combineMax)
	for _, f := range change {
		f(&o)
	}
	for {
		l, err := Open(t.Context(), o)
		if err != nil {
			continue // Open has no evidence for some of what it does; its caller tries again
		}
		t.Cleanup(func() { _ = l.Close(context.WithoutCancel(t.Context())) }) // may fail: a fault
		return &testLayer{Layer: l, t: t, clock: c}
	}
}

// storedRow is a version row.
type storedRow struct {
	object.Version
	version int64
}

// stored reads the rows of a key, oldest first.
func (l *testLayer) stored(k object.Key) (rows []storedRow) {
	l.t.Helper()
	_, err := kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		rows = nil
		page, err := tx.Snapshot().GetRange(l.keys.Versions(1, k), kv.RangeOptions{}).Get(l.t.Context())
		for _, row := range page.Rows {
			v, err := l.decodeVersion(k, row)
			if err != nil {
				return err
			}
			rows = append(rows, storedRow{Version: v, version: int64(keys.VersionOf(v.Stamp))})
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// stateAt is the content of a key after all rows up to a version; "" if there is none.
func stateAt(rows []storedRow, at int64) string {
	var seen visibility
	for _, r := range slices.Backward(rows) {
		if r.version <= at && seen.counts(r.Kind) {
			return string(r.Content.Inline) // a marker has none
		}
	}
	return ""
}

// checkHistory compares answers with the rows.
func (l *testLayer) checkHistory(events []event) {
	l.t.Helper()
	rows := map[object.Key][]storedRow{}
	byContent := map[string][]storedRow{}
	for _, e := range events {
		if _, ok := rows[e.key]; !ok {
			rows[e.key] = l.stored(e.key)
			for _, r := range rows[e.key] {
				byContent[string(r.Content.Inline)] = append(byContent[string(r.Content.Inline)], r)
			}
		}
	}
	for _, e := range events {
		found := byContent[e.content]
		switch {
		case e.err != nil && isKind(e.err, object.OutcomeUnknown):
			l.t.Errorf("%+v: everything can be settled here", e)
		case e.err != nil:
			if !isKind(e.err, object.SlowDown) && !isKind(e.err, object.ConditionalConflict) {
				l.t.Errorf("%+v failed: %v", e, e.err)
			}
			if e.kind == "put" && len(found) != 0 {
				l.t.Errorf("%+v failed, and took effect", e)
			}
		case e.kind == "put":
			if len(found) != 1 || found[0].Stamp != e.stamp || found[0].version != e.token {
				l.t.Errorf("%+v was acknowledged; there are %d rows of it", e, len(found))
			}
		case e.kind == "get":
			if got := stateAt(rows[e.key], e.token); got != e.content {
				l.t.Errorf("%+v: the state at its token is %q", e, got)
			}
		case e.kind == "delete":
			if !slices.ContainsFunc(rows[e.key], func(r storedRow) bool {
				return r.version == e.token && !r.Kind.HasContent()
			}) && stateAt(rows[e.key], e.token) != "" {
				l.t.Errorf("%+v was acknowledged: no row of it, and the key has content at its token", e)
			}
		}
		if e.err == nil && e.kind != "get nothing" && e.token < e.newest {
			l.t.Errorf("%+v has a token older than what was acknowledged before it began", e)
		}
	}
}

// TestExactlyOnce counts with conditional PUTs while faults happen all the time: the counter must
// end at the number of PUTs that were acknowledged.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	for seed := range seeds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			engine := newEngine(t)
			quiet := newLayer(t, engine)
			quiet.bucket("bucket", object.Unversioned)
			quiet.put("bucket", "counter", "0")
			faulty := kvfault.New(engine, kvfault.Storm(seed))
			layers := [2]*testLayer{openUnderFaults(t, faulty), openUnderFaults(t, faulty)}
			var acknowledged atomic.Int64
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for range 15 {
						done, err := layers[i%2].increment(t.Context())
						if err != nil {
							t.Errorf("increment: %v", err)
						}
						if done {
							acknowledged.Add(1)
						}
					}
				})
			}
			wg.Wait()
			faulty.Land()
			if got, want := quiet.get("bucket", "counter", ""), strconv.FormatInt(acknowledged.Load(), 10); got != want {
				t.Errorf("the counter is %s, %s increments were acknowledged", got, want)
			}
			if acknowledged.Load() == 0 {
				t.Error("no increment at all")
			}
		})
	}
}

// increment adds one to the counter; false if it lost a race or the database was busy.
func (l *testLayer) increment(ctx context.Context) (bool, error) {
	r, err := l.OpenVersion(ctx, "bucket", "counter", "")
	if err != nil {
		return false, notNow(err)
	}
	defer r.Close()
	n, err := strconv.Atoi(string(r.Version.Content.Inline))
	if err != nil {
		return false, err
	}
	_, err = l.PutObject(ctx, PutObject{
		Bucket: "bucket", Version: version("counter", strconv.Itoa(n+1)),
		If: func(current *object.Version) error {
			if current == nil || current.ETag != r.Version.ETag {
				return &object.Error{Op: "test", Kind: object.PreconditionFailed}
			}
			return nil
		},
	})
	return err == nil, notNow(err)
}

// notNow drops the errors after which nothing has happened.
func notNow(err error) error {
	for _, k := range []object.Kind{object.SlowDown, object.ConditionalConflict, object.PreconditionFailed} {
		if isKind(err, k) {
			return nil
		}
	}
	return err
}

// TestReclaimUnderFaults overwrites, copies and deletes while reapers of two processes work and faults happen;
// afterwards exactly the visible versions are left, and exactly the blobs that none of them uses were deleted, each after its last use.
func TestReclaimUnderFaults(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		for seed := range m.seeds {
			t.Run(fmt.Sprintf("combine %d seed %d", m.combine, seed), func(t *testing.T) {
				t.Parallel()
				m.checkReclaim(t, seed)
			})
		}
	}
}

func (m mode) checkReclaim(t *testing.T, seed uint64) {
	engine := newEngine(t)
	quiet := newLayer(t, engine)
	quiet.bucket("bucket", object.Unversioned)
	faulty := kvfault.New(engine, kvfault.Storm(seed))
	layers := [2]*testLayer{openUnderFaults(t, faulty, m.options), openUnderFaults(t, faulty, m.options)}
	var wg sync.WaitGroup
	for i := range m.clients {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() { layers[i%2].churn(rng, 180/m.clients) })
	}
	for _, l := range layers {
		wg.Go(func() {
			for range 10 {
				_ = l.renew(t.Context()) // may fail: a fault
				l.clock.advance(time.Second)
				for shard := range Shards {
					_, _, _ = l.Reap(t.Context(), shard, Cursor{}, 10) // may fail: a fault
				}
			}
		})
	}
	wg.Wait()
	faulty.Land()
	for _, l := range layers {
		l.checkLeases()
	}
	quiet.checkNothingElse()
}

// checkLeases: every upload has ended and every outcome is known, as soon as the heartbeat has settled what was left.
func (l *testLayer) checkLeases() {
	l.t.Helper()
	s := l.session.Load()
	for range 20 { // under faults
		_ = l.renew(l.t.Context())
	}
	if b := s.take(1); b.lowWater != s.sequence+1 || b.evidenceEnd != s.attempt+1 || b.oldestRead != 1 {
		l.t.Errorf("%d uploads, %d attempts: the marks stay at %+v", s.sequence, s.attempt, b)
	}
}

// churn overwrites, copies and deletes.
func (l *testLayer) churn(rng *rand.Rand, operations int) {
	ctx := l.t.Context()
	for range operations {
		k, other := object.Key(fmt.Sprintf("k%d", rng.IntN(3))), object.Key(fmt.Sprintf("k%d", rng.IntN(3)))
		switch rng.IntN(4) {
		case 0, 1:
			lease, err := l.NewBlob()
			if err != nil { // faults kept the session from being renewed
				if !isKind(err, object.Unavailable) {
					l.t.Errorf("new blob: %v", err)
				}
				_ = l.renew(ctx)
				continue
			}
			_, err = l.PutObject(ctx, PutObject{Bucket: "bucket", Version: blobVersion(k, lease), Lease: lease})
			if notNow(err) != nil {
				l.t.Errorf("put: %v", err)
			}
		case 2:
			_, _, err := l.CopyObject(ctx, CopyObject{
				Source: "bucket", SourceKey: k, Bucket: "bucket",
				Make: func(source *object.Version) (object.Version, error) {
					v := *source
					v.Key = other
					return v, nil
				},
			})
			if notNow(err) != nil && !isKind(err, object.NoSuchKey) {
				l.t.Errorf("copy: %v", err)
			}
		case 3:
			d, _, err := l.DeleteObjects(ctx, "bucket", []DeleteObject{{Key: k}})
			if err == nil {
				err = d[0].Err
			}
			if notNow(err) != nil {
				l.t.Errorf("delete: %v", err)
			}
		}
	}
}

// checkNothingElse reaps and compares what is left with what is visible: rows, counters, references; and no blob that is in the
// trash has a reference.
func (l *testLayer) checkNothingElse() {
	l.t.Helper()
	l.age()
	l.reap()
	uses := map[object.BlobID]int{}
	var left int64
	for i := range 3 {
		rows := l.stored(object.Key(fmt.Sprintf("k%d", i)))
		if len(rows) > 1 || len(rows) == 1 && !rows[0].Kind.HasContent() {
			l.t.Errorf("k%d has %d rows after reaping", i, len(rows))
		}
		for _, r := range rows {
			left++
			uses[r.Content.Blob.ID]++
		}
	}
	l.checkCounters(1, left)
	for _, id := range l.trashed() {
		if uses[id] != 0 {
			l.t.Errorf("blob %v is in the trash, and used", id)
		}
	}
	all := kv.Range{Begin: l.keys.SessionBlobRefs(0, 0, 0).Begin, End: l.keys.SessionBlobRefs(1<<64-1, 0, 1<<64-1).End}
	page, err := kvRead(l, all)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, row := range page.Rows {
		id, ref, err := l.keys.ParseBlobRef(row.Key)
		if err != nil {
			l.t.Fatal(err)
		}
		if uses[id]--; uses[id] < 0 {
			l.t.Errorf("reference %v to blob %v has no version", ref, id)
		}
	}
	for id, n := range uses {
		if n > 0 {
			l.t.Errorf("blob %v is used, without a reference", id)
		}
	}
}

// trashed are the blobs in the trash; none may be there twice.
func (l *testLayer) trashed() (ids []object.BlobID) {
	l.t.Helper()
	seen := map[object.BlobID]bool{}
	for shard := range Shards {
		page, err := kvRead(l, l.keys.QueueEntries(shard, keys.Trashes, object.Stamp{}))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, row := range page.Rows {
			x, err := keys.DecodeTrash(row.Value)
			if err != nil || x.Blob == nil {
				l.t.Fatalf("trash %+v: %v", x, err)
			}
			if seen[x.Blob.ID] {
				l.t.Errorf("blob %v is in the trash twice", x.Blob.ID)
			}
			seen[x.Blob.ID] = true
			ids = append(ids, x.Blob.ID)
		}
	}
	return ids
}

func kvRead(l *testLayer, r kv.Range) (page kv.Page, err error) {
	_, err = kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) (err error) {
		page, err = tx.Snapshot().GetRange(r, kv.RangeOptions{}).Get(l.t.Context())
		return err
	})
	return page, err
}
