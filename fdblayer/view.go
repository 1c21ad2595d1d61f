package fdblayer

import (
	"context"
	"sync"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	// viewMaxAge is how old the view may be for a blind transaction to begin there: well below the age at
	// which a version is too old, and above the time between two heartbeats, which renew it.
	viewMaxAge = 2 * time.Second
	// viewBucketsMax bounds the buckets cached; beyond it the cache begins anew.
	viewBucketsMax = 10_000
	// viewLogMax bounds the entries of the config log read to catch up; with more, everything is dropped.
	viewLogMax = 256
)

// view caches the configuration as it is at one version (DESIGN §7). Every entry, also that something is absent,
// holds at that version, and at any later one with the same metadata version: whoever
// changes such a row logs it and bumps the metadata version in the same transaction.
type view struct {
	l *Layer

	mu sync.Mutex // guards all below; never held during I/O
	at kv.ReadVersion
	// since is when the version was known to be fresh (Layer.elapsed).
	since time.Duration
	// last is the newest entry of the config log at that version.
	last object.Stamp
	// session is that of this process, whose end the config log tells.
	session *session
	// buckets by name: nil when there is none. names finds them by the key of K.
	buckets map[object.BucketName]*pinnedBucket
	names   map[string]object.BucketName
}

// pinnedBucket is a bucket as the view has it.
type pinnedBucket struct {
	keys.Bucket
	// pinned is the range of its row: every change or end of the bucket conflicts there.
	pinned kv.Range
}

// newView is a view that knows nothing; last and at are of one version.
func newView(l *Layer, at kv.ReadVersion, last object.Stamp) *view {
	v := &view{l: l, at: at, last: last, since: l.elapsed()}
	v.clear()
	return v
}

// clear drops every entry; mu is held, or v is not shared yet.
func (v *view) clear() {
	v.buckets = make(map[object.BucketName]*pinnedBucket)
	v.names = make(map[string]object.BucketName)
}

// recentVersion is the version of the view, if it is good for a blind transaction.
func (v *view) recentVersion() (kv.Version, bool) {
	now := v.l.elapsed()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at.Version, now-v.since < viewMaxAge
}

// refresh brings the view to a version that was asked for after the call, or a later one, and returns it. It is tried
// once: who calls it is an attempt of a transaction.
func (v *view) refresh(ctx context.Context) (kv.Version, error) {
	if _, err := v.l.fresh(kv.Default)(ctx, nil); err != nil {
		return 0, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at.Version, nil
}

// reach brings the view to a version that the database has just given, or a later one.
func (v *view) reach(ctx context.Context, at kv.ReadVersion) error {
	v.mu.Lock()
	if at.Version <= v.at.Version {
		v.mu.Unlock()
		return nil
	}
	if at.Metadata == v.at.Metadata {
		v.at, v.since = at, v.l.elapsed()
		v.mu.Unlock()
		return nil
	}
	last, s := v.last, v.session
	v.mu.Unlock()

	news, err := v.l.readLog(ctx, at.Version, last, s)
	if err != nil {
		return err
	}
	if !news.alive || news.gap {
		v.l.lose(s)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if at.Version <= v.at.Version {
		return nil // another one has come further meanwhile
	}
	if news.gap || news.tooMany {
		v.clear()
	}
	for _, row := range news.rows {
		v.drop(string(row))
	}
	v.at, v.since, v.last = at, v.l.elapsed(), news.last
	return nil
}

// drop forgets what is cached of a row; mu is held.
func (v *view) drop(row string) {
	if name, ok := v.names[row]; ok {
		delete(v.buckets, name)
		delete(v.names, row)
	}
}

// watch makes s the session whose end the view must tell, if the view has the same
// configuration as at a version at which s was seen to be alive.
func (v *view) watch(s *session, seen kv.ReadVersion) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at.Metadata != seen.Metadata || v.at.Version < seen.Version {
		return false
	}
	v.session = s
	return true
}

// configNews is what the config log says since an entry.
type configNews struct {
	rows [][]byte // touched, in the log's words
	last object.Stamp
	// gap: the entry known last is gone, so entries behind it may be too. tooMany: there were too many to read.
	gap, tooMany bool
	// alive: the session's row is there.
	alive bool
}

// readLog reads the config log from and including the entry last at a version, and looks for s.
func (l *Layer) readLog(ctx context.Context, at kv.Version, last object.Stamp, s *session) (configNews, error) {
	tx := l.db.Begin(kv.TxOptions{ReadVersion: at})
	defer tx.Cancel()
	r := tx.Snapshot() // one version, and nothing is written
	entries := r.GetRange(l.keys.LogsFrom(last), kv.RangeOptions{Limit: viewLogMax})
	newest := r.GetRange(l.keys.Logs(), kv.RangeOptions{Limit: 1, Reverse: true})
	news := configNews{last: last, alive: true}
	if s != nil {
		row, err := r.Get(s.row).Get(ctx)
		if err != nil {
			return news, err
		}
		news.alive = row != nil
	}
	page, err := entries.Get(ctx)
	if err != nil {
		return news, err
	}
	end, err := newest.Get(ctx)
	if err != nil {
		return news, err
	}
	news.tooMany = page.More
	news.gap = true
	for i, entry := range page.Rows {
		stamp, err := l.keys.ParseLog(entry.Key)
		if err != nil {
			return news, err
		}
		if i == 0 && stamp == last {
			news.gap = false
		}
		rows, err := keys.DecodeChange(entry.Value)
		if err != nil {
			return news, err
		}
		news.rows = append(news.rows, rows...)
	}
	if len(end.Rows) > 0 {
		news.last, err = l.keys.ParseLog(end.Rows[0].Key)
	}
	return news, err
}

// bucket finds a bucket in the view, nil if there is none, and reads it when it is not cached. The
// answer holds at the version that the view had at some moment of the call.
func (v *view) bucket(ctx context.Context, name object.BucketName) (*pinnedBucket, error) {
	for {
		v.mu.Lock()
		b, ok := v.buckets[name]
		v.mu.Unlock()
		if ok {
			return b, nil
		}
		var at kv.ReadVersion
		o := kv.RunOptions{Begin: func(ctx context.Context, _ error) (_ kv.Version, err error) {
			at, err = v.l.versions[kv.Default].get(ctx)
			return at.Version, err
		}}
		_, err := kv.Run(ctx, v.l.db, o, func(tx kv.Tx) (err error) {
			if b, err = v.l.readBucket(ctx, tx.Snapshot(), name); err != nil {
				return err
			}
			return v.reach(ctx, at)
		})
		if err != nil {
			return nil, err
		}
		if v.keep(name, b, at) {
			return b, nil
		}
	}
}

// keep caches an entry that was read at a version, and reports whether it holds at the view's.
func (v *view) keep(name object.BucketName, b *pinnedBucket, read kv.ReadVersion) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if read.Metadata != v.at.Metadata {
		return false
	}
	if len(v.buckets) >= viewBucketsMax {
		v.clear()
	}
	v.buckets[name] = b
	v.names[string(v.l.keys.Relative(v.l.keys.BucketName(name)))] = name
	if b != nil {
		v.names[string(v.l.keys.Relative(b.pinned.Begin))] = name
	}
	return true
}

// readBucket reads a bucket by name, nil if there is none. With a serializable reader the
// transaction conflicts with its creation, change and end.
func (l *Layer) readBucket(ctx context.Context, r kv.Reader, name object.BucketName) (*pinnedBucket, error) {
	value, err := r.Get(l.keys.BucketName(name)).Get(ctx)
	if err != nil || value == nil {
		return nil, err
	}
	id, err := keys.DecodeBucketName(value)
	if err != nil {
		return nil, err
	}
	return l.readBucketByID(ctx, r, id)
}

func (l *Layer) readBucketByID(ctx context.Context, r kv.Reader, id object.BucketID) (*pinnedBucket, error) {
	row := l.keys.Bucket(id)
	value, err := r.Get(row).Get(ctx)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, &object.Error{Op: "fdblayer.bucket", Kind: object.Corrupt, Err: errBucketRow}
	}
	b, err := keys.DecodeBucket(id, value)
	if err != nil {
		return nil, err
	}
	return &pinnedBucket{Bucket: b, pinned: keys.Only(row)}, nil
}
