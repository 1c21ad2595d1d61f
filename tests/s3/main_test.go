// Package s3_test drives a real server over a real socket with the AWS SDK: what
// clients of S3 rely on, bad input beside good. By default it starts the
// server; with STAMPEDE_TEST_ENDPOINT (and AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY) it runs against any S3 endpoint.
package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stampede-store/stampede/internal/testenv"
)

// endpoint is where the tests send requests.
type endpoint struct {
	url                  string
	accessKey, secretKey string
	server               *testenv.Server // nil when external
}

var (
	sharedOnce sync.Once
	shared     endpoint
	sharedStop []func()
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range sharedStop {
		stop()
	}
	testenv.Cleanup()
	os.Exit(code)
}

// lasting is a testing.TB whose clean-ups and folders last until TestMain ends, for the server
// that all tests share.
type lasting struct{ testing.TB }

func (lasting) Cleanup(f func()) { sharedStop = append(sharedStop, f) }

func (l lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "stampede-test-")
	if err != nil {
		l.Fatal(err)
	}
	sharedStop = append(sharedStop, func() { os.RemoveAll(dir) })
	return dir
}

// target is the endpoint that all tests share.
func target(t testing.TB) endpoint {
	t.Helper()
	sharedOnce.Do(func() {
		if url := os.Getenv("STAMPEDE_TEST_ENDPOINT"); url != "" {
			shared = endpoint{
				url: url, accessKey: os.Getenv("AWS_ACCESS_KEY_ID"), secretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			}
			return
		}
		server := testenv.Start(lasting{t}, "--domain", "s3.test")
		shared = endpoint{url: server.Endpoint, accessKey: testenv.AccessKey, secretKey: testenv.SecretKey, server: server}
	})
	if shared.url == "" {
		t.Fatal("the server did not start")
	}
	return shared
}

// needServer skips a test of something that only our own server has.
func needServer(t testing.TB) *testenv.Server {
	t.Helper()
	e := target(t)
	if e.server == nil {
		t.Skip("runs against our own server only")
	}
	return e.server
}

// client is an SDK client as a user would configure it, but without retries: a
// test must see every answer.
func client(t testing.TB, options ...func(*s3.Options)) *s3.Client {
	t.Helper()
	e := target(t)
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(e.url),
		Region:       testenv.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(e.accessKey, e.secretKey, ""),
		Retryer:      aws.NopRetryer{},
	}, options...)
}

var bucketCount atomic.Int64

// newBucket makes a bucket for one test.
func newBucket(t testing.TB, c *s3.Client) string {
	t.Helper()
	name := fmt.Sprintf("test-%d-%d", time.Now().UnixNano(), bucketCount.Add(1))
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	return name
}

// put stores an object and returns its answer.
func put(t testing.TB, c *s3.Client, bucket, key string, body []byte, more ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}
	for _, f := range more {
		f(in)
	}
	out, err := c.PutObject(t.Context(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

// get reads an object whole.
func get(t testing.TB, c *s3.Client, bucket, key string, more ...func(*s3.GetObjectInput)) (*s3.GetObjectOutput, []byte) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, f := range more {
		f(in)
	}
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("get %q: body: %v", key, err)
	}
	return out, body
}

// wantBody reads an object and compares its bytes.
func wantBody(t testing.TB, c *s3.Client, bucket, key string, want []byte) {
	t.Helper()
	if _, got := get(t, c, bucket, key); !bytes.Equal(got, want) {
		t.Errorf("object %q: got %s, want %s", key, brief(got), brief(want))
	}
}

func brief(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%d bytes beginning %q", len(b), b[:40])
	}
	return fmt.Sprintf("%q", b)
}

// wantError checks an S3 error's code and status.
func wantError(t testing.TB, err error, code string, status int) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want %s (%d)", code, status)
		return
	}
	gotCode, gotStatus := "", 0
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		gotCode = e.ErrorCode()
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		gotStatus = e.HTTPStatusCode()
	}
	if gotCode != code || gotStatus != status {
		t.Errorf("got %s (%d), want %s (%d): %v", gotCode, gotStatus, code, status, err)
	}
}

// noError ends the test if err is not nil.
func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// random makes n bytes that a seed decides.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	_, _ = r.Read(b) // never fails
	return b
}

// rawRequest is a request that is signed, and sent as it is.
type rawRequest struct {
	method, path string // path with its query, escaped
	body         string
	header       map[string]string
	payloadHash  string // default: UNSIGNED-PAYLOAD
	host         string // default: the endpoint's
	anonymous    bool
	at           time.Time // default: now
	secretKey    string    // default: the right one
	accessKey    string
	region       string
}

// rawResponse is an answer, read whole.
type rawResponse struct {
	*http.Response
	body string
}

// send signs and sends a raw request.
func send(t testing.TB, q rawRequest) rawResponse {
	t.Helper()
	e := target(t)
	request, err := http.NewRequestWithContext(t.Context(), q.method, e.url, strings.NewReader(q.body))
	noError(t, err)
	path, query, _ := strings.Cut(q.path, "?")
	request.URL.RawPath, request.URL.RawQuery = path, query
	request.URL.Path, err = url.PathUnescape(path)
	noError(t, err)
	if q.host != "" {
		request.Host = q.host
	}
	for k, v := range q.header {
		request.Header.Set(k, v)
	}
	if !q.anonymous {
		sign(t, e, q, request)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	noError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	noError(t, err)
	return rawResponse{response, string(body)}
}

func sign(t testing.TB, e endpoint, q rawRequest, request *http.Request) {
	t.Helper()
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	hash := or(q.payloadHash, "UNSIGNED-PAYLOAD")
	request.Header.Set("X-Amz-Content-Sha256", hash)
	at := q.at
	if at.IsZero() {
		at = time.Now()
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	c := aws.Credentials{AccessKeyID: or(q.accessKey, e.accessKey), SecretAccessKey: or(q.secretKey, e.secretKey)}
	noError(t, signer.SignHTTP(context.Background(), c, request, hash, "s3", or(q.region, testenv.Region), at))
}

// wantRaw checks a raw answer's status and the code in its error document.
func wantRaw(t testing.TB, r rawResponse, code string, status int) {
	t.Helper()
	if r.StatusCode != status || code != "" && !strings.Contains(r.body, "<Code>"+code+"</Code>") {
		t.Errorf("got %d %s, want %d %s", r.StatusCode, r.body, status, code)
	}
}

// deleteOf makes the body of a batch delete.
func deleteOf(keys ...string) *types.Delete {
	d := &types.Delete{}
	for _, k := range keys {
		d.Objects = append(d.Objects, types.ObjectIdentifier{Key: aws.String(k)})
	}
	return d
}

func readerOf(s string) io.ReadSeeker { return strings.NewReader(s) }
