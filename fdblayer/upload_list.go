package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// ListUploads asks for uploads in progress, ordered by key, then by id (which is by initiation).
type ListUploads struct {
	Bucket object.BucketName
	// Prefix and Delimiter as in ListObjects; common prefixes are listed only if they sort behind AfterKey.
	Prefix, Delimiter string
	// AfterKey and AfterUpload: behind this key's upload; with AfterUpload zero, behind all of the key's.
	// AfterPrefix as in ListObjects.
	AfterKey    string
	AfterUpload object.Stamp
	AfterPrefix bool
	// UploadsMax bounds uploads and common prefixes together, 0 to object.ListKeysMax.
	UploadsMax int
}

// UploadPage is a page of uploads.
type UploadPage struct {
	Uploads  []object.Upload
	Prefixes []string
	// More: something may be behind this page, which may be shorter than UploadsMax, even empty, when
	// there are many uploads that were completed within the last day to pass over.
	More bool
	// NextKey, NextUpload and NextIsPrefix continue behind this page; set with More.
	NextKey      string
	NextUpload   object.Stamp
	NextIsPrefix bool
	Token        object.Token
}

// ListUploads reads a page. NoSuchBucket.
func (l *Layer) ListUploads(ctx context.Context, q ListUploads) (UploadPage, error) {
	op := operation{name: "fdblayer.ListUploads", ref: object.Ref{Bucket: q.Bucket}}
	var page UploadPage
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) error {
		page = UploadPage{}
		b, err := t.bucket(ctx, q.Bucket)
		if err != nil {
			return err
		}
		found, err := t.scan(ctx, l.uploadScan(b.ID, &q))
		if err != nil {
			return err
		}
		return l.fillUploads(&page, found)
	})
	if err != nil {
		return UploadPage{}, err
	}
	page.Token = token
	return page, nil
}

// uploadScan is the scan of the upload rows that a page takes.
func (l *Layer) uploadScan(b object.BucketID, q *ListUploads) keyScan {
	s := keyScan{
		rows: l.keys.Uploads(b, bounded(q.Prefix)), prefix: q.Prefix, delimiter: q.Delimiter, max: min(q.UploadsMax, object.ListKeysMax),
		key: func(row kv.KeyValue) (object.Key, bool, error) {
			u, err := l.decodeUpload(row)
			return u.Key, u.Completed == nil, err
		},
		behind: func(prefix string) []byte { return l.keys.UploadBehindPrefix(b, bounded(prefix)) },
	}
	if q.AfterKey != "" {
		s.rows = keys.From(s.rows, l.keys.UploadBehind(b, bounded(q.AfterKey), q.AfterUpload))
	}
	if q.AfterPrefix {
		s.rows = keys.From(s.rows, s.behind(q.AfterKey))
	}
	if rolled, ok := s.rollUp(q.AfterKey); ok {
		s.rows = keys.From(s.rows, s.behind(rolled))
	}
	return s
}

func (l *Layer) decodeUpload(row kv.KeyValue) (keys.Upload, error) {
	_, k, id, err := l.keys.ParseUpload(row.Key)
	if err != nil {
		return keys.Upload{}, err
	}
	return keys.DecodeUpload(k, id, row.Value)
}

// fillUploads makes the page of what was found.
func (l *Layer) fillUploads(page *UploadPage, found scanned) error {
	for _, f := range found.items {
		if f.rolledUp {
			page.Prefixes = append(page.Prefixes, f.text)
			continue
		}
		u, err := l.decodeUpload(f.row)
		if err != nil {
			return err
		}
		page.Uploads = append(page.Uploads, u.Upload)
	}
	if page.More = found.more; !page.More {
		return nil
	}
	page.NextKey, page.NextIsPrefix = found.last.text, found.last.rolledUp
	if page.NextIsPrefix {
		return nil
	}
	var err error
	_, _, page.NextUpload, err = l.keys.ParseUpload(found.last.row.Key)
	return err
}
