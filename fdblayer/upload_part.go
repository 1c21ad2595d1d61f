package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// PutPart adds or replaces a part; the one replaced is released. lease as in PutObject, and errors as there. NoSuchUpload
// unless the upload is in progress where this commits.
func (l *Layer) PutPart(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, p object.Part, lease *BlobLease) (object.Token, error) {
	name := uploadName{b, k, id}
	op := name.operation("fdblayer.PutPart")
	op.ref.Part, op.lease = p.Number, lease
	c, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		part := l.keys.Part(id, p.Number)
		row, old := t.Get(l.keys.Upload(bucket.ID, k, id)), t.Get(part)
		if _, err := t.liveUpload(ctx, op, row, name); err != nil {
			return err
		}
		if err := t.releasePart(ctx, p.Number, old); err != nil {
			return err
		}
		place := t.pending()
		t.refer(&p.Content, place)
		t.Atomic(kv.SetVersionstampedValue, part, keys.EncodePartOperand(&p, place))
		return nil
	})
	if err != nil {
		return object.Token{}, err
	}
	return l.token(c.Version), nil
}

// releasePart releases the content of a part row, if there is one.
func (t *txn) releasePart(ctx context.Context, number int, row kv.Future[[]byte]) error {
	value, err := row.Get(ctx)
	if err != nil || value == nil {
		return err
	}
	p, err := keys.DecodePart(number, value)
	if err != nil {
		return err
	}
	return t.release(ctx, &p.Content, p.Ref)
}

// PartPage is a page of parts in number order.
type PartPage struct {
	Upload object.Upload
	Parts  []object.Part
	More   bool
	Token  object.Token
}

// ListParts lists parts with numbers above after, at most object.ListKeysMax. Their content is left out. NoSuchBucket, NoSuchUpload
// unless the upload is in progress.
func (l *Layer) ListParts(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, after, limit int) (PartPage, error) {
	name := uploadName{b, k, id}
	op := name.operation("fdblayer.ListParts")
	limit = min(limit, object.ListKeysMax)
	var page PartPage
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) error {
		page = PartPage{}
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		r := t.Snapshot() // one version, and nothing is written
		row := r.Get(l.keys.Upload(bucket.ID, k, id))
		var parts kv.Future[kv.Page]
		if limit > 0 && after < object.PartsMax {
			parts = r.GetRange(l.keys.Parts(id, max(after, 0)+1, object.PartsMax), kv.RangeOptions{Limit: limit + 1})
		}
		u, err := t.liveUpload(ctx, op, row, name)
		if err != nil {
			return err
		}
		page.Upload = u.Upload
		if parts == nil {
			return nil
		}
		rows, err := parts.Get(ctx)
		if err != nil {
			return err
		}
		if page.More = len(rows.Rows) > limit; page.More {
			rows.Rows = rows.Rows[:limit]
		}
		page.Parts, err = l.decodeParts(rows)
		return err
	})
	if err != nil {
		return PartPage{}, err
	}
	page.Token = token
	return page, nil
}

// decodeParts decodes part rows, without their content.
func (l *Layer) decodeParts(page kv.Page) ([]object.Part, error) {
	parts := make([]object.Part, 0, len(page.Rows))
	for _, row := range page.Rows {
		_, number, err := l.keys.ParsePart(row.Key)
		if err != nil {
			return nil, err
		}
		p, err := keys.DecodePart(number, row.Value)
		if err != nil {
			return nil, err
		}
		p.Content = object.Content{}
		parts = append(parts, p.Part)
	}
	return parts, nil
}
