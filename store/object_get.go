package store

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// GetObject asks for an object.
type GetObject struct {
	Bucket    object.BucketName
	Key       object.Key
	VersionID string
	If        Conditions
	Range     *Range
	// PartNumber, if not 0, asks for one part of a multipart object (1 of any other).
	// With Range it is InvalidRequest.
	PartNumber int
}

// Object is an open object. Close it. It belongs to one goroutine at a time.
type Object struct {
	Version object.Version
	Token   object.Token
	// Offset and Length are the bytes that the body yields.
	Offset, Length int64
	// PartsCount is set for multipart objects asked for by part number.
	PartsCount int

	reading *fdblayer.Reading   // nil when nothing needs to be held
	body    io.WriterTo         // nil without one
	reader  *chunkclient.Reader // of the body, if it comes from nodes
}

// GetObject opens an object for reading. NoSuchBucket, NoSuchKey (also when the current version is a delete marker, whose
// id is then in Ref.Version), NoSuchVersion, MethodNotAllowed (a delete marker asked for by its id), PreconditionFailed,
// NotModified, InvalidRange, InvalidPartNumber. With the last four the *Object is returned too, without a
// body, for its headers. Reading ends when ctx does.
func (s *Store) GetObject(ctx context.Context, g GetObject) (*Object, error) {
	o, err := s.open(ctx, g)
	if err != nil {
		return o, err
	}
	if err := s.openBody(ctx, o); err != nil {
		_ = o.Close() // never fails
		return nil, err
	}
	return o, nil
}

// HeadObject is GetObject without opening the bytes.
func (s *Store) HeadObject(ctx context.Context, g GetObject) (*Object, error) {
	o, err := s.open(ctx, g)
	if err == nil {
		o.letGo()
	}
	return o, err
}

// open finds the version and evaluates conditions, range and part number. On success the reading is held.
func (s *Store) open(ctx context.Context, g GetObject) (*Object, error) {
	const op = "store.GetObject"
	if err := validateNames(g.Bucket, g.Key); err != nil {
		return nil, err
	}
	if err := validateVersionID(op, g.VersionID); err != nil {
		return nil, err
	}
	if g.Range != nil && g.PartNumber != 0 {
		return nil, &object.Error{Op: op, Kind: object.InvalidRequest, Message: "Cannot specify both Range header and partNumber query parameter"}
	}
	reading, err := s.layer.OpenVersion(ctx, g.Bucket, g.Key, g.VersionID)
	if err != nil {
		return nil, err
	}
	v := &reading.Version
	ref := object.Ref{Bucket: g.Bucket, Key: g.Key, Version: v.ID()}
	if !v.Kind.HasContent() {
		reading.Close()
		return nil, &object.Error{Op: op, Kind: markerKind(g.VersionID), Ref: ref}
	}
	o := &Object{Version: *v, Token: reading.Token, Length: v.SizeBytes, reading: reading}
	kind := g.If.checkRead(v)
	if kind == 0 {
		kind = o.restrict(g)
	}
	if kind != 0 {
		o.letGo()
		return o, &object.Error{Op: op, Kind: kind, Ref: ref}
	}
	return o, nil
}

// markerKind is what a delete marker is to a reader: nothing, or something that can't be read.
func markerKind(versionID string) object.Kind {
	if versionID != "" {
		return object.MethodNotAllowed
	}
	return object.NoSuchKey
}

// restrict sets Offset and Length to what g asks for. It returns 0, InvalidRange or InvalidPartNumber.
func (o *Object) restrict(g GetObject) object.Kind {
	ok := true
	switch {
	case g.Range != nil:
		if o.Offset, o.Length, ok = g.Range.within(o.Version.SizeBytes); !ok {
			return object.InvalidRange
		}
	case g.PartNumber != 0:
		if o.Offset, o.Length, o.PartsCount, ok = partRange(&o.Version, g.PartNumber); !ok {
			return object.InvalidPartNumber
		}
	}
	return 0
}

// openBody prepares WriteTo. Nothing is read yet.
func (s *Store) openBody(ctx context.Context, o *Object) (err error) {
	c := o.Version.Content
	switch {
	case o.Length == 0:
		o.letGo()
		return nil
	case c.Inline != nil:
		o.letGo() // the bytes are here: nothing to hold
		if o.Offset+o.Length > int64(len(c.Inline)) {
			return o.inconsistent("the row holds fewer bytes than it says")
		}
		o.body = bytes.NewReader(c.Inline[o.Offset : o.Offset+o.Length])
		return nil
	case c.Blob != nil:
		o.reader, err = s.chunks.OpenBlob(ctx, *c.Blob, o.Offset, o.Length)
		if err != nil {
			return o.inconsistent("the blob is not what the row says: " + err.Error())
		}
	case c.Manifest != nil:
		o.reader = s.chunks.Open(ctx, newManifestSource(o))
	default:
		return o.inconsistent("the row has no content")
	}
	o.body = o.reader
	return nil
}

// inconsistent is a row that contradicts itself: never "no such key".
func (o *Object) inconsistent(what string) error {
	return &object.Error{
		Op: "store.GetObject", Kind: object.Corrupt,
		Ref: object.Ref{Key: o.Version.Key, Version: o.Version.ID()}, Err: errors.New(what),
	}
}

// WriteTo writes the bytes; every block is verified before a byte of it is
// written. Bytes that are found wrong or missing end it with Corrupt or LostBytes; errors of w are returned as they are.
func (o *Object) WriteTo(w io.Writer) (int64, error) {
	if o.body == nil {
		return 0, nil
	}
	n, err := o.body.WriteTo(w)
	if errors.Is(err, object.LostBytes) && o.reading != nil && !o.reading.Held() {
		// The session was fenced while we read: the chunks may have been deleted
		// rightly, nothing is lost (DESIGN §9).
		err = &object.Error{
			Op: "store.GetObject", Kind: object.Unavailable,
			Ref: object.Ref{Key: o.Version.Key, Version: o.Version.ID()}, Err: err,
		}
	}
	return n, err
}

// Close ends reading. It may be called twice, and never fails.
func (o *Object) Close() error {
	if o.reader != nil {
		_ = o.reader.Close() // never fails
	}
	o.letGo()
	return nil
}

// letGo releases the version for reclaiming.
func (o *Object) letGo() {
	if o.reading != nil {
		o.reading.Close()
		o.reading = nil
	}
}
