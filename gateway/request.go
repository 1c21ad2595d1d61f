package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

// request is one request whose signature is good.
type request struct {
	id     string
	http   *http.Request
	row    *route
	bucket object.BucketName
	key    object.Key
	query  url.Values
	// auth is nil in anonymous rows.
	auth  *sigv4.Auth
	store Store
}

// Names of query parameters that several operations share.
const (
	versionParam  = "versionId"
	uploadParam   = "uploadId"
	partParam     = "partNumber"
	encodingParam = "encoding-type"
)

// header is the first value of a header.
func (r *request) header(name string) string { return r.http.Header.Get(name) }

// parseQuery parses the query once the row is known.
func (r *request) parseQuery() error {
	if r.http.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(r.http.URL.RawQuery)
	if err != nil {
		return &s3err.Error{Kind: object.InvalidRequest, Message: "Couldn't parse the specified URI.", Err: err}
	}
	r.query = values
	return nil
}

// hoistQuery gives a presigned request the headers that its signer put into
// the query: S3 takes every x-amz-* parameter of a presigned URL for the header
// of that name, and SDKs rely on it.
func (r *request) hoistQuery() error {
	for name, values := range r.query {
		if !hasPrefixFold(name, amzPrefix) || isSigningParameter(name) || len(values) == 0 {
			continue
		}
		if !isToken(name) {
			return invalidArgument(strconv.Quote(name), values[0], "The parameter stands for a header, and its name is not valid in one")
		}
		if r.http.Header.Get(name) == "" {
			r.http.Header.Set(name, values[0])
		}
	}
	return nil
}

func isSigningParameter(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signedheaders",
		"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// checkExpectedOwner refuses a request that expects the bucket to be someone
// else's. Everything belongs to the one root user.
func (r *request) checkExpectedOwner() error {
	for _, name := range [...]string{"X-Amz-Expected-Bucket-Owner", "X-Amz-Source-Expected-Bucket-Owner"} {
		if owner := r.header(name); owner != "" && owner != rootOwner {
			return &object.Error{Op: "gateway.checkExpectedOwner", Kind: object.AccessDenied, Ref: object.Ref{Bucket: r.bucket}}
		}
	}
	return nil
}

// rootOwner owns every bucket and object as long as there is one user.
const rootOwner = "root"

// versionID is the version that the query asks for, "" for none.
func (r *request) versionID() (string, error) {
	values, ok := r.query[versionParam]
	if !ok {
		return "", nil
	}
	return values[0], validateVersionID(values[0])
}

func validateVersionID(id string) error {
	switch id {
	case "null":
		return nil
	case "":
		return invalidArgument(versionParam, id, "Version id cannot be the empty string")
	}
	if _, err := object.ParseStamp(id); err != nil {
		return invalidArgument(versionParam, id, "Invalid version id specified")
	}
	return nil
}

// uploadID is the upload that the query names. An id of another form than ours is the id of no
// upload, unless there is no bucket in the first place.
func (r *request) uploadID(ctx context.Context) (object.Stamp, error) {
	text := r.query.Get(uploadParam)
	id, err := object.ParseStamp(text)
	if err == nil {
		return id, nil
	}
	if _, _, err := r.store.GetBucket(ctx, r.bucket); err != nil {
		return id, err
	}
	return id, &object.Error{
		Op: "gateway.uploadID", Kind: object.NoSuchUpload,
		Ref: object.Ref{Bucket: r.bucket, Key: r.key, Upload: text},
	}
}

// countParam is a number of entries: S3 takes 0 to 2^31-1 and answers with at most
// limit of them. Absent or empty is limit.
func (r *request) countParam(name string, limit int) (int, error) {
	text := r.query.Get(name)
	if text == "" {
		return limit, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(name, text, fmt.Sprintf("Argument %s must be an integer between 0 and 2147483647", name))
	}
	return min(int(n), limit), nil
}

// partNumber is the partNumber parameter, 0 if there is none.
func (r *request) partNumber() (int, error) {
	values, ok := r.query[partParam]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 1 || n > object.PartsMax {
		return 0, invalidArgument(partParam, values[0],
			fmt.Sprintf("Part number must be an integer between 1 and %d, inclusive", object.PartsMax))
	}
	return n, nil
}

// urlEncoding reports whether the answer's strings are to be URL-encoded.
func (r *request) urlEncoding() (bool, error) {
	switch text := r.query.Get(encodingParam); text {
	case "":
		return false, nil
	case "url":
		return true, nil
	default:
		return false, invalidArgument(encodingParam, text, "Invalid Encoding Method specified in Request")
	}
}

// document reads the body, which is an XML document of at most bytesMax, and
// so checks the payload's hash before any of it is believed. Content-MD5 and
// x-amz-checksum-* are checked too.
func (r *request) document(bytesMax int64) (io.Reader, error) {
	if r.auth.SizeBytes > bytesMax {
		return nil, tooLarge(r.auth.SizeBytes, bytesMax)
	}
	body, err := io.ReadAll(io.LimitReader(r.auth.Body, bytesMax+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > bytesMax {
		return nil, tooLarge(int64(len(body)), bytesMax)
	}
	if err := r.checkDigests(body); err != nil {
		return nil, err
	}
	return bytes.NewReader(body), nil
}

// discardBody reads a body that the operation has no use for, so that its
// hash is checked and the connection can be used again.
func (r *request) discardBody(ctx context.Context) error {
	if r.http.ContentLength == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := r.document(createBucketBodyMaxBytes)
	return err
}

func tooLarge(proposed, bytesMax int64) error {
	return &s3err.Error{Kind: object.EntityTooLarge, Fields: []s3err.Field{
		{Name: "ProposedSize", Value: strconv.FormatInt(proposed, 10)},
		{Name: "MaxSizeAllowed", Value: strconv.FormatInt(bytesMax, 10)},
	}}
}

func invalidArgument(name, value, message string) error {
	return &s3err.Error{Kind: object.InvalidArgument, Message: message, Fields: []s3err.Field{
		{Name: "ArgumentName", Value: name},
		{Name: "ArgumentValue", Value: value},
	}}
}

func invalidRequest(message string) error {
	return &s3err.Error{Kind: object.InvalidRequest, Message: message}
}

func notImplemented(header string) error {
	return &s3err.Error{
		Kind:    object.NotImplemented,
		Message: "The header " + header + " implies functionality that is not implemented.",
		Fields:  []s3err.Field{{Name: "Header", Value: header}},
	}
}
