package gateway

import (
	"context"
	"strconv"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
)

// listParts answers ListParts.
func (g *Gateway) listParts(ctx context.Context, r *request) (*response, error) {
	id, err := r.uploadID(ctx)
	if err != nil {
		return nil, err
	}
	limit, err := r.countParam("max-parts", object.ListKeysMax)
	if err != nil {
		return nil, err
	}
	after, err := r.partMarker()
	if err != nil {
		return nil, err
	}
	page, err := r.store.ListParts(ctx, r.bucket, r.key, id, after, limit)
	if err != nil {
		return nil, err
	}
	doc := s3xml.ListPartsResult{
		Bucket: string(r.bucket), Key: string(r.key), UploadID: id.String(),
		PartNumberMarker: after, MaxParts: limit, IsTruncated: page.More,
		Parts: make([]s3xml.Part, len(page.Parts)), Owner: rootXML,
		StorageClass: storageClassName(page.Upload.Metadata.StorageClass),
	}
	doc.ChecksumAlgorithm, doc.ChecksumType = checksumKind(page.Upload.Algorithm, page.Upload.Composite)
	for i := range page.Parts {
		p := &page.Parts[i]
		doc.Parts[i] = s3xml.Part{
			Number: p.Number, LastModified: p.LastModified, ETag: string(p.ETag), SizeBytes: p.SizeBytes,
			Checksum: checksumElement(p.Checksum),
		}
		doc.NextPartNumberMarker = p.Number
	}
	return xmlResponse(doc.XML(), page.Token), nil
}

// partMarker is the part number that the listing begins behind. A marker beyond the
// last possible part is behind everything.
func (r *request) partMarker() (int, error) {
	text := r.query.Get("part-number-marker")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument("part-number-marker", text, "Argument part-number-marker must be an integer between 0 and 2147483647")
	}
	return min(int(n), object.PartsMax), nil
}

// listUploads answers ListMultipartUploads.
func (g *Gateway) listUploads(ctx context.Context, r *request) (*response, error) {
	l, err := r.listRequest()
	if err != nil {
		return nil, err
	}
	limit, err := r.countParam("max-uploads", object.ListKeysMax)
	if err != nil {
		return nil, err
	}
	keyMarker, idMarker := r.query.Get("key-marker"), r.query.Get("upload-id-marker")
	q := fdblayer.ListUploads{
		Bucket: r.bucket, Prefix: l.query.Prefix, Delimiter: l.query.Delimiter,
		AfterKey: keyMarker, UploadsMax: limit,
	}
	if idMarker != "" && keyMarker != "" { // alone S3 ignores it
		if q.AfterUpload, err = object.ParseStamp(idMarker); err != nil {
			return nil, invalidArgument("upload-id-marker", idMarker, "Invalid uploadId marker")
		}
	}
	page, err := r.store.ListUploads(ctx, q)
	if err != nil {
		return nil, err
	}
	doc := s3xml.ListMultipartUploadsResult{
		Bucket: string(r.bucket), Prefix: l.encode(q.Prefix), Delimiter: l.encode(q.Delimiter), EncodingType: l.encodingType,
		KeyMarker: l.encode(keyMarker), UploadIDMarker: idMarker,
		MaxUploads: limit, IsTruncated: page.More, Owner: rootXML,
		Uploads: make([]s3xml.Upload, len(page.Uploads)), CommonPrefixes: make([]string, len(page.Prefixes)),
	}
	for i := range page.Uploads {
		u := &page.Uploads[i]
		doc.Uploads[i] = s3xml.Upload{
			Key: l.encode(string(u.Key)), UploadID: u.ID.String(), Initiated: u.Initiated,
			StorageClass: storageClassName(u.Metadata.StorageClass),
		}
		doc.Uploads[i].ChecksumAlgorithm, doc.Uploads[i].ChecksumType = checksumKind(u.Algorithm, u.Composite)
	}
	for i, p := range page.Prefixes {
		doc.CommonPrefixes[i] = l.encode(p)
	}
	if page.More {
		doc.NextKeyMarker = l.encode(page.NextKey)
		if !page.NextIsPrefix && !page.NextUpload.IsZero() {
			doc.NextUploadIDMarker = page.NextUpload.String()
		}
	}
	return xmlResponse(doc.XML(), page.Token), nil
}
