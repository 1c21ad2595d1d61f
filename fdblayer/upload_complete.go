package fdblayer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// completePartsPage is how many part numbers are read together; all ranges are asked for at once.
const completePartsPage = 1000

// CompleteUpload names the parts that make the object.
type CompleteUpload struct {
	Bucket object.BucketName
	Key    object.Key
	Upload object.Stamp
	// Numbers are those of the parts that the client listed.
	Numbers []int
	// Make checks the parts that the client listed against those stored, and builds the version (all but Key, Stamp, Kind,
	// SizeBytes and Content). stored has the parts with the numbers asked for in Numbers that exist, in number order, without
	// their content. It is pure. Errors such as InvalidPart, EntityTooSmall are its own.
	Make func(u object.Upload, stored []object.Part) (object.Version, error)
	// If is checked as that of PutObject.
	If Condition
}

// CompleteUpload makes the object: the listed parts, in the order of their numbers. The others are released. Repeated after
// success (within a day) it returns the same version again, without its content, and checks nothing. NoSuchBucket,
// NoSuchUpload, InvalidPart if a listed part does not exist; what Make and If return. On every error but
// OutcomeUnknown the upload is as it was.
func (l *Layer) CompleteUpload(ctx context.Context, c CompleteUpload) (Put, error) {
	name := uploadName{c.Bucket, c.Key, c.Upload}
	op := name.operation("fdblayer.CompleteUpload")
	op.conditional = c.If != nil
	now := l.o.Now()
	var v object.Version
	var place keys.Pending
	repeated := false
	done, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		repeated = false
		b, err := t.bucket(ctx, c.Bucket)
		if err != nil {
			return err
		}
		row := l.keys.Upload(b.ID, c.Key, c.Upload)
		upload, parts := t.Get(row), t.allParts(c.Upload)
		u, err := t.upload(ctx, op, upload, name)
		if err != nil {
			return err
		}
		if u.Completed != nil {
			v, repeated = *u.Completed, true
			v.Metadata = u.Metadata
			return errNothing
		}
		stored, unlisted, err := t.sortParts(ctx, parts, c.Numbers)
		if err != nil {
			return err
		}
		if v, err = c.build(op, u.Upload, stored); err != nil {
			return err
		}
		if err := t.check(ctx, b, c.Key, c.If); err != nil {
			return err
		}
		if place, err = t.addVersion(b, &v); err != nil {
			return err
		}
		return t.endUpload(row, endedUpload{bucket: b.ID, upload: u.Upload, version: &v, place: place, unlisted: unlisted, at: now})
	})
	if err != nil {
		return Put{}, err
	}
	if !repeated {
		v.Stamp = place.Stamp(done.Stamp)
	}
	return Put{Version: v, Token: l.token(done.Version)}, nil
}

// allParts asks for an upload's parts, serializably: a part that is replaced meanwhile is a conflict.
func (t *txn) allParts(upload object.Stamp) []kv.Future[kv.Page] {
	var pages []kv.Future[kv.Page]
	for first := 1; first <= object.PartsMax; first += completePartsPage {
		pages = append(pages, t.GetRange(t.l.keys.Parts(upload, first, first+completePartsPage-1), kv.RangeOptions{}))
	}
	return pages
}

// sortParts waits for the parts and tells the listed ones from the numbers of the others.
func (t *txn) sortParts(ctx context.Context, pages []kv.Future[kv.Page], listed []int) (stored []object.Part, unlisted []int, err error) {
	asked := slices.Clone(listed)
	slices.Sort(asked)
	for _, f := range pages {
		page, err := f.Get(ctx)
		if err != nil {
			return nil, nil, err
		}
		parts, err := t.l.decodeParts(page)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range parts {
			if _, ok := slices.BinarySearch(asked, p.Number); ok {
				stored = append(stored, p)
			} else {
				unlisted = append(unlisted, p.Number)
			}
		}
	}
	return stored, unlisted, nil
}

// build makes the version of the listed parts.
func (c *CompleteUpload) build(op operation, u object.Upload, stored []object.Part) (object.Version, error) {
	v, err := c.Make(u, stored)
	if err != nil {
		return v, err
	}
	asked := slices.Clone(c.Numbers)
	slices.Sort(asked)
	if asked = slices.Compact(asked); len(stored) != len(asked) || len(asked) == 0 {
		return v, &object.Error{
			Op: op.name, Kind: object.InvalidPart, Ref: op.ref, Err: fmt.Errorf("%d parts listed, %d found", len(asked), len(stored)),
		}
	}
	m := &object.Manifest{Upload: c.Upload, Parts: make([]object.ManifestPart, len(stored))}
	v.Key, v.SizeBytes, v.Content = c.Key, 0, object.Content{Manifest: m}
	for i, p := range stored {
		m.Parts[i] = object.ManifestPart{Number: p.Number, SizeBytes: p.SizeBytes}
		v.SizeBytes += p.SizeBytes
	}
	return v, nil
}

// endedUpload is an upload that became the version at place.
type endedUpload struct {
	bucket   object.BucketID
	upload   object.Upload
	version  *object.Version
	place    keys.Pending
	unlisted []int // numbers of the parts that are not of the version
	at       time.Time
}

// endUpload makes the upload's row a tombstone, which a queue remembers, and gives the reaper the parts to release.
func (t *txn) endUpload(row []byte, e endedUpload) error {
	value, err := keys.EncodeUploadOperand(&keys.Upload{Upload: e.upload, Completed: e.version}, e.place)
	if err != nil {
		return err
	}
	t.Atomic(kv.SetVersionstampedValue, row, value)
	shard, key := keys.ShardOfUpload(e.upload.ID), e.version.Key
	t.Atomic(kv.SetVersionstampedKey, t.l.keys.QueueEntryOperand(shard, keys.Tombstones, t.pending()),
		keys.EncodeTombstone(keys.Tombstone{Bucket: e.bucket, Key: key, Upload: e.upload.ID, Completed: e.at}))
	if len(e.unlisted) > 0 {
		t.event(shard, keys.Event{Bucket: e.bucket, Key: key, Upload: e.upload.ID, Parts: e.unlisted})
	}
	return nil
}
