package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// sizes are those around every border of the data path: nothing, inline, one
// block, one stripe, several.
var sizes = []int{
	0, 1, 1023, 4095, 4096, 4097, 65535, 65536, 65537, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 12345, 9 << 20,
}

// TestRoundTrip: every size comes back, with its ETag, length and date.
func TestRoundTrip(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			key, body := fmt.Sprintf("size/%d", size), random(uint64(size), size)
			sum := md5.Sum(body)
			etag := `"` + hex.EncodeToString(sum[:]) + `"`
			before := time.Now().Add(-2 * time.Second)
			if out := put(t, c, b, key, body); aws.ToString(out.ETag) != etag {
				t.Errorf("ETag of the put: got %s, want %s", aws.ToString(out.ETag), etag)
			}
			out, got := get(t, c, b, key)
			if !bytes.Equal(got, body) {
				t.Fatalf("got %s, want %s", brief(got), brief(body))
			}
			if *out.ETag != etag || *out.ContentLength != int64(size) || out.LastModified.Before(before) {
				t.Errorf("got ETag %s, length %d, modified %s", *out.ETag, *out.ContentLength, out.LastModified)
			}
			head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: &key})
			noError(t, err)
			if *head.ETag != etag || *head.ContentLength != int64(size) || aws.ToString(head.AcceptRanges) != "bytes" {
				t.Errorf("head: got ETag %s, length %d, ranges %q", *head.ETag, *head.ContentLength, aws.ToString(head.AcceptRanges))
			}
		})
	}
}

// TestKeys: every key that S3 allows survives, as it is.
func TestKeys(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	keys := []string{
		"plain", "with space", "a/b/c", "a//b", "a/../b", "a/./b", "./x", "../x", "/leading", "//", "trailing/", "trailing//",
		"ümläut/日本語/🐘", "percent%20encoded", "plus+and&amp;", "q?mark", "hash#", "semi;colon", "quote'\"", "back\\slash", "tilde~star*",
		"%", "%2F", "new\nline", "tab\tkey", "control\x01\x1f", "del\x7f", "<xml>&", strings.Repeat("k", 1024), strings.Repeat("é", 512),
		"e\u0301 and \u00e9", // not normalised
	}
	for _, key := range keys {
		t.Run(fmt.Sprintf("%.40q", key), func(t *testing.T) {
			put(t, c, b, key, []byte(key))
			wantBody(t, c, b, key, []byte(key))
		})
	}
	got := map[string]bool{}
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &b, EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		noError(t, err)
		for _, o := range page.Contents {
			key, err := url.QueryUnescape(*o.Key)
			noError(t, err)
			got[key] = true
		}
	}
	for _, key := range keys {
		if !got[key] {
			t.Errorf("key %q is not in the list", key)
		}
	}
	if len(got) != len(keys) {
		t.Errorf("%d keys in the list, want %d", len(got), len(keys))
	}
	for _, key := range keys {
		_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: &key})
		noError(t, err)
	}
	_, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
	noError(t, err)
}

// TestKeyRefused: keys that S3 does not allow.
func TestKeyRefused(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String(strings.Repeat("k", 1025))})
	wantError(t, err, "KeyTooLongError", 400)
	r := send(t, rawRequest{method: "PUT", path: "/" + b + "/%FF%FE"})
	if r.StatusCode != 400 {
		t.Errorf("a key that is not UTF-8: got %d %s", r.StatusCode, r.body)
	}
}

// TestAbsentObject: what an absent key answers.
func TestAbsentObject(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	key := aws.String("absent")
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: key})
	wantError(t, err, "NoSuchKey", 404)
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: key})
	wantError(t, err, "NotFound", 404)
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: key})
	noError(t, err) // deleting what is not there succeeds
}

// TestOverwriteAndDelete: the newest write is what is read, at once.
func TestOverwriteAndDelete(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for i := range 20 {
		body := random(uint64(i), i*2000)
		put(t, c, b, "key", body)
		wantBody(t, c, b, "key", body)
	}
	_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("key")})
	noError(t, err)
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("key")})
	wantError(t, err, "NoSuchKey", 404)
	list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b})
	noError(t, err)
	if len(list.Contents) != 0 {
		t.Errorf("a deleted object is listed: %v", list.Contents)
	}
}

// TestRanges: RFC 9110's forms of one range, on inline, small and striped
// objects.
func TestRanges(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, size := range []int{100, 100_000, 2<<20 + 77} {
		body := random(uint64(size), size)
		key := fmt.Sprint(size)
		put(t, c, b, key, body)
		for _, tc := range []struct {
			header      string
			first, last int // of what is to come, -1: the whole with 200
		}{
			{"bytes=0-0", 0, 0},
			{"bytes=5-49", 5, 49},
			{"bytes=99-", 99, size - 1},
			{"bytes=-1", size - 1, size - 1},
			{fmt.Sprintf("bytes=-%d", size+10), 0, size - 1},
			{fmt.Sprintf("bytes=10-%d", size+1000), 10, size - 1},
			{fmt.Sprintf("bytes=%d-%d", size/2, size/2+20), size / 2, size/2 + 20},
			{"bytes=5-4", -1, 0}, // invalid: ignored
			{"characters=0-1", -1, 0},
			{"bytes=0-1,5-6", -1, 0}, // several ranges: S3 gives the whole
		} {
			t.Run(key+" "+tc.header, func(t *testing.T) {
				out, got := get(t, c, b, key, func(in *s3.GetObjectInput) { in.Range = aws.String(tc.header) })
				want, contentRange := body, ""
				if tc.first >= 0 {
					want = body[tc.first : tc.last+1]
					contentRange = fmt.Sprintf("bytes %d-%d/%d", tc.first, tc.last, size)
				}
				if !bytes.Equal(got, want) || aws.ToString(out.ContentRange) != contentRange {
					t.Errorf("got %s, %q; want %s, %q", brief(got), aws.ToString(out.ContentRange), brief(want), contentRange)
				}
			})
		}
		for _, header := range []string{fmt.Sprintf("bytes=%d-", size), "bytes=-0", fmt.Sprintf("bytes=%d-%d", size+5, size+9)} {
			_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: &key, Range: &header})
			wantError(t, err, "InvalidRange", 416)
		}
	}
	put(t, c, b, "empty", nil)
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("empty"), Range: aws.String("bytes=0-")})
	wantError(t, err, "InvalidRange", 416)
	// The last bytes of nothing are nothing (RFC 9110 §14.1.2), and Content-Range has no form for it.
	for _, method := range []string{"GET", "HEAD"} {
		r := send(t, rawRequest{method: method, path: "/" + b + "/empty", header: map[string]string{"Range": "bytes=-5"}})
		wantRaw(t, r, "", 200)
		if r.body != "" || r.Header.Get("Content-Range") != "" || r.ContentLength != 0 {
			t.Errorf("%s of the last bytes of an empty object: got %q, %v", method, r.body, r.Header)
		}
	}
}

// TestMetadataNames looks at the bytes on the wire: names of user metadata are in lower case there, because
// what an SDK makes of them may tell cases apart.
func TestMetadataNames(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "k", []byte("x"), func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"Mixed-Case": "v"} })
	var wire recording
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return recorded{conn, &wire}, err
	}}
	watched := client(t, func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: transport} })
	_, err := watched.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	noError(t, err)
	transport.CloseIdleConnections()
	wire.mu.Lock()
	defer wire.mu.Unlock()
	if !strings.Contains(wire.read.String(), "\r\nx-amz-meta-mixed-case: v\r\n") {
		t.Errorf("got %s", wire.read.String())
	}
}

// recorded is a connection that keeps what is read from it.
type recorded struct {
	net.Conn
	to *recording
}

type recording struct {
	mu   sync.Mutex
	read bytes.Buffer // guarded by mu
}

func (r recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	r.to.read.Write(p[:n])
	return n, err
}

// TestHeaders: system headers and user metadata come back; response-* override
// them.
func TestHeaders(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	put(t, c, b, "k", []byte("x"), func(in *s3.PutObjectInput) {
		in.ContentType = aws.String("text/x-test; charset=utf-8")
		in.CacheControl = aws.String("max-age=60")
		in.ContentDisposition = aws.String(`attachment; filename="a b.txt"`)
		in.ContentEncoding = aws.String("gzip")
		in.ContentLanguage = aws.String("de, en")
		in.Expires = &expires
		in.Metadata = map[string]string{"one": "1", "mixed-case": "Value With Spaces"}
	})
	out, _ := get(t, c, b, "k")
	for _, tc := range []struct{ name, got, want string }{
		{"Content-Type", aws.ToString(out.ContentType), "text/x-test; charset=utf-8"},
		{"Cache-Control", aws.ToString(out.CacheControl), "max-age=60"},
		{"Content-Disposition", aws.ToString(out.ContentDisposition), `attachment; filename="a b.txt"`},
		{"Content-Encoding", aws.ToString(out.ContentEncoding), "gzip"},
		{"Content-Language", aws.ToString(out.ContentLanguage), "de, en"},
		{"Expires", aws.ToString(out.ExpiresString), expires.Format(http.TimeFormat)},
		{"x-amz-meta-one", out.Metadata["one"], "1"},
		{"x-amz-meta-mixed-case", out.Metadata["mixed-case"], "Value With Spaces"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, tc.got, tc.want)
		}
	}
	over, _ := get(t, c, b, "k", func(in *s3.GetObjectInput) {
		in.ResponseContentType = aws.String("image/x-other")
		in.ResponseContentDisposition = aws.String("inline")
		in.ResponseCacheControl = aws.String("no-store")
	})
	if aws.ToString(over.ContentType) != "image/x-other" || aws.ToString(over.ContentDisposition) != "inline" ||
		aws.ToString(over.CacheControl) != "no-store" || aws.ToString(over.ContentLanguage) != "de, en" {
		t.Errorf("overrides: got %v", over)
	}
	put(t, c, b, "plain", []byte("x"), func(in *s3.PutObjectInput) { in.ContentType = nil })
	plain, _ := get(t, c, b, "plain")
	if !strings.Contains("application/octet-stream binary/octet-stream", aws.ToString(plain.ContentType)) {
		t.Errorf("default Content-Type: got %q", aws.ToString(plain.ContentType))
	}
}

// TestMetadataTooLarge: S3 bounds user metadata at 2 KB.
func TestMetadataTooLarge(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &b, Key: aws.String("k"), Metadata: map[string]string{"big": strings.Repeat("v", 2049)},
	})
	wantError(t, err, "MetadataTooLarge", 400)
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	wantError(t, err, "NoSuchKey", 404)
}

// TestContentMD5: right, wrong, malformed.
func TestContentMD5(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, size := range []int{3, 200_000} {
		body := random(1, size)
		sum := md5.Sum(body)
		good := base64.StdEncoding.EncodeToString(sum[:])
		wrong := base64.StdEncoding.EncodeToString(make([]byte, 16))
		key := fmt.Sprint(size)
		for _, tc := range []struct {
			name, header, code string
			status             int
		}{
			{"wrong", wrong, "BadDigest", 400},
			{"short", "AAAA", "InvalidDigest", 400},
			{"not base64", "!!!!", "InvalidDigest", 400},
			{"good", good, "", 200},
		} {
			r := send(t, rawRequest{
				method: "PUT", path: "/" + b + "/" + key, body: string(body), header: map[string]string{"Content-MD5": tc.header},
			})
			wantRaw(t, r, tc.code, tc.status)
			if tc.status != 200 {
				_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: &key})
				wantError(t, err, "NoSuchKey", 404)
			}
		}
		wantBody(t, c, b, key, body)
	}
}

// TestGzipAwsChunked: the transfer's own encoding is not the object's.
func TestGzipAwsChunked(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for header, want := range map[string]string{"gzip,aws-chunked": "gzip", "gzip, aws-chunked": "gzip", "aws-chunked": "", "aws-chunked,br": "br"} {
		body := "3\r\nabc\r\n0\r\n\r\n"
		r := send(t, rawRequest{
			method: "PUT", path: "/" + b + "/k", body: body, payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			header: map[string]string{"Content-Encoding": header, "X-Amz-Decoded-Content-Length": "3"},
		})
		wantRaw(t, r, "", 200)
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
		noError(t, err)
		if aws.ToString(head.ContentEncoding) != want || *head.ContentLength != 3 {
			t.Errorf("%q: stored as %q, %d bytes; want %q, 3 bytes", header, aws.ToString(head.ContentEncoding), *head.ContentLength, want)
		}
	}
}

// TestBatchDelete: present and absent keys, quiet, too many, malformed.
func TestBatchDelete(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	var keys []string
	for i := range 250 {
		key := fmt.Sprintf("k/%03d&<%d>", i, i)
		keys = append(keys, key)
		put(t, c, b, key, []byte("x"))
	}
	out, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: deleteOf(append(keys, "absent", keys[0])...)})
	noError(t, err)
	if len(out.Errors) != 0 || len(out.Deleted) < 251 {
		t.Errorf("deleted %d, errors %v", len(out.Deleted), out.Errors)
	}
	list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b})
	noError(t, err)
	if len(list.Contents) != 0 {
		t.Errorf("%d objects are left", len(list.Contents))
	}
	quiet := deleteOf("absent")
	quiet.Quiet = aws.Bool(true)
	out, err = c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: quiet})
	noError(t, err)
	if len(out.Deleted) != 0 {
		t.Errorf("quiet: got %v", out.Deleted)
	}
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	_, err = c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: deleteOf(many...)})
	wantError(t, err, "MalformedXML", 400)
	_, err = c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b, Delete: deleteOf(many[:1000]...)})
	noError(t, err)
	wantRaw(t, send(t, rawRequest{method: "POST", path: "/" + b + "?delete", body: "<Delete><Obj"}), "MalformedXML", 400)
}

// TestResponseIdentity: request ids and the version token are on every answer, good
// and bad.
func TestResponseIdentity(t *testing.T) {
	needServer(t)
	c := client(t)
	b := newBucket(t, c)
	for _, q := range []rawRequest{
		{method: "PUT", path: "/" + b + "/k", body: "x"},
		{method: "GET", path: "/" + b + "/k"},
		{method: "GET", path: "/" + b + "/absent"},
		{method: "HEAD", path: "/" + b + "/absent"},
		{method: "GET", path: "/" + b},
		{method: "GET", path: "/" + b, anonymous: true},
		{method: "DELETE", path: "/" + b + "/k"},
	} {
		r := send(t, q)
		for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2", "X-Stampede-Version"} {
			if r.Header.Get(name) == "" {
				t.Errorf("%s %s (%d): no %s", q.method, q.path, r.StatusCode, name)
			}
		}
		if id := r.Header.Get("X-Amz-Request-Id"); r.StatusCode >= 400 && q.method != "HEAD" && !strings.Contains(r.body, id) {
			t.Errorf("%s %s: the error document does not have the request id %s: %s", q.method, q.path, id, r.body)
		}
	}
}

// TestIncompleteBody: a client that goes away, or sends less than it said,
// leaves nothing.
func TestIncompleteBody(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, size := range []int{100, 3 << 20} {
		key := fmt.Sprint(size)
		e := target(t)
		request, err := http.NewRequestWithContext(t.Context(), "PUT", e.url+"/"+b+"/"+key, nil)
		noError(t, err)
		request.ContentLength = int64(size)
		sign(t, e, rawRequest{}, request)
		body, w := io.Pipe()
		request.Body = body
		go func() {
			_, _ = w.Write(make([]byte, size/2)) // the server may refuse any time
			w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			response.Body.Close()
			t.Errorf("half a body was answered with %s", response.Status)
		}
		_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: &key})
		wantError(t, err, "NoSuchKey", 404)
	}
}

// TestNotImplemented: sub-resources that are not built answer by name.
func TestNotImplemented(t *testing.T) {
	needServer(t)
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "k", []byte("x"))
	for _, sub := range []string{"lifecycle", "policy", "cors", "website", "encryption", "replication", "notification", "object-lock"} {
		wantRaw(t, send(t, rawRequest{method: "PUT", path: "/" + b + "?" + sub, body: "<X/>"}), "NotImplemented", 501)
	}
	for _, sub := range []string{"retention", "legal-hold", "torrent"} {
		wantRaw(t, send(t, rawRequest{method: "GET", path: "/" + b + "/k?" + sub}), "NotImplemented", 501)
	}
	wantBody(t, c, b, "k", []byte("x"))
}
