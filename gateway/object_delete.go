package gateway

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
)

const deleteMarker = "X-Amz-Delete-Marker"

// deleteConditions are headers that make a deletion conditional. To ignore one
// would delete what the client wanted kept.
var deleteConditions = [...]string{
	"If-Match", "X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size",
}

// deleteObject answers DeleteObject.
func (g *Gateway) deleteObject(ctx context.Context, r *request) (*response, error) {
	for _, name := range deleteConditions {
		if r.header(name) != "" {
			return nil, notImplemented(name)
		}
	}
	id, err := r.versionID()
	if err != nil {
		return nil, err
	}
	if err := r.discardBody(ctx); err != nil {
		return nil, err
	}
	d, token, err := r.store.DeleteObject(ctx, r.bucket, fdblayer.DeleteObject{Key: r.key, VersionID: id})
	if err == nil {
		err = d.Err
	}
	if err != nil {
		return nil, err
	}
	res := noContent(token)
	if d.Marker {
		res.set(deleteMarker, "true")
	}
	res.setOptional(versionHeader, d.VersionID)
	return res, nil
}

// deleteObjects answers DeleteObjects: 200 with what became of each key. S3 wants
// Content-MD5 or a checksum; here the signed payload hash is enough too, and
// what came is verified.
func (g *Gateway) deleteObjects(ctx context.Context, r *request) (*response, error) {
	body, err := r.document(deleteBodyMaxBytes)
	if err != nil {
		return nil, err
	}
	request, err := s3xml.ParseDelete(body)
	if err != nil {
		return nil, err
	}
	outcomes := make([]error, len(request.Objects))
	wanted := make([]fdblayer.DeleteObject, 0, len(request.Objects))
	for i := range request.Objects {
		d, err := deletion(&request.Objects[i])
		if outcomes[i] = err; err == nil {
			wanted = append(wanted, d)
		}
	}
	deleted, token, err := r.deleteAll(ctx, wanted)
	if err != nil {
		return nil, err
	}
	doc := deleteResult(&request, outcomes, deleted)
	return xmlResponse(doc.XML(), token), nil
}

// deleteAll deletes what is left of a batch. With nothing left the bucket must still be
// there.
func (r *request) deleteAll(ctx context.Context, wanted []fdblayer.DeleteObject) ([]fdblayer.Deleted, object.Token, error) {
	if len(wanted) == 0 {
		_, token, err := r.store.GetBucket(ctx, r.bucket)
		return nil, token, err
	}
	return r.store.DeleteObjects(ctx, r.bucket, wanted)
}

// deletion checks one object of a batch.
func deletion(o *s3xml.DeleteObject) (fdblayer.DeleteObject, error) {
	d := fdblayer.DeleteObject{Key: object.Key(o.Key)}
	if err := d.Key.Validate(); err != nil {
		return d, err
	}
	if o.ETag != nil || o.LastModifiedTime != nil || o.Size != nil {
		return d, &s3err.Error{Kind: object.NotImplemented, Message: "Conditional deletes are not implemented."}
	}
	if o.VersionID != nil && *o.VersionID != "" {
		d.VersionID = *o.VersionID
		if validateVersionID(d.VersionID) != nil {
			// In a batch S3 says so of the one key.
			return d, &object.Error{
				Op: "gateway.deletion", Kind: object.NoSuchVersion, Ref: object.Ref{Key: d.Key, Version: d.VersionID},
			}
		}
	}
	return d, nil
}

// deleteResult puts the refused and the deleted back into the order of the
// request.
func deleteResult(request *s3xml.Delete, refused []error, deleted []fdblayer.Deleted) s3xml.DeleteResult {
	var doc s3xml.DeleteResult
	for i := range request.Objects {
		o := &request.Objects[i]
		asked := ""
		if o.VersionID != nil {
			asked = *o.VersionID
		}
		err := refused[i]
		var d fdblayer.Deleted
		if err == nil {
			d, deleted = deleted[0], deleted[1:]
			err = d.Err
		}
		switch {
		case err != nil:
			doc.Errors = append(doc.Errors, s3xml.DeleteError{
				Key: o.Key, VersionID: asked, Code: s3err.Of(s3err.KindOf(err)).Code, Message: s3err.Message(err),
			})
		case !request.Quiet:
			entry := s3xml.Deleted{Key: o.Key, VersionID: asked, DeleteMarker: d.Marker}
			if d.Marker {
				entry.DeleteMarkerVersionID = d.VersionID
			}
			doc.Deleted = append(doc.Deleted, entry)
		}
	}
	return doc
}
