package gateway

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
	"github.com/stampede-store/stampede/store"
)

const (
	checksumPrefix    = "X-Amz-Checksum-"
	checksumAlgorithm = "X-Amz-Checksum-Algorithm"
	checksumMode      = "X-Amz-Checksum-Mode"
	checksumType      = "X-Amz-Checksum-Type"
	sdkAlgorithm      = "X-Amz-Sdk-Checksum-Algorithm"
	trailerHeader     = "X-Amz-Trailer"

	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// algorithms are those of S3, in the order in which headers are looked at.
var algorithms = [...]object.ChecksumAlgorithm{
	object.CRC32, object.CRC32C, object.CRC64NVME, object.SHA1, object.SHA256,
}

// checksumNames are the header and the XML element of an algorithm, made once
// because headers are looked up in canonical form on every request.
type checksumNames struct{ header, element string }

var checksumNamesOf = func() (names [object.SHA256 + 1]checksumNames) {
	for _, a := range algorithms {
		names[a] = checksumNames{
			header:  http.CanonicalHeaderKey(checksum.Header(a)),
			element: "Checksum" + checksum.Name(a),
		}
	}
	return names
}()

// digests are the claims that the request makes of its body.
func (r *request) digests() (store.Digests, error) {
	var d store.Digests
	var err error
	if d.MD5, err = r.contentMD5(); err != nil {
		return d, err
	}
	claimed, value, err := r.checksumHeader()
	if err != nil {
		return d, err
	}
	trailer, err := r.checksumTrailer()
	if err != nil {
		return d, err
	}
	if claimed != 0 && trailer != 0 {
		return d, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	d.Algorithm = claimed
	if claimed != 0 {
		if d.Value, err = decodeChecksum(claimed, value); err != nil {
			return d, err
		}
	}
	if trailer != 0 {
		d.Algorithm = trailer
		d.Trailer = func() ([]byte, error) { return r.trailingChecksum(trailer) }
	}
	return d, r.checkAlgorithm(d.Algorithm)
}

// contentMD5 is the raw value of Content-MD5, nil if there is none.
func (r *request) contentMD5() ([]byte, error) {
	values, ok := r.http.Header["Content-Md5"]
	if !ok {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil || len(sum) != md5.Size {
		return nil, &object.Error{
			Op: "gateway.contentMD5", Kind: object.InvalidDigest,
			Ref: object.Ref{Argument: "Content-MD5", Value: values[0]},
		}
	}
	return sum, nil
}

// checksumHeader finds the one x-amz-checksum-<algorithm> header; 0 if there
// is none.
func (r *request) checksumHeader() (found object.ChecksumAlgorithm, value string, err error) {
	for _, a := range algorithms {
		values, ok := r.http.Header[checksumNamesOf[a].header]
		if !ok {
			continue
		}
		if found != 0 {
			return 0, "", invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		found, value = a, values[0]
	}
	if found == 0 {
		// A checksum that we don't know must not pass unverified.
		for name := range r.http.Header {
			if strings.HasPrefix(name, checksumPrefix) && name != checksumAlgorithm && name != checksumMode && name != checksumType {
				return 0, "", notImplemented(strings.ToLower(name))
			}
		}
	}
	return found, value, nil
}

// checksumTrailer is the algorithm of the checksum that will follow the body.
func (r *request) checksumTrailer() (object.ChecksumAlgorithm, error) {
	name := r.header(trailerHeader)
	if name == "" {
		return 0, nil
	}
	canonical := http.CanonicalHeaderKey(strings.TrimSpace(name))
	for _, a := range algorithms {
		if checksumNamesOf[a].header == canonical {
			return a, nil
		}
	}
	return 0, invalidRequest("The value specified in the x-amz-trailer header is not supported")
}

func (r *request) trailingChecksum(a object.ChecksumAlgorithm) ([]byte, error) {
	var value string
	if r.auth.Trailer != nil {
		value = r.auth.Trailer().Get(checksumNamesOf[a].header)
	}
	if value == "" {
		return nil, invalidRequest("The trailer that x-amz-trailer announced was not sent.")
	}
	return decodeChecksum(a, value)
}

// checkAlgorithm holds x-amz-sdk-checksum-algorithm, in any case, to the checksum that came.
func (r *request) checkAlgorithm(came object.ChecksumAlgorithm) error {
	name := r.header(sdkAlgorithm)
	if name == "" {
		return nil
	}
	a, ok := checksum.Parse(strings.ToUpper(name))
	switch {
	case !ok:
		return invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case came == 0:
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case a != came:
		return invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// decodeChecksum is the raw value of a checksum in base64.
func decodeChecksum(a object.ChecksumAlgorithm, text string) ([]byte, error) {
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != checksum.SizeBytes(a) {
		return nil, invalidRequest("Value for " + strings.ToLower(checksumNamesOf[a].header) + " header is invalid.")
	}
	return value, nil
}

// checkDigests verifies Content-MD5 and the checksum of a document that is in memory.
func (r *request) checkDigests(body []byte) error {
	d, err := r.digests()
	if err != nil {
		return err
	}
	if d.MD5 != nil {
		if sum := md5.Sum(body); !bytes.Equal(sum[:], d.MD5) {
			return &object.Error{Op: "gateway.checkDigests", Kind: object.BadDigest}
		}
	}
	if d.Algorithm == 0 {
		return nil
	}
	claimed := d.Value
	if d.Trailer != nil {
		if claimed, err = d.Trailer(); err != nil {
			return err
		}
	}
	h := checksum.New(d.Algorithm)
	_, _ = h.Write(body) // a hash never fails
	if !bytes.Equal(h.Sum(nil), claimed) {
		return &object.Error{Op: "gateway.checkDigests", Kind: object.BadDigest}
	}
	return nil
}

// checksumText is the value that clients see: base64, for a composite one with the
// number of parts.
func checksumText(c *object.Checksum) string {
	text := base64.StdEncoding.EncodeToString(c.Value)
	if c.Composite && c.Parts > 0 {
		text += "-" + strconv.Itoa(c.Parts)
	}
	return text
}

func checksumTypeName(isComposite bool) string {
	if isComposite {
		return composite
	}
	return fullObject
}

// setChecksum adds the headers of a checksum, if there is one.
func (r *response) setChecksum(c *object.Checksum) {
	if c == nil {
		return
	}
	r.set(checksumNamesOf[c.Algorithm].header, checksumText(c))
	r.set(checksumType, checksumTypeName(c.Composite))
}

// checksumElement is a checksum for a document.
func checksumElement(c *object.Checksum) s3xml.Checksum {
	if c == nil {
		return s3xml.Checksum{}
	}
	return s3xml.Checksum{
		Element: checksumNamesOf[c.Algorithm].element,
		Value:   checksumText(c),
		Type:    checksumTypeName(c.Composite),
	}
}
