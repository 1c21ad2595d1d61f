package gateway

import (
	"context"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// putObject answers PutObject.
func (g *Gateway) putObject(ctx context.Context, r *request) (*response, error) {
	if values, ok := r.query[versionParam]; ok {
		return nil, invalidArgument(versionParam, values[0], "This operation does not accept a version-id.")
	}
	if err := r.checkUnsupported(); err != nil {
		return nil, err
	}
	if err := r.checkBodySize(); err != nil {
		return nil, err
	}
	metadata, err := r.metadata()
	if err != nil {
		return nil, err
	}
	digests, err := r.digests()
	if err != nil {
		return nil, err
	}
	conditions, err := r.writeConditions()
	if err != nil {
		return nil, err
	}
	put, err := r.store.PutObject(ctx, store.PutObject{
		Bucket: r.bucket, Key: r.key,
		Body: r.auth.Body, SizeBytes: r.auth.SizeBytes,
		Metadata: metadata, Digests: digests, If: conditions,
	})
	if err != nil {
		return nil, r.writeError(err)
	}
	res := &response{token: put.Token}
	res.setWritten(&put.Version)
	return res, nil
}

// checkBodySize refuses a body of unknown length, as S3 does, and one that is larger
// than a single PUT may be.
func (r *request) checkBodySize() error {
	switch size := r.auth.SizeBytes; {
	case size < 0:
		return &object.Error{Op: "gateway.checkBodySize", Kind: object.MissingContentLength}
	case size > object.PutMaxBytes:
		return tooLarge(size, object.PutMaxBytes)
	}
	return nil
}

// setWritten adds what every operation that makes a version tells of it.
func (r *response) setWritten(v *object.Version) {
	r.set("Etag", quoteETag(v.ETag))
	r.setChecksum(v.Checksum)
	r.setVersionID(v)
}

const versionHeader = "X-Amz-Version-Id"

// setVersionID names the version, unless it is the null version: S3 names that one only
// in buckets that keep versions.
func (r *response) setVersionID(v *object.Version) {
	if !v.Kind.IsNull() {
		r.set(versionHeader, v.ID())
	}
}
