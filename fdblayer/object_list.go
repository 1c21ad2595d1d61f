package fdblayer

import (
	"context"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// ListObjects asks for a page.
type ListObjects struct {
	Bucket object.BucketName
	// Prefix begins every key of the listing. With a Delimiter, keys that have it behind the prefix are
	// rolled up: one common prefix, up to and with the first delimiter, stands for all of them. Both may be
	// any bytes.
	Prefix, Delimiter string
	// After begins behind this key, which need not exist; with AfterPrefix also behind every key that
	// begins with it. A common prefix is listed only if it sorts behind After: one that After begins
	// with is not, even if keys behind After begin with it (S3 API reference, ListObjectsV2, "Delimiter": it
	// "is filtered out from results if it is not lexicographically greater than the StartAfter value"). So
	// a common prefix returned as Next continues rightly with or without AfterPrefix.
	After       string
	AfterPrefix bool
	// KeysMax bounds keys and common prefixes together, 0 to object.ListKeysMax. With 0 the page is empty, and
	// More is false, as S3 has it.
	KeysMax int
}

// ListEntry is one key of a page.
type ListEntry struct {
	Key          object.Key
	Stamp        object.Stamp
	SizeBytes    int64
	ETag         object.ETag
	LastModified time.Time
	StorageClass string
	Checksum     object.ChecksumAlgorithm // 0: none
	Composite    bool
}

// Listing is a page: one consistent state. Entries and Prefixes are each in
// key order.
type Listing struct {
	Entries  []ListEntry
	Prefixes []string
	// More: something is behind this page. A page may be shorter than KeysMax and have more, when it
	// would take too long.
	More bool
	// Next and NextIsPrefix continue behind this page (After, AfterPrefix); set with More.
	Next         string
	NextIsPrefix bool
	Token        object.Token
}

// ListObjects reads a page of current objects, in the order of their keys' bytes. NoSuchBucket.
func (l *Layer) ListObjects(ctx context.Context, q ListObjects) (Listing, error) {
	op := operation{name: "fdblayer.ListObjects", ref: object.Ref{Bucket: q.Bucket}}
	var page Listing
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) error {
		page = Listing{}
		b, err := t.bucket(ctx, q.Bucket)
		if err != nil {
			return err
		}
		s := l.objectScan(b.ID, &q)
		found, err := t.scan(ctx, s)
		if err != nil {
			return err
		}
		return page.fill(found)
	})
	if err != nil {
		return Listing{}, err
	}
	page.Token = token
	return page, nil
}

// objectScan is the scan of the list rows that a page takes.
func (l *Layer) objectScan(b object.BucketID, q *ListObjects) keyScan {
	s := keyScan{
		rows: l.keys.Lists(b, bounded(q.Prefix)), prefix: q.Prefix, delimiter: q.Delimiter, max: min(q.KeysMax, object.ListKeysMax),
		key: func(row kv.KeyValue) (object.Key, bool, error) {
			_, k, err := l.keys.ParseList(row.Key)
			return k, true, err
		},
		behind: func(prefix string) []byte { return l.keys.ListBehindPrefix(b, bounded(prefix)) },
	}
	if q.After != "" {
		s.rows = keys.From(s.rows, l.keys.ListBehind(b, bounded(q.After)))
	}
	if q.AfterPrefix {
		s.rows = keys.From(s.rows, s.behind(q.After))
	}
	if rolled, ok := s.rollUp(q.After); ok {
		s.rows = keys.From(s.rows, s.behind(rolled))
	}
	return s
}

// bounded cuts a text that a client sent as prefix or position to one byte more than a key can have. That leaves all
// comparisons with keys as they are, and makes no key of the database too long.
func bounded(text string) string { return text[:min(len(text), object.KeyMaxBytes+1)] }

// fill makes the page of what was found.
func (page *Listing) fill(found scanned) error {
	for _, f := range found.items {
		if f.rolledUp {
			page.Prefixes = append(page.Prefixes, f.text)
			continue
		}
		row, err := keys.DecodeList(f.row.Value)
		if err != nil {
			return err
		}
		page.Entries = append(page.Entries, ListEntry{
			Key: object.Key(f.text), Stamp: row.Stamp, SizeBytes: row.SizeBytes, ETag: row.ETag,
			LastModified: row.LastModified, StorageClass: row.StorageClass,
			Checksum: row.Checksum, Composite: row.Composite,
		})
	}
	if page.More = found.more; page.More {
		page.Next, page.NextIsPrefix = found.last.text, found.last.rolledUp
	}
	return nil
}
