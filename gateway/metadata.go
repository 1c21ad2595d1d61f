package gateway

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
)

const (
	userMetaPrefix     = "X-Amz-Meta-"
	sentUserMetaPrefix = "x-amz-meta-"
	standardClass      = "STANDARD"
	defaultType        = "binary/octet-stream" // S3's, for an object without Content-Type
	storageClass       = "X-Amz-Storage-Class"
	websiteRedirect    = "X-Amz-Website-Redirect-Location"
)

// metadata is what the request's headers say an object is to keep. Headers that ask
// for something that is not built are refused, never ignored.
func (r *request) metadata() (object.Metadata, error) {
	h := r.http.Header
	m := object.Metadata{Headers: object.Headers{
		ContentType:        h.Get("Content-Type"),
		CacheControl:       h.Get("Cache-Control"),
		ContentDisposition: h.Get("Content-Disposition"),
		ContentEncoding:    r.auth.ContentEncoding,
		ContentLanguage:    h.Get("Content-Language"),
		Expires:            h.Get("Expires"),
		WebsiteRedirect:    h.Get(websiteRedirect),
	}}
	if m.Headers.ContentType == "" {
		m.Headers.ContentType = defaultType
	}
	if err := checkSystemHeaders(&m.Headers); err != nil {
		return m, err
	}
	var err error
	if m.StorageClass, err = parseStorageClass(h.Get(storageClass)); err != nil {
		return m, err
	}
	m.User, err = userMetadata(h)
	return m, err
}

// checkSystemHeaders refuses what could not be kept or not be sent again: text that is not
// UTF-8, and control characters, which a presigned query can smuggle in.
func checkSystemHeaders(h *object.Headers) error {
	for _, f := range [...]headerField{
		{"Content-Type", h.ContentType},
		{"Cache-Control", h.CacheControl},
		{"Content-Disposition", h.ContentDisposition},
		{"Content-Encoding", h.ContentEncoding},
		{"Content-Language", h.ContentLanguage},
		{"Expires", h.Expires},
		{websiteRedirect, h.WebsiteRedirect},
	} {
		if !utf8.ValidString(f.value) || hasControl(f.value) {
			return invalidArgument(f.name, strconv.Quote(f.value), "The header is not valid text in UTF-8")
		}
	}
	to := h.WebsiteRedirect
	if to != "" && to[0] != '/' && !strings.HasPrefix(to, "http://") && !strings.HasPrefix(to, "https://") {
		return &object.Error{
			Op: "gateway.checkSystemHeaders", Kind: object.InvalidRedirectLocation,
			Ref: object.Ref{Argument: strings.ToLower(websiteRedirect), Value: to},
		}
	}
	return nil
}

// parseStorageClass takes the classes whose objects can be read at once; here
// they are labels without effect. An archive class would promise a restore.
func parseStorageClass(class string) (string, error) {
	switch class {
	case "", standardClass:
		return "", nil
	case "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR":
		return class, nil
	}
	return "", &object.Error{
		Op: "gateway.parseStorageClass", Kind: object.InvalidStorageClass,
		Ref: object.Ref{Argument: storageClass, Value: class},
	}
}

func storageClassName(class string) string {
	if class == "" {
		return standardClass
	}
	return class
}

// userMetadata gathers x-amz-meta-* and holds it to S3's limit, the bytes of
// all names (without prefix) and values. Values may come as RFC 2047 words, which is
// how clients send what is not ASCII (S3 User Guide, "User-defined object metadata").
func userMetadata(h http.Header) (map[string]string, error) {
	var user map[string]string
	size := 0
	for name, values := range h {
		if !strings.HasPrefix(name, userMetaPrefix) || len(name) == len(userMetaPrefix) {
			continue
		}
		// S3 joins a repeated header with a comma, without a space.
		value := strings.Join(values, ",")
		if strings.Contains(value, "=?") {
			if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
				value = decoded
			}
		}
		if !utf8.ValidString(value) {
			return nil, invalidArgument(name, strconv.Quote(value), "The header is not valid UTF-8")
		}
		short := strings.ToLower(name[len(userMetaPrefix):])
		if user == nil {
			user = map[string]string{}
		}
		user[short] = value
		size += len(short) + len(value)
	}
	if size > object.UserMetaBytes {
		return nil, &s3err.Error{Kind: object.MetadataTooLarge, Fields: []s3err.Field{
			{Name: "Size", Value: strconv.Itoa(size)},
			{Name: "MaxSizeAllowed", Value: strconv.Itoa(object.UserMetaBytes)},
		}}
	}
	return user, nil
}

// hasControl reports control characters, which no header can carry.
func hasControl(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' && value[i] != '\t' || value[i] == 0x7F {
			return true
		}
	}
	return false
}

// isToken reports whether a name can stand in a header (RFC 9110 §5.6.2). The server has seen to
// that for headers, not for what was in a presigned query.
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// unsupportedPrefixes begin headers of writes that ask for what is not built.
var unsupportedPrefixes = [...]string{
	"X-Amz-Server-Side-Encryption",
	"X-Amz-Copy-Source-Server-Side-Encryption",
	"X-Amz-Object-Lock-",
	"X-Amz-Bucket-Object-Lock-",
	"X-Amz-Tagging", // but see copying
	"X-Amz-Write-Offset-Bytes",
	"X-Amz-Bucket-Namespace",
}

// checkUnsupported refuses headers that ask for what is not built: taking the request
// without them would be a silent success.
func (r *request) checkUnsupported() error {
	for name, values := range r.http.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		if name == "X-Amz-Acl" || strings.HasPrefix(name, "X-Amz-Grant-") {
			if err := checkACL(name, values[0]); err != nil {
				return err
			}
		}
		if name == taggingDirective && values[0] == directiveCopy || strings.HasPrefix(name, "X-Amz-Bucket-Object-Lock-") && values[0] == "false" {
			continue
		}
		for _, p := range unsupportedPrefixes {
			if strings.HasPrefix(name, p) {
				return notImplemented(strings.ToLower(name))
			}
		}
	}
	return nil
}

// checkACL accepts the two canned lists that say what is so anyway: the bucket's owner
// owns everything ("Bucket owner enforced", S3's default).
func checkACL(name, value string) error {
	if name == "X-Amz-Acl" && (value == "private" || value == "bucket-owner-full-control") {
		return nil
	}
	if name == "X-Amz-Acl" && !slices.Contains(cannedACLs[:], value) {
		return invalidArgument("x-amz-acl", value, "")
	}
	return &object.Error{Op: "gateway.checkACL", Kind: object.ACLNotSupported, Ref: object.Ref{Argument: name, Value: value}}
}

// cannedACLs are those of S3 that grant something to others ("Canned ACL").
var cannedACLs = [...]string{
	"public-read", "public-read-write", "aws-exec-read", "authenticated-read", "bucket-owner-read", "log-delivery-write",
}

// setMetadata adds the headers that GET and HEAD give of an object.
func (r *response) setMetadata(m *object.Metadata) {
	r.set("Content-Type", orDefault(m.Headers.ContentType, defaultType))
	r.setOptional("Cache-Control", m.Headers.CacheControl)
	r.setOptional("Content-Disposition", m.Headers.ContentDisposition)
	r.setOptional("Content-Encoding", m.Headers.ContentEncoding)
	r.setOptional("Content-Language", m.Headers.ContentLanguage)
	r.setOptional("Expires", m.Headers.Expires)
	r.setOptional(websiteRedirect, m.Headers.WebsiteRedirect)
	r.setOptional(storageClass, m.StorageClass)
	for name, value := range m.User {
		// The name is in lower case on the wire, as S3 sends it: SDKs in languages whose
		// dictionaries tell Foo from foo hand it on as it came. Of the value only what is not
		// printable ASCII is encoded.
		r.set(sentUserMetaPrefix+name, mime.QEncoding.Encode("UTF-8", value))
	}
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// httpTime is a time as HTTP headers have it.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
