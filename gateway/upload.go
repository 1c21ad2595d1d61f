package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
	"github.com/stampede-store/stampede/store"
)

// createUpload answers CreateMultipartUpload.
func (g *Gateway) createUpload(ctx context.Context, r *request) (*response, error) {
	if err := r.checkUnsupported(); err != nil {
		return nil, err
	}
	u := object.Upload{Key: r.key}
	var err error
	if u.Metadata, err = r.metadata(); err != nil {
		return nil, err
	}
	if u.Algorithm, u.Composite, err = r.uploadChecksum(); err != nil {
		return nil, err
	}
	if err := r.discardBody(ctx); err != nil {
		return nil, err
	}
	u, token, err := r.store.CreateUpload(ctx, r.bucket, u)
	if err != nil {
		return nil, err
	}
	doc := s3xml.InitiateMultipartUploadResult{Bucket: string(r.bucket), Key: string(r.key), UploadID: u.ID.String()}
	res := xmlResponse(doc.XML(), token)
	if u.Algorithm != 0 {
		res.set(checksumAlgorithm, checksum.Name(u.Algorithm))
		res.set(checksumType, checksumTypeName(u.Composite))
	}
	return res, nil
}

// uploadChecksum is the checksum that the whole is to have. Types as S3 has them:
// CRC-64/NVME is of the full object only, SHA composite only, and the other
// CRCs either, composite unless said.
func (r *request) uploadChecksum() (a object.ChecksumAlgorithm, isComposite bool, err error) {
	name, kind := r.header(checksumAlgorithm), r.header(checksumType)
	if name == "" {
		if kind != "" {
			return 0, false, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return 0, false, nil
	}
	a, ok := checksum.Parse(name)
	if !ok {
		return 0, false, invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	switch kind {
	case "":
		isComposite = a != object.CRC64NVME
	case composite:
		isComposite = true
	case fullObject:
	default:
		return 0, false, invalidRequest("Value for x-amz-checksum-type header is invalid.")
	}
	fullOnly, compositeOnly := a == object.CRC64NVME, a == object.SHA1 || a == object.SHA256
	if fullOnly && isComposite || compositeOnly && !isComposite {
		return 0, false, invalidRequest("The " + checksumTypeName(isComposite) + " checksum type cannot be used with the " + checksum.Name(a) + " checksum algorithm.")
	}
	return a, isComposite, nil
}

// putPart answers UploadPart.
func (g *Gateway) putPart(ctx context.Context, r *request) (*response, error) {
	number, err := r.partNumber()
	if err != nil {
		return nil, err
	}
	if number == 0 || !r.query.Has(uploadParam) {
		return nil, invalidArgument(partParam, "", "This operation needs both a part number and an upload id.")
	}
	if err := r.checkUnsupported(); err != nil {
		return nil, err
	}
	id, err := r.uploadID(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.checkBodySize(); err != nil {
		return nil, err
	}
	digests, err := r.digests()
	if err != nil {
		return nil, err
	}
	part, token, err := r.store.PutPart(ctx, store.PutPart{
		Bucket: r.bucket, Key: r.key, Upload: id, Number: number,
		Body: r.auth.Body, SizeBytes: r.auth.SizeBytes, Digests: digests,
	})
	if err != nil {
		return nil, err
	}
	res := &response{token: token}
	res.set("Etag", quoteETag(part.ETag))
	if part.Checksum != nil {
		res.set(checksumNamesOf[part.Checksum.Algorithm].header, checksumText(part.Checksum))
	}
	return res, nil
}

// completeUpload answers CompleteMultipartUpload.
func (g *Gateway) completeUpload(ctx context.Context, r *request) (*response, error) {
	id, err := r.uploadID(ctx)
	if err != nil {
		return nil, err
	}
	c := store.CompleteUpload{Bucket: r.bucket, Key: r.key, Upload: id, SizeBytes: -1}
	if c.If, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if size := r.header("X-Amz-Mp-Object-Size"); size != "" {
		n, ok := parsePosition(size)
		if !ok {
			return nil, invalidRequest("Value for x-amz-mp-object-size header is invalid.")
		}
		c.SizeBytes = n
	}
	if c.Checksum, err = r.wholeChecksum(); err != nil {
		return nil, err
	}
	if kind := r.header(checksumType); kind != "" {
		c.Composite = new(kind == composite)
	}
	if c.Parts, err = r.completedParts(); err != nil {
		return nil, err
	}
	made, err := r.store.CompleteUpload(ctx, c)
	if err != nil {
		return nil, r.writeError(err)
	}
	doc := s3xml.CompleteMultipartUploadResult{
		Location: location(r.http), Bucket: string(r.bucket), Key: string(r.key),
		ETag: string(made.Version.ETag), Checksum: checksumElement(made.Version.Checksum),
	}
	res := xmlResponse(doc.XML(), made.Token)
	res.setVersionID(&made.Version)
	return res, nil
}

// location is the URL of the object: that of the request without its query.
func location(hr *http.Request) string {
	scheme := "http"
	if hr.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: hr.Host, Path: hr.URL.Path, RawPath: hr.URL.RawPath}).String()
}

// wholeChecksum is the checksum that the client claims of the completed
// object, in the headers; here they are not about the body.
func (r *request) wholeChecksum() (*object.Checksum, error) {
	a, text, err := r.checksumHeader()
	kind := r.header(checksumType)
	switch {
	case err != nil:
		return nil, err
	case kind != "" && kind != fullObject && kind != composite:
		return nil, invalidRequest("Value for x-amz-checksum-type header is invalid.")
	case a == 0:
		return nil, nil
	}
	// A composite one may come with its number of parts.
	text, count, counted := strings.Cut(text, "-")
	c := &object.Checksum{Algorithm: a, Composite: counted || kind == composite}
	if counted {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > object.PartsMax || kind == fullObject {
			return nil, invalidRequest("Value for " + strings.ToLower(checksumNamesOf[a].header) + " header is invalid.")
		}
		c.Parts = n
	}
	c.Value, err = decodeChecksum(a, text)
	return c, err
}

// completedParts reads the list of parts. The checksum headers of this operation are
// about the object, so the document is read without them.
func (r *request) completedParts() ([]store.CompletePart, error) {
	headers := r.http.Header
	r.http.Header = headers.Clone()
	defer func() { r.http.Header = headers }()
	for _, a := range algorithms {
		r.http.Header.Del(checksumNamesOf[a].header)
	}
	body, err := r.document(completeBodyMaxBytes)
	if err != nil {
		return nil, err
	}
	doc, err := s3xml.ParseCompleteMultipartUpload(body)
	if err != nil {
		return nil, err
	}
	parts := make([]store.CompletePart, len(doc.Parts))
	for i := range doc.Parts {
		p := &doc.Parts[i]
		tags := parseETags([]string{p.ETag})
		if len(tags) != 1 {
			return nil, r.invalidPart(p.PartNumber)
		}
		parts[i] = store.CompletePart{Number: p.PartNumber, ETag: tags[0]}
		if parts[i].Checksum, err = r.partChecksum(p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// partChecksum is the checksum listed with a part, nil if there is none.
func (r *request) partChecksum(p *s3xml.CompletedPart) (*object.Checksum, error) {
	var found *object.Checksum
	for _, listed := range [...]struct {
		algorithm object.ChecksumAlgorithm
		text      string
	}{
		{object.CRC32, p.ChecksumCRC32},
		{object.CRC32C, p.ChecksumCRC32C},
		{object.CRC64NVME, p.ChecksumCRC64NVME},
		{object.SHA1, p.ChecksumSHA1},
		{object.SHA256, p.ChecksumSHA256},
	} {
		if listed.text == "" {
			continue
		}
		value, err := base64.StdEncoding.DecodeString(listed.text)
		if err != nil || len(value) != checksum.SizeBytes(listed.algorithm) {
			return nil, r.invalidPart(p.PartNumber)
		}
		if found != nil {
			return nil, invalidArgument("Part", strconv.Itoa(p.PartNumber), "Only one checksum may be listed with a part.")
		}
		found = &object.Checksum{Algorithm: listed.algorithm, Value: value}
	}
	return found, nil
}

func (r *request) invalidPart(number int) error {
	return &object.Error{
		Op: "gateway.completeUpload", Kind: object.InvalidPart,
		Ref: object.Ref{Bucket: r.bucket, Key: r.key, Upload: r.query.Get(uploadParam), Part: number},
	}
}

// abortUpload answers AbortMultipartUpload.
func (g *Gateway) abortUpload(ctx context.Context, r *request) (*response, error) {
	id, err := r.uploadID(ctx)
	if err != nil {
		return nil, err
	}
	if r.header("X-Amz-If-Match-Initiated-Time") != "" {
		return nil, notImplemented("x-amz-if-match-initiated-time")
	}
	if err := r.discardBody(ctx); err != nil {
		return nil, err
	}
	token, err := r.store.AbortUpload(ctx, r.bucket, r.key, id)
	if err != nil {
		return nil, err
	}
	return noContent(token), nil
}
