package gateway

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// listRequest is what both versions of ListObjects share.
type listRequest struct {
	query fdblayer.ListObjects
	// encode is URLEncode or nothing, as encoding-type asks.
	encode       func(string) string
	encodingType string
}

func (r *request) listRequest() (listRequest, error) {
	l := listRequest{encode: func(s string) string { return s }}
	encoded, err := r.urlEncoding()
	if err != nil {
		return l, err
	}
	if encoded {
		l.encode, l.encodingType = s3xml.URLEncode, "url"
	}
	keysMax, err := r.countParam("max-keys", object.ListKeysMax)
	if err != nil {
		return l, err
	}
	l.query = fdblayer.ListObjects{
		Bucket: r.bucket, Prefix: r.query.Get("prefix"), Delimiter: r.query.Get("delimiter"), KeysMax: keysMax,
	}
	return l, nil
}

// document begins the answer with what both versions show.
func (l *listRequest) document(page *fdblayer.Listing, owner *s3xml.Owner) s3xml.Listing {
	doc := s3xml.Listing{
		Name: string(l.query.Bucket), Prefix: l.encode(l.query.Prefix), Delimiter: l.encode(l.query.Delimiter),
		EncodingType: l.encodingType, MaxKeys: l.query.KeysMax, IsTruncated: page.More,
		Contents:       make([]s3xml.ListedObject, len(page.Entries)),
		CommonPrefixes: make([]string, len(page.Prefixes)),
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		doc.Contents[i] = s3xml.ListedObject{
			Key: l.encode(string(e.Key)), LastModified: e.LastModified, ETag: string(e.ETag), SizeBytes: e.SizeBytes,
			StorageClass: storageClassName(e.StorageClass), Owner: owner,
		}
		doc.Contents[i].ChecksumAlgorithm, doc.Contents[i].ChecksumType = checksumKind(e.Checksum, e.Composite)
	}
	for i, p := range page.Prefixes {
		doc.CommonPrefixes[i] = l.encode(p)
	}
	return doc
}

// checksumKind names an algorithm and its type for a listing; "" for none.
func checksumKind(a object.ChecksumAlgorithm, isComposite bool) (algorithm, kind string) {
	if a == 0 {
		return "", ""
	}
	return checksum.Name(a), checksumTypeName(isComposite)
}

// listObjects answers ListObjects, version 1.
func (g *Gateway) listObjects(ctx context.Context, r *request) (*response, error) {
	l, err := r.listRequest()
	if err != nil {
		return nil, err
	}
	marker := r.query.Get("marker")
	l.query.After = marker
	page, err := r.store.ListObjects(ctx, l.query)
	if err != nil {
		return nil, err
	}
	doc := l.document(&page, &rootXML)
	doc.Marker = l.encode(marker)
	if page.More && l.query.Delimiter != "" {
		// Without a delimiter the last key is the marker, and S3 leaves it out.
		doc.NextMarker = l.encode(page.Next)
	}
	return xmlResponse(doc.XMLVersion1(), page.Token), nil
}

// listObjectsV2 answers ListObjectsV2.
func (g *Gateway) listObjectsV2(ctx context.Context, r *request) (*response, error) {
	l, err := r.listRequest()
	if err != nil {
		return nil, err
	}
	var token, startAfter *string
	if values, ok := r.query["start-after"]; ok {
		startAfter = new(l.encode(values[0]))
		l.query.After = values[0]
	}
	if values, ok := r.query["continuation-token"]; ok {
		token = &values[0]
		if *token != "" { // the token rules over start-after
			c, err := parseContinuation(*token)
			if err != nil {
				return nil, err
			}
			l.query.After, l.query.AfterPrefix = c.after, c.afterPrefix
		}
	}
	page, err := r.store.ListObjects(ctx, l.query)
	if err != nil {
		return nil, err
	}
	var owner *s3xml.Owner
	if r.query.Get("fetch-owner") == "true" {
		owner = &rootXML
	}
	doc := l.document(&page, owner)
	doc.ContinuationToken, doc.StartAfter = token, startAfter
	if page.More {
		doc.NextContinuationToken = continuation{after: page.Next, afterPrefix: page.NextIsPrefix}.String()
	}
	return xmlResponse(doc.XMLVersion2(), page.Token), nil
}
