package gateway_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

func getNothing(_ context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
	return nil, nil, &object.Error{Op: "test", Kind: object.NoSuchKey, Ref: object.Ref{Bucket: g.Bucket, Key: g.Key}}
}

// getSpy answers with an empty object and shows the question to look.
func getSpy(look func(g store.GetObject)) func(context.Context, store.GetObject) (*store.Object, gateway.Content, error) {
	return func(_ context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
		look(g)
		return &store.Object{Version: object.Version{Kind: object.NullVersion}}, contentOf(""), nil
	}
}

// hello is an object of 5 bytes with everything that headers can tell.
func hello(_ context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
	v := object.Version{
		Key: g.Key, Kind: object.NullVersion, SizeBytes: 5, ETag: "abc", LastModified: someTime,
		Checksum: &object.Checksum{Algorithm: object.SHA256, Value: []byte("sum"), Composite: true, Parts: 2},
		Metadata: object.Metadata{
			Headers:      object.Headers{ContentType: "text/plain", CacheControl: "no-store", ContentEncoding: "gzip"},
			User:         map[string]string{"colour": "red", "name": "Jürgen\r\nX-Evil: 1"},
			StorageClass: "STANDARD_IA",
		},
	}
	if g.Range != nil {
		return &store.Object{Version: v, Offset: 1, Length: 3, Token: resultToken}, contentOf("ell"), nil
	}
	o := &store.Object{Version: v, Length: 5, Token: resultToken}
	if g.PartNumber != 0 {
		o.PartsCount = 2
	}
	return o, contentOf("hello"), nil
}

// TestGetObject looks at status, headers and bytes; HEAD must give the same headers.
func TestGetObject(t *testing.T) {
	g := newGateway(t, &fake{get: hello}, nil)
	for _, row := range []struct {
		name    string
		target  string
		headers map[string]string
		status  int
		body    string
		want    map[string]string // "" is absent
	}{
		{"whole", "/b/k", nil, 200, "hello", map[string]string{
			"ETag": `"abc"`, "Last-Modified": "Mon, 04 May 2026 03:02:01 GMT", "Accept-Ranges": "bytes", "Content-Length": "5",
			"Content-Type": "text/plain", "Cache-Control": "no-store", "Content-Encoding": "gzip", "Content-Range": "",
			"x-amz-meta-colour": "red", "x-amz-meta-name": "=?UTF-8?q?J=C3=BCrgen=0D=0AX-Evil:_1?=",
			"x-amz-storage-class": "STANDARD_IA", "x-amz-checksum-sha256": "", "x-amz-version-id": "",
			"x-stampede-version": resultToken.String(), "X-Evil": "",
		}},
		{"checksum", "/b/k", map[string]string{"x-amz-checksum-mode": "ENABLED"}, 200, "hello", map[string]string{
			"x-amz-checksum-sha256": "c3Vt-2", "x-amz-checksum-type": "COMPOSITE",
		}},
		{"range", "/b/k", map[string]string{"Range": "bytes=1-3", "x-amz-checksum-mode": "ENABLED"}, 206, "ell", map[string]string{
			"Content-Range": "bytes 1-3/5", "Content-Length": "3", "x-amz-checksum-sha256": "",
		}},
		{"several ranges", "/b/k", map[string]string{"Range": "bytes=1-2,4-5"}, 200, "hello", map[string]string{"Content-Range": ""}},
		{"part", "/b/k?partNumber=1", nil, 206, "hello", map[string]string{
			"Content-Range": "bytes 0-4/5", "x-amz-mp-parts-count": "2",
		}},
		{"null version", "/b/k?versionId=null", nil, 200, "hello", map[string]string{"x-amz-version-id": "null"}},
		{"overrides", "/b/k?response-content-type=a&response-cache-control=b&response-content-disposition=c" +
			"&response-content-encoding=d&response-content-language=e&response-expires=f", nil, 200, "hello", map[string]string{
			"Content-Type": "a", "Cache-Control": "b", "Content-Disposition": "c", "Content-Encoding": "d",
			"Content-Language": "e", "Expires": "f",
		}},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(row.name+" "+method, func(t *testing.T) {
				res := call{method: method, target: row.target, headers: row.headers}.do(t, g)
				want := row.body
				if method == "HEAD" {
					want = ""
				}
				if body := readAll(t, res); res.StatusCode != row.status || string(body) != want {
					t.Fatalf("got %d %q, want %d %q", res.StatusCode, body, row.status, want)
				}
				for name, want := range row.want {
					got := res.Header.Get(name)
					if strings.HasPrefix(name, "x-amz-meta-") { // sent in lower case
						got = strings.Join(res.Header[name], ",")
					}
					if got != want {
						t.Errorf("%s: got %q, want %q", name, got, want)
					}
				}
			})
		}
	}
}

// TestGetObjectQuestion expects the store to be asked for what the request says.
func TestGetObjectQuestion(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, row := range []struct {
		name    string
		target  string
		headers map[string]string
		want    func(g store.GetObject) bool
	}{
		{"plain", "/b/k", nil, func(g store.GetObject) bool {
			return g.Bucket == "b" && g.Key == "k" && g.VersionID == "" && g.Range == nil && g.PartNumber == 0
		}},
		{"version", "/b/k?versionId=" + someStamp.String(), nil, func(g store.GetObject) bool { return g.VersionID == someStamp.String() }},
		{"part", "/b/k?partNumber=10000", nil, func(g store.GetObject) bool { return g.PartNumber == 10000 }},
		{"tags", "/b/k", map[string]string{"If-Match": `"a", W/"b",c`, "If-None-Match": "*"}, func(g store.GetObject) bool {
			return len(g.If.IfMatch) == 3 && g.If.IfMatch[0] == "a" && g.If.IfMatch[1] == "b" && g.If.IfMatch[2] == "c" &&
				len(g.If.IfNoneMatch) == 1 && g.If.IfNoneMatch[0] == "*"
		}},
		{"dates", "/b/k", map[string]string{
			"If-Modified-Since": "Mon, 04 May 2026 03:02:01 GMT", "If-Unmodified-Since": "Monday, 04-May-26 03:02:01 GMT",
		}, func(g store.GetObject) bool {
			return g.If.IfModifiedSince.Equal(at) && g.If.IfUnmodifiedSince.Equal(at)
		}},
		{"bad date", "/b/k", map[string]string{"If-Modified-Since": "yesterday"}, func(g store.GetObject) bool {
			return g.If.IfModifiedSince.IsZero()
		}},
		{"If-Range with a tag", "/b/k", map[string]string{"If-Range": `"a"`, "Range": "bytes=1-"}, func(g store.GetObject) bool {
			return g.Range != nil && len(g.If.IfMatch) == 1 && g.If.IfMatch[0] == "a"
		}},
		{"If-Range with a date", "/b/k", map[string]string{"If-Range": "Mon, 04 May 2026 03:02:01 GMT", "Range": "bytes=1-"}, func(g store.GetObject) bool {
			return g.Range == nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got store.GetObject
			g := newGateway(t, &fake{get: getSpy(func(g store.GetObject) { got = g })}, nil)
			// An empty object has no range to send, so only the question counts.
			_ = call{method: "GET", target: row.target, headers: row.headers}.do(t, g)
			if !row.want(got) {
				t.Errorf("the store was asked for %+v", got)
			}
		})
	}
}

// TestIfRangeOfAnotherVersion expects the whole object when the client's part is of another version.
func TestIfRangeOfAnotherVersion(t *testing.T) {
	f := &fake{get: func(ctx context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
		o, c, err := hello(ctx, g)
		if g.If.IfMatch != nil {
			return o, nil, &object.Error{Op: "test", Kind: object.PreconditionFailed}
		}
		return o, c, err
	}}
	res := call{method: "GET", target: "/b/k", headers: map[string]string{"If-Range": `"old"`, "Range": "bytes=1-3"}}.do(t, newGateway(t, f, nil))
	if body := readAll(t, res); res.StatusCode != 200 || string(body) != "hello" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
}

// TestGetObjectErrors looks at the answers that carry an object's headers with an error, and at bad questions.
func TestGetObjectErrors(t *testing.T) {
	refuse := func(k object.Kind, ref object.Ref) *fake {
		return &fake{get: func(ctx context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
			o, _, _ := hello(ctx, store.GetObject{})
			if ref.Version != "" {
				o = nil
			}
			return o, nil, &object.Error{Op: "test", Kind: k, Ref: ref}
		}}
	}
	t.Run("not modified", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k"}.do(t, newGateway(t, refuse(object.NotModified, object.Ref{}), nil))
		if body := readAll(t, res); res.StatusCode != 304 || len(body) != 0 || res.Header.Get("ETag") != `"abc"` ||
			res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Length") != "" {
			t.Errorf("got %d %q %v", res.StatusCode, body, res.Header)
		}
	})
	t.Run("range", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k", headers: map[string]string{"Range": "bytes=9-"}}.do(t, newGateway(t, refuse(object.InvalidRange, object.Ref{}), nil))
		f := readFailure(t, res)
		if res.StatusCode != 416 || f.field("RangeRequested") != "bytes=9-" || f.field("ActualObjectSize") != "5" || res.Header.Get("Content-Range") != "bytes */5" {
			t.Errorf("got %d %+v %v", res.StatusCode, f, res.Header)
		}
	})
	t.Run("precondition", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k", headers: map[string]string{"If-Match": "x"}}.do(t, newGateway(t, refuse(object.PreconditionFailed, object.Ref{}), nil))
		if f := readFailure(t, res); res.StatusCode != 412 || f.field("Condition") != "If-Match" || res.Header.Get("ETag") != `"abc"` {
			t.Errorf("got %d %+v", res.StatusCode, f)
		}
	})
	t.Run("part number", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k?partNumber=7"}.do(t, newGateway(t, refuse(object.InvalidPartNumber, object.Ref{}), nil))
		if f := readFailure(t, res); res.StatusCode != 416 || f.field("PartNumberRequested") != "7" || f.field("ActualPartCount") != "1" {
			t.Errorf("got %d %+v", res.StatusCode, f)
		}
	})
	t.Run("delete marker", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k"}.do(t, newGateway(t, refuse(object.NoSuchKey, object.Ref{Version: "v"}), nil))
		if f := readFailure(t, res); f.Code != "NoSuchKey" || res.Header.Get("x-amz-delete-marker") != "true" || res.Header.Get("x-amz-version-id") != "v" {
			t.Errorf("got %+v %v", f, res.Header)
		}
	})
	for target, code := range map[string]string{
		"/b/k?versionId=":                       "InvalidArgument",
		"/b/k?versionId=x":                      "InvalidArgument",
		"/b/k?partNumber=0":                     "InvalidArgument",
		"/b/k?partNumber=10001":                 "InvalidArgument",
		"/b/k?partNumber=":                      "InvalidArgument",
		"/b/k?response-content-type=a%0D%0AB:c": "InvalidArgument",
		"/b/k?x=%zz":                            "InvalidRequest",
	} {
		t.Run(target, func(t *testing.T) {
			expectCode(t, call{method: "GET", target: target}.do(t, newGateway(t, &fake{get: hello}, nil)), code)
		})
	}
	t.Run("range and part", func(t *testing.T) {
		res := call{method: "GET", target: "/b/k?partNumber=1", headers: map[string]string{"Range": "bytes=0-"}}.do(t, newGateway(t, &fake{}, nil))
		expectCode(t, res, "InvalidRequest")
	})
}

// breaking writes some bytes and then fails.
type breaking struct {
	first string
	err   error
}

func (b breaking) WriteTo(w io.Writer) (int64, error) {
	if b.first == "" {
		return 0, b.err
	}
	n, err := io.WriteString(w, b.first)
	if err != nil {
		return int64(n), err
	}
	if b.err == nil {
		panic("a content that panics")
	}
	return int64(n), b.err
}

func (breaking) Close() error { return nil }

// TestBrokenContent expects bytes that are lost to be an error, and never an object that looks complete:
// before the first byte a 500, later a broken connection.
func TestBrokenContent(t *testing.T) {
	lost := &object.Error{Op: "test", Kind: object.LostBytes}
	for _, row := range []struct {
		name    string
		content breaking
		status  int
	}{
		{"before the first byte", breaking{"", lost}, 500},
		{"in the middle", breaking{"hel", lost}, 200},
		{"panic in the middle", breaking{"hel", nil}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &fake{get: func(ctx context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
				o, _, _ := hello(ctx, g)
				return o, row.content, nil
			}}
			var counted seen
			addr := serve(t, newGateway(t, f, func(o *gateway.Options) { o.Metrics = &counted }))
			res, body, err := fetch(t, "http://"+addr+"/b/k")
			if res.StatusCode != row.status {
				t.Fatalf("got status %d, want %d", res.StatusCode, row.status)
			}
			if row.status == 500 {
				if err != nil || !strings.Contains(body, "<Code>InternalError</Code>") || res.Header.Get("ETag") != "" {
					t.Errorf("got %q, %v, %v", body, res.Header, err)
				}
			} else if err == nil {
				t.Errorf("a broken object of 5 bytes was read as %q without an error", body)
			}
		})
	}
}
