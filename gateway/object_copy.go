package gateway

import (
	"context"
	"net/url"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

const (
	metadataDirective = "X-Amz-Metadata-Directive"
	taggingDirective  = "X-Amz-Tagging-Directive"
	directiveCopy     = "COPY"
	directiveReplace  = "REPLACE"

	copySourceParam = "x-amz-copy-source"
)

// copyObject answers CopyObject.
func (g *Gateway) copyObject(ctx context.Context, r *request) (*response, error) {
	if err := r.checkUnsupported(); err != nil {
		return nil, err
	}
	if r.header(checksumAlgorithm) != "" {
		// It would mean to read the bytes; the copy has its source's checksum.
		return nil, notImplemented(checksumAlgorithm)
	}
	c := store.CopyObject{Bucket: r.bucket, Key: r.key, SourceIf: r.sourceConditions()}
	var err error
	if c.Source, c.SourceKey, c.SourceID, err = parseCopySource(r.header(copySource)); err != nil {
		return nil, err
	}
	if c.If, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if err := r.copyMetadata(&c); err != nil {
		return nil, err
	}
	if err := r.discardBody(ctx); err != nil {
		return nil, err
	}
	made, source, err := r.store.CopyObject(ctx, c)
	if err != nil {
		return nil, err
	}
	v := &made.Version
	doc := s3xml.CopyObjectResult{ETag: string(v.ETag), LastModified: v.LastModified, Checksum: checksumElement(v.Checksum)}
	res := xmlResponse(doc.XML(), made.Token)
	res.setVersionID(v)
	if c.SourceID != "" || !source.Kind.IsNull() {
		res.set("X-Amz-Copy-Source-Version-Id", source.ID())
	}
	return res, nil
}

// copyMetadata reads the directive and the metadata. All of it must be valid, also
// what the directive leaves unused.
func (r *request) copyMetadata(c *store.CopyObject) error {
	switch directive := r.header(metadataDirective); directive {
	case "", directiveCopy:
	case directiveReplace:
		c.Replace = true
	default:
		return invalidArgument("x-amz-metadata-directive", directive, "Unknown metadata directive.")
	}
	c.Restates = r.header(storageClass) != "" || r.header(websiteRedirect) != ""
	m, err := r.metadata()
	if c.Metadata = m; !c.Replace {
		c.Metadata = object.Metadata{
			StorageClass: m.StorageClass, Headers: object.Headers{WebsiteRedirect: m.Headers.WebsiteRedirect},
		}
	}
	return err
}

// parseCopySource parses x-amz-copy-source: bucket and key, URL-encoded, with an
// optional slash before and "?versionId=" behind.
func parseCopySource(header string) (b object.BucketName, k object.Key, versionID string, err error) {
	bad := func(message string) (object.BucketName, object.Key, string, error) {
		return "", "", "", invalidArgument(copySourceParam, header, message)
	}
	path, query, versioned := strings.Cut(header, "?")
	if versioned {
		text, ok := strings.CutPrefix(query, versionParam+"=")
		if !ok {
			return bad("Copy Source must mention the source bucket and key: /sourcebucket/sourcekey")
		}
		if versionID, err = url.QueryUnescape(text); err != nil {
			return bad("Invalid copy source encoding.")
		}
		if err := validateVersionID(versionID); err != nil {
			return "", "", "", err
		}
	}
	path, err = url.PathUnescape(path)
	if err != nil {
		return bad("Invalid copy source encoding.")
	}
	name, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || name == "" || key == "" {
		return bad("Copy Source must mention the source bucket and key: /sourcebucket/sourcekey")
	}
	if strings.HasPrefix(name, "arn:") {
		return bad("Access points are not supported as copy source.")
	}
	if err := object.Key(key).Validate(); err != nil {
		return "", "", "", err
	}
	return object.BucketName(name), object.Key(key), versionID, nil
}
