package fdblayer

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// nullID is the version id that clients see of a key's null version.
const nullID = "null"

// Reading is a version held open: neither its rows nor its chunks are reclaimed until Close, as long as the
// session lives (see Held).
type Reading struct {
	Version object.Version
	Token   object.Token

	l       *Layer
	session *session
	at      kv.Version
	closed  atomic.Bool
}

// Held reports whether the version is still kept from being reclaimed. When bytes of it are missing, ask: if the session was
// fenced meanwhile they may have been deleted rightly, and nothing is lost.
func (r *Reading) Held() bool { return !r.session.lost.Load() }

// Close lets go. It may be called twice.
func (r *Reading) Close() {
	if !r.closed.Swap(true) {
		r.session.endRead(r.at)
	}
}

// OpenVersion finds a version: the current one when id is "", the null version for "null", else the
// one with that version id. NoSuchBucket, NoSuchKey, NoSuchVersion. A delete marker
// is returned as it is (Version.Kind): the caller decides. The caller closes what is returned.
func (l *Layer) OpenVersion(ctx context.Context, b object.BucketName, k object.Key, id string) (*Reading, error) {
	op := operation{name: "fdblayer.OpenVersion", ref: object.Ref{Bucket: b, Key: k, Version: id}}
	s, err := l.liveSession()
	if err != nil {
		return nil, &object.Error{Op: op.name, Kind: object.Unavailable, Ref: op.ref, Err: err}
	}
	r := &Reading{l: l, session: s}
	r.closed.Store(true) // until it is registered
	r.Token, err = l.read(ctx, op, func(ctx context.Context, t *txn) error {
		r.Close() // an attempt before
		if err := r.register(t.at); err != nil {
			return err
		}
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		v, err := l.find(ctx, t.Snapshot(), bucket, k, id)
		if err != nil {
			return err
		}
		if v == nil {
			return op.absent()
		}
		r.Version = *v
		return nil
	})
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// register holds the version that is read. Afterwards the view has come there, so a session that
// still lives was alive then: its mark counts.
func (r *Reading) register(at kv.Version) error {
	if !r.session.beginRead(at) {
		// A heartbeat has passed it since it was given: a fresh one is above the floor.
		return &kv.Error{Op: "fdblayer.register", Kind: kv.TooOld}
	}
	r.at = at
	r.closed.Store(false)
	if r.session.lost.Load() {
		return &object.Error{Op: "fdblayer.OpenVersion", Kind: object.Unavailable, Err: errNoSession}
	}
	return nil
}

// absent is the error of a version that was not found.
func (op operation) absent() error {
	kind := object.NoSuchKey
	if op.ref.Version != "" {
		kind = object.NoSuchVersion
	}
	return &object.Error{Op: op.name, Kind: kind, Ref: op.ref}
}

// find finds a version by id as OpenVersion does; nil if there is none.
func (l *Layer) find(ctx context.Context, r kv.Reader, b *pinnedBucket, k object.Key, id string) (found *object.Version, err error) {
	switch id {
	case "":
		err = l.walk(ctx, r, b, k, func(v *object.Version) bool {
			found = v
			return false
		})
		return found, err
	case nullID:
		err = l.walk(ctx, r, b, k, func(v *object.Version) bool {
			if v.Kind.IsNull() {
				found = v
			}
			return found == nil
		})
		return found, err
	}
	stamp, err := object.ParseStamp(id)
	if err != nil {
		return nil, nil // no version has such an id
	}
	return l.versionAt(ctx, r, b, k, stamp)
}

// versionAt reads the version with a stamp; nil if there is none. A null row has another id, and may be hidden.
func (l *Layer) versionAt(ctx context.Context, r kv.Reader, b *pinnedBucket, k object.Key, stamp object.Stamp) (*object.Version, error) {
	value, err := r.Get(l.keys.Version(b.ID, k, stamp)).Get(ctx)
	if err != nil || value == nil {
		return nil, err
	}
	v, err := keys.DecodeVersion(k, stamp, value)
	if err != nil || v.Kind.IsNull() {
		return nil, err
	}
	return &v, nil
}

// partsPage bounds the part rows read together.
const partsPage = 1000

// Parts reads the listed parts from index first to last (excluded) of a version whose content is a
// manifest (indexes into Manifest.Parts). InvalidArgument if there are no such parts. The rows cannot be gone while the
// version is held; Corrupt if one is, Unavailable if the session was fenced.
func (r *Reading) Parts(ctx context.Context, first, last int) ([]object.Part, error) {
	op := operation{name: "fdblayer.Parts", ref: object.Ref{Key: r.Version.Key, Version: r.Version.ID()}}
	m := r.Version.Content.Manifest
	if m == nil || first < 0 || last < first || last > len(m.Parts) {
		return nil, &object.Error{Op: op.name, Kind: object.InvalidArgument, Ref: op.ref}
	}
	var parts []object.Part
	listed := m.Parts[first:last]
	if len(listed) == 0 {
		return nil, nil
	}
	_, err := r.l.read(ctx, op, func(ctx context.Context, t *txn) (err error) {
		parts, err = r.l.readParts(ctx, t.Snapshot(), m.Upload, listed)
		return err
	})
	if err != nil && !r.Held() {
		return nil, &object.Error{Op: op.name, Kind: object.Unavailable, Ref: op.ref, Err: err}
	}
	return parts, err
}

// readParts reads the listed parts of an upload; their numbers ascend.
func (l *Layer) readParts(ctx context.Context, r kv.Reader, upload object.Stamp, listed []object.ManifestPart) ([]object.Part, error) {
	parts := make([]object.Part, 0, len(listed))
	rows := l.keys.Parts(upload, listed[0].Number, listed[len(listed)-1].Number)
	for len(parts) < len(listed) {
		page, err := r.GetRange(rows, kv.RangeOptions{Limit: partsPage}).Get(ctx)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			_, number, err := l.keys.ParsePart(row.Key)
			if err != nil {
				return nil, err
			}
			want := listed[len(parts)]
			if number < want.Number {
				continue // uploaded, but not listed
			}
			p, err := keys.DecodePart(number, row.Value)
			if err != nil {
				return nil, err
			}
			if number != want.Number || p.SizeBytes != want.SizeBytes {
				return nil, missingPart(upload, want)
			}
			if parts = append(parts, p.Part); len(parts) == len(listed) {
				return parts, nil
			}
		}
		if !page.More {
			return nil, missingPart(upload, listed[len(parts)])
		}
		rows.Begin = append(page.Rows[len(page.Rows)-1].Key, 0)
	}
	return parts, nil
}

func missingPart(upload object.Stamp, p object.ManifestPart) error {
	return &object.Error{
		Op: "fdblayer.Parts", Kind: object.Corrupt, Ref: object.Ref{Upload: upload.String(), Part: p.Number},
		Err: fmt.Errorf("a part of %d bytes is not where its manifest says", p.SizeBytes),
	}
}
