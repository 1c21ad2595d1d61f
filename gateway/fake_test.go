package gateway_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// fake is a store whose operations a test writes itself: the gateway is tested
// for what it asks and for how it tells the answer. An operation that a test did
// not write panics, so a handler that calls too much fails.
type fake struct {
	gateway.Store

	createBucket  func(b object.Bucket) error
	getBucket     func(name object.BucketName) (object.Bucket, error)
	deleteBucket  func(name object.BucketName) error
	listBuckets   func(prefix, after string, limit int) (fdblayer.BucketPage, error)
	put           func(ctx context.Context, p store.PutObject) (store.Put, error)
	get           func(ctx context.Context, g store.GetObject) (*store.Object, gateway.Content, error)
	copyObject    func(c store.CopyObject) (store.Put, object.Version, error)
	deleteObject  func(d fdblayer.DeleteObject) (fdblayer.Deleted, error)
	deleteObjects func(d []fdblayer.DeleteObject) ([]fdblayer.Deleted, error)
	listObjects   func(q fdblayer.ListObjects) (fdblayer.Listing, error)
	createUpload  func(u object.Upload) (object.Upload, error)
	putPart       func(p store.PutPart) (object.Part, error)
	complete      func(c store.CompleteUpload) (store.Put, error)
	abort         func(k object.Key, id object.Stamp) error
	listParts     func(k object.Key, id object.Stamp, after, limit int) (fdblayer.PartPage, error)
	listUploads   func(q fdblayer.ListUploads) (fdblayer.UploadPage, error)
}

var (
	newestToken = object.Token{Cluster: "c", Era: 1, Version: 7}
	resultToken = object.Token{Cluster: "c", Era: 1, Version: 8}
)

func (f *fake) Token() object.Token { return newestToken }

func (f *fake) CreateBucket(_ context.Context, b object.Bucket) (object.Token, error) {
	return resultToken, f.createBucket(b)
}

func (f *fake) GetBucket(_ context.Context, n object.BucketName) (object.Bucket, object.Token, error) {
	b, err := f.getBucket(n)
	return b, resultToken, err
}

func (f *fake) DeleteBucket(_ context.Context, n object.BucketName) (object.Token, error) {
	return resultToken, f.deleteBucket(n)
}

func (f *fake) ListBuckets(_ context.Context, prefix, after string, limit int) (fdblayer.BucketPage, error) {
	return f.listBuckets(prefix, after, limit)
}

func (f *fake) PutObject(ctx context.Context, p store.PutObject) (store.Put, error) {
	return f.put(ctx, p)
}

func (f *fake) GetObject(ctx context.Context, g store.GetObject) (*store.Object, gateway.Content, error) {
	return f.get(ctx, g)
}

func (f *fake) HeadObject(ctx context.Context, g store.GetObject) (*store.Object, error) {
	o, _, err := f.get(ctx, g)
	return o, err
}

func (f *fake) CopyObject(_ context.Context, c store.CopyObject) (store.Put, object.Version, error) {
	return f.copyObject(c)
}

func (f *fake) DeleteObject(_ context.Context, _ object.BucketName, d fdblayer.DeleteObject) (fdblayer.Deleted, object.Token, error) {
	deleted, err := f.deleteObject(d)
	return deleted, resultToken, err
}

func (f *fake) DeleteObjects(_ context.Context, _ object.BucketName, d []fdblayer.DeleteObject) ([]fdblayer.Deleted, object.Token, error) {
	deleted, err := f.deleteObjects(d)
	return deleted, resultToken, err
}

func (f *fake) ListObjects(_ context.Context, q fdblayer.ListObjects) (fdblayer.Listing, error) {
	return f.listObjects(q)
}

func (f *fake) CreateUpload(_ context.Context, _ object.BucketName, u object.Upload) (object.Upload, object.Token, error) {
	made, err := f.createUpload(u)
	return made, resultToken, err
}

func (f *fake) PutPart(_ context.Context, p store.PutPart) (object.Part, object.Token, error) {
	part, err := f.putPart(p)
	return part, resultToken, err
}

func (f *fake) CompleteUpload(_ context.Context, c store.CompleteUpload) (store.Put, error) {
	return f.complete(c)
}

func (f *fake) AbortUpload(_ context.Context, _ object.BucketName, k object.Key, id object.Stamp) (object.Token, error) {
	return resultToken, f.abort(k, id)
}

func (f *fake) ListParts(_ context.Context, _ object.BucketName, k object.Key, id object.Stamp, after, limit int) (fdblayer.PartPage, error) {
	return f.listParts(k, id, after, limit)
}

func (f *fake) ListUploads(_ context.Context, q fdblayer.ListUploads) (fdblayer.UploadPage, error) {
	return f.listUploads(q)
}

// openDoor takes every request that has no "X-Test-Refuse" header. The payload is the body
// as it came.
type openDoor struct{}

func (openDoor) Verify(r *http.Request) (*sigv4.Auth, error) {
	if r.Header.Get("X-Test-Refuse") != "" {
		return nil, &object.Error{Op: "test", Kind: object.AccessDenied}
	}
	return &sigv4.Auth{
		Body: r.Body, SizeBytes: r.ContentLength,
		Presigned:       r.URL.Query().Has("X-Amz-Signature"),
		ContentEncoding: r.Header.Get("Content-Encoding"),
	}, nil
}

// newGateway makes a gateway on f with the choices of change.
func newGateway(t testing.TB, f *fake, change func(o *gateway.Options)) *gateway.Gateway {
	t.Helper()
	o := gateway.Options{Auth: openDoor{}, Region: "us-east-1", Domains: []string{"s3.example.com"}, HostID: "host"}
	if change != nil {
		change(&o)
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if f != nil {
		g.Attach(f)
	}
	return g
}

// serve starts a server for g on a free port and returns its address.
func serve(t testing.TB, g *gateway.Gateway) string {
	t.Helper()
	return serveWith(t, gateway.NewHTTPServer(g))
}

func serveHandler(t testing.TB, h http.Handler) string {
	t.Helper()
	return serveWith(t, &http.Server{Handler: h})
}

func serveWith(t testing.TB, s *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

// call is one request to a gateway and what is expected in short.
type call struct {
	method, target string
	host           string
	headers        map[string]string
	body           string
}

// do serves a request without a network.
func (c call) do(t testing.TB, g http.Handler) *http.Response {
	t.Helper()
	var body io.Reader = http.NoBody
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := httptest.NewRequest(c.method, c.target, body)
	if c.host != "" {
		r.Host = c.host
	}
	for k, v := range c.headers {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Result()
}

// failure is S3's error document.
type failure struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string   `xml:"Code"`
	Message   string   `xml:"Message"`
	Resource  string   `xml:"Resource"`
	RequestID string   `xml:"RequestId"`
	HostID    string   `xml:"HostId"`
	Rest      []struct {
		XMLName xml.Name
		Value   string `xml:",chardata"`
	} `xml:",any"`
}

// field is an element of the document beside those that all have.
func (f failure) field(name string) string {
	for _, e := range f.Rest {
		if e.XMLName.Local == name {
			return e.Value
		}
	}
	return ""
}

func readFailure(t testing.TB, res *http.Response) failure {
	t.Helper()
	var f failure
	body := readAll(t, res)
	if err := xml.Unmarshal(body, &f); err != nil {
		t.Fatalf("status %d, body %q is no error document: %v", res.StatusCode, body, err)
	}
	return f
}

func readAll(t testing.TB, res *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return body
}

// expectCode fails unless res is the error code, or a success for "".
func expectCode(t testing.TB, res *http.Response, code string) {
	t.Helper()
	if code == "" {
		if res.StatusCode >= 300 {
			t.Fatalf("status %d: %s", res.StatusCode, readAll(t, res))
		}
		return
	}
	if got := readFailure(t, res); got.Code != code {
		t.Fatalf("got %d %s (%s), want %s", res.StatusCode, got.Code, got.Message, code)
	}
}

// content is an object's bytes.
type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func contentOf(s string) gateway.Content { return content{bytes.NewReader([]byte(s))} }

var (
	someTime  = time.Date(2026, 5, 4, 3, 2, 1, int(9*time.Millisecond), time.UTC)
	someStamp = object.Stamp{Era: 1, Commit: [10]byte{1, 2, 3}, Row: 1}
)

// written is the version that a put makes.
func written(v object.Version) store.Put {
	v.Kind, v.Stamp, v.LastModified = object.NullVersion, someStamp, someTime
	return store.Put{Version: v, Token: resultToken}
}

// withAuth lets a test change what the signature check gives.
func withAuth(change func(a *sigv4.Auth)) func(o *gateway.Options) {
	return func(o *gateway.Options) { o.Auth = changedDoor(change) }
}

type changedDoor func(a *sigv4.Auth)

func (d changedDoor) Verify(r *http.Request) (*sigv4.Auth, error) {
	a, err := openDoor{}.Verify(r)
	if err == nil {
		d(a)
	}
	return a, err
}

func trailers(name, value string) func() http.Header {
	return func() http.Header {
		h := http.Header{}
		if value != "" {
			h.Set(name, value)
		}
		return h
	}
}

// fetch gets a URL over a connection of its own.
func fetch(t testing.TB, url string) (*http.Response, string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}
