package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// getObject answers GetObject.
func (g *Gateway) getObject(ctx context.Context, r *request) (*response, error) {
	get, err := r.readObject()
	if err != nil {
		return nil, err
	}
	restrict := r.header("If-Range")
	if restrict != "" && get.Range != nil {
		restrictRange(&get, restrict)
	}
	o, content, err := r.store.GetObject(ctx, get)
	if restrict != "" && get.Range != nil && errors.Is(err, object.PreconditionFailed) && r.header("If-Match") == "" {
		// The object is another than the client has a part of: it gets all of it.
		get.Range, get.If.IfMatch = nil, nil
		o, content, err = r.store.GetObject(ctx, get)
	}
	res, err := r.objectResponse(get, o, err)
	if err == nil {
		res.content, res.contentBytes = content, o.Length
	}
	return res, err
}

// restrictRange applies If-Range (RFC 9110 §13.1.5): with an entity tag the range holds
// only for that version. A date can't identify a version to the second, so with a date the
// whole object is sent, which is always right.
func restrictRange(get *store.GetObject, restrict string) {
	if !strings.HasPrefix(restrict, `"`) || get.If.IfMatch != nil {
		get.Range = nil
		return
	}
	get.If.IfMatch = parseETags([]string{restrict})
}

// headObject answers HeadObject: GetObject's headers.
func (g *Gateway) headObject(ctx context.Context, r *request) (*response, error) {
	get, err := r.readObject()
	if err != nil {
		return nil, err
	}
	o, err := r.store.HeadObject(ctx, get)
	res, err := r.objectResponse(get, o, err)
	if err == nil {
		res.set("Content-Length", strconv.FormatInt(o.Length, 10))
	}
	return res, err
}

// readObject says what the request wants to read.
func (r *request) readObject() (store.GetObject, error) {
	get := store.GetObject{Bucket: r.bucket, Key: r.key, If: r.readConditions()}
	for _, name := range [...]string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Customer-Key"} {
		if r.header(name) != "" {
			return get, notImplemented(strings.ToLower(name))
		}
	}
	var err error
	if get.VersionID, err = r.versionID(); err != nil {
		return get, err
	}
	if get.PartNumber, err = r.partNumber(); err != nil {
		return get, err
	}
	if header := r.header("Range"); header != "" {
		if get.PartNumber != 0 {
			return get, invalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		get.Range = parseRange(header)
	}
	return get, nil
}

// objectResponse makes the headers of an object that was opened, also of one that was
// not because of a condition or a range.
func (r *request) objectResponse(get store.GetObject, o *store.Object, err error) (*response, error) {
	if o == nil {
		return r.absentResponse(err)
	}
	res := &response{token: o.Token, headers: make([]headerField, 0, 16)}
	v := &o.Version
	if err != nil {
		res.setIdentity(v, get.VersionID)
		res.setOptional("Cache-Control", v.Metadata.Headers.CacheControl)
		res.setOptional("Expires", v.Metadata.Headers.Expires)
		if errors.Is(err, object.InvalidRange) {
			res.set("Content-Range", fmt.Sprintf("bytes */%d", v.SizeBytes))
		}
		return res, r.readError(err, v)
	}
	res.set("Accept-Ranges", "bytes")
	res.setIdentity(v, get.VersionID)
	res.setMetadata(&v.Metadata)
	if err := r.override(res); err != nil {
		return &response{token: o.Token}, err
	}
	whole := o.Length == v.SizeBytes
	if strings.EqualFold(r.header(checksumMode), "ENABLED") && whole {
		// A checksum belongs to the whole object; beside a part of it, clients
		// would take it for the part's.
		res.setChecksum(v.Checksum)
	}
	if o.PartsCount > 0 {
		res.set("X-Amz-Mp-Parts-Count", strconv.Itoa(o.PartsCount))
	}
	if (get.Range != nil || get.PartNumber != 0) && v.SizeBytes > 0 { // Content-Range can't describe nothing
		res.status = http.StatusPartialContent
		res.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", o.Offset, o.Offset+o.Length-1, v.SizeBytes))
	}
	return res, nil
}

// setIdentity adds what says which version this is.
func (res *response) setIdentity(v *object.Version, asked string) {
	res.set("Etag", quoteETag(v.ETag))
	res.set("Last-Modified", httpTime(v.LastModified))
	if asked != "" {
		res.set(versionHeader, asked)
		return
	}
	res.setVersionID(v)
}

// absentResponse gives a delete marker's headers with the error that hides the object.
func (r *request) absentResponse(err error) (*response, error) {
	var e *object.Error
	if !errors.As(err, &e) || e.Kind != object.NoSuchKey && e.Kind != object.MethodNotAllowed || e.Ref.Version == "" {
		return nil, err
	}
	res := &response{}
	res.set("X-Amz-Delete-Marker", "true")
	res.set(versionHeader, e.Ref.Version)
	return res, err
}

// readError adds the fields that S3's error documents have.
func (r *request) readError(err error, v *object.Version) error {
	switch {
	case errors.Is(err, object.InvalidRange):
		return &s3err.Error{Kind: object.InvalidRange, Err: err, Fields: []s3err.Field{
			{Name: "RangeRequested", Value: r.header("Range")},
			{Name: "ActualObjectSize", Value: strconv.FormatInt(v.SizeBytes, 10)},
		}}
	case errors.Is(err, object.InvalidPartNumber):
		count := 1
		if v.Content.Manifest != nil {
			count = len(v.Content.Manifest.Parts)
		}
		return &s3err.Error{Kind: object.InvalidPartNumber, Err: err, Fields: []s3err.Field{
			{Name: "PartNumberRequested", Value: r.query.Get(partParam)},
			{Name: "ActualPartCount", Value: strconv.Itoa(count)},
		}}
	case errors.Is(err, object.PreconditionFailed):
		condition := "If-Unmodified-Since"
		if r.header("If-Match") != "" {
			condition = "If-Match"
		}
		return &s3err.Error{Kind: object.PreconditionFailed, Err: err, Fields: []s3err.Field{
			{Name: "Condition", Value: condition},
		}}
	}
	return err
}

// overrides are the response-* parameters and the headers that they replace.
var overrides = [...]headerField{
	{"response-content-type", "Content-Type"},
	{"response-content-language", "Content-Language"},
	{"response-expires", "Expires"},
	{"response-cache-control", "Cache-Control"},
	{"response-content-disposition", "Content-Disposition"},
	{"response-content-encoding", "Content-Encoding"},
}

// override applies response-*. Control characters can't be sent in a header.
func (r *request) override(res *response) error {
	for _, o := range overrides {
		value := r.query.Get(o.name)
		if value == "" {
			continue
		}
		if hasControl(value) {
			return invalidArgument(o.name, strconv.Quote(value), "Header value cannot be represented using ISO-8859-1.")
		}
		res.set(o.value, value) // a later field replaces an earlier one
	}
	return nil
}
