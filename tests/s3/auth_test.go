package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestSignatures: who is refused, and how.
func TestSignatures(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "k", []byte("x"))
	path := "/" + b + "/k"
	for _, tc := range []struct {
		name, code string
		status     int
		q          rawRequest
	}{
		{"anonymous", "AccessDenied", 403, rawRequest{anonymous: true}},
		{"wrong secret", "SignatureDoesNotMatch", 403, rawRequest{secretKey: "wrong"}},
		{"unknown access key", "InvalidAccessKeyId", 403, rawRequest{accessKey: "NOBODY"}},
		{"clock behind", "RequestTimeTooSkewed", 403, rawRequest{at: time.Now().Add(-16 * time.Minute)}},
		{"clock ahead", "RequestTimeTooSkewed", 403, rawRequest{at: time.Now().Add(16 * time.Minute)}},
		{"clock a little off", "", 200, rawRequest{at: time.Now().Add(-10 * time.Minute)}},
		{"other region", "AuthorizationHeaderMalformed", 400, rawRequest{region: "eu-north-1"}},
		{"good", "", 200, rawRequest{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.q.method, tc.q.path = "GET", path
			wantRaw(t, send(t, tc.q), tc.code, tc.status)
		})
	}
	r := send(t, rawRequest{method: "GET", path: path, accessKey: "NOBODY"})
	if !strings.Contains(r.body, "<AWSAccessKeyId>NOBODY</AWSAccessKeyId>") {
		t.Errorf("an unknown access key is not named: %s", r.body)
	}
	r = send(t, rawRequest{method: "PUT", path: path, body: "tampered", payloadHash: strings.Repeat("0", 64)})
	wantRaw(t, r, "XAmzContentSHA256Mismatch", 400)
	wantBody(t, c, b, "k", []byte("x"))
}

// TestPresigned: a GET and a PUT by URL alone; expired and tampered ones.
func TestPresigned(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	p := s3.NewPresignClient(c)
	up, err := p.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("a b/ü")})
	noError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), "PUT", up.URL, strings.NewReader("presigned"))
	noError(t, err)
	for name, values := range up.SignedHeader {
		if name != "Host" && name != "Content-Length" {
			request.Header[name] = values
		}
	}
	wantStatus(t, request, 200, "")
	down, err := p.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("a b/ü")})
	noError(t, err)
	fetch := func(u string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), "GET", u, http.NoBody)
		noError(t, err)
		return r
	}
	wantStatus(t, fetch(down.URL), 200, "presigned")
	wantStatus(t, fetch(down.URL+"&extra=1"), 403, "SignatureDoesNotMatch")
	wantStatus(t, fetch(strings.Replace(down.URL, "X-Amz-Expires=900", "X-Amz-Expires=9000", 1)), 403, "SignatureDoesNotMatch")
	old, err := s3.NewPresignClient(c, func(o *s3.PresignOptions) {
		o.Presigner = presignerAt{time.Now().Add(-time.Hour)}
	}).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("a b/ü")})
	noError(t, err)
	wantStatus(t, fetch(old.URL), 403, "Request has expired")
}

func wantStatus(t *testing.T, r *http.Request, status int, body string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	noError(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	noError(t, err)
	if response.StatusCode != status || !strings.Contains(string(got), body) {
		t.Errorf("%s: got %d %s, want %d with %q", r.Method, response.StatusCode, got, status, body)
	}
}

// TestPayloads: the ways in which SDKs send a body.
func TestPayloads(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	body := random(1, 300_000)
	unsigned := client(t, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	})
	put(t, unsigned, b, "unsigned", body)
	wantBody(t, c, b, "unsigned", body)
	plain := client(t, func(o *s3.Options) { o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired })
	put(t, plain, b, "hashed", body)
	wantBody(t, c, b, "hashed", body)
	// A stream that can't be rewound goes in chunks with a trailer.
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &b, Key: aws.String("streamed"), Body: io.MultiReader(bytes.NewReader(body)), ContentLength: aws.Int64(int64(len(body))),
	}, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	noError(t, err)
	wantBody(t, c, b, "streamed", body)
}

// TestVirtualHost: the bucket in the host name.
func TestVirtualHost(t *testing.T) {
	needServer(t)
	c := client(t)
	b := newBucket(t, c)
	host := b + ".s3.test"
	wantRaw(t, send(t, rawRequest{method: "PUT", path: "/a//b/../c", body: "hosted", host: host}), "", 200)
	wantBody(t, c, b, "a//b/../c", []byte("hosted"))
	if r := send(t, rawRequest{method: "GET", path: "/a//b/../c", host: host}); r.body != "hosted" {
		t.Errorf("got %d %q", r.StatusCode, r.body)
	}
	if r := send(t, rawRequest{method: "GET", path: "/?list-type=2", host: host}); !strings.Contains(r.body, "<Key>a//b/../c</Key>") {
		t.Errorf("list: got %d %s", r.StatusCode, r.body)
	}
	wantRaw(t, send(t, rawRequest{method: "GET", path: "/k", host: "absent-bucket.s3.test"}), "NoSuchBucket", 404)
}

// TestExpectContinue: a client that waits for 100 gets it, with an empty body
// too, and the connection serves the next request. botocore sends it so.
func TestExpectContinue(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	e := target(t)
	u, err := url.Parse(e.url)
	noError(t, err)
	connection, err := net.Dial("tcp", u.Host)
	noError(t, err)
	defer connection.Close()
	noError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(connection)
	for i, body := range []string{"", "first", "", "second"} {
		request, err := http.NewRequestWithContext(t.Context(), "PUT", fmt.Sprintf("%s/%s/k%d", e.url, b, i), http.NoBody)
		noError(t, err)
		request.ContentLength = int64(len(body))
		sign(t, e, rawRequest{}, request)
		fmt.Fprintf(connection, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n", request.URL.Path, u.Host, len(body))
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
			fmt.Fprintf(connection, "%s: %s\r\n", name, request.Header.Get(name))
		}
		fmt.Fprint(connection, "\r\n")
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("request %d: got %q %v, want 100", i, line, err)
		}
		if line, err := in.ReadString('\n'); err != nil || strings.TrimSpace(line) != "" {
			t.Fatalf("request %d: after 100 came %q %v", i, line, err)
		}
		fmt.Fprint(connection, body)
		response, err := http.ReadResponse(in, request)
		noError(t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != 200 {
			t.Fatalf("request %d: got %s", i, response.Status)
		}
	}
	wantBody(t, c, b, "k2", nil)
	wantBody(t, c, b, "k3", []byte("second"))
}

// presignerAt signs as of a time.
type presignerAt struct{ at time.Time }

func (p presignerAt) PresignHTTP(
	ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	options = append(options, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return v4.NewSigner().PresignHTTP(ctx, c, r, hash, service, region, p.at, options...)
}
