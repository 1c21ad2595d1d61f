package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

// The credentials and the time of the examples in AWS's documentation.
const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	region    = "us-east-1"
	timestamp = "20130524T000000Z"
	scope     = "20130524/us-east-1/s3/aws4_request"
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var signTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// newVerifier knows accessKey, and its clock stands at signTime plus age.
func newVerifier(age time.Duration) *sigv4.Verifier {
	return &sigv4.Verifier{
		Region: region,
		Now:    func() time.Time { return signTime.Add(age) },
		Secret: func(key string) (string, bool) {
			if key == accessKey {
				return secretKey, true
			}
			return "", false
		},
	}
}

// parse makes of an HTTP message what a server's handler would be given.
func parse(t testing.TB, message []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(message)))
	if err != nil {
		t.Fatalf("request %.200q: %v", message, err)
	}
	return r
}

// message joins lines to an HTTP message.
func message(body string, lines ...string) []byte {
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
}

// received is r after a journey over the wire.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return parse(t, wire.Bytes())
}

func authorization(key, scope, signedHeaders, signature string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=" + key + "/" + scope +
		", SignedHeaders=" + signedHeaders + ", Signature=" + signature
}

// sign signs r with AWS's own signer.
func sign(t testing.TB, r *http.Request, payload string) {
	t.Helper()
	r.Header.Set("X-Amz-Content-Sha256", payload)
	err := v4.NewSigner(s3Options).SignHTTP(context.Background(), awsCredentials(), r, payload, "s3", region, signTime)
	if err != nil {
		t.Fatal(err)
	}
}

func s3Options(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }

func awsCredentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
}

// signedRequest is a signed request, received.
func signedRequest(t testing.TB, method, url, body, payload string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	sign(t, r, payload)
	return received(t, r)
}

func hexHash(b string) string {
	sum := sha256.Sum256([]byte(b))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// chain signs chunks after a seed, written from the documentation and apart
// from the code under test.
type chain struct {
	key  []byte
	last string
}

func newChain(seed string) *chain {
	key := []byte("AWS4" + secretKey)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return &chain{key: key, last: seed}
}

func (c *chain) next(algorithm string, hashes ...string) string {
	lines := append([]string{algorithm, timestamp, scope, c.last}, hashes...)
	c.last = hex.EncodeToString(mac(c.key, strings.Join(lines, "\n")))
	return c.last
}

func (c *chain) chunk(data string) string {
	return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", len(data),
		c.next("AWS4-HMAC-SHA256-PAYLOAD", emptyHash, hexHash(data)), data)
}

// lastChunk is the empty chunk without the line that ends the body.
func (c *chain) lastChunk() string { return strings.TrimSuffix(c.chunk(""), "\r\n") }

func (c *chain) trailerSignature(lines string) string {
	return c.next("AWS4-HMAC-SHA256-TRAILER", hexHash(lines))
}

// seed is the signature in r's Authorization header.
func seed(r *http.Request) string {
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return signature
}

// wantKind fails the test unless err is an object.Error of the kind without
// the secret.
func wantKind(t testing.TB, err error, kind object.Kind) {
	t.Helper()
	var e *object.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if strings.Contains(err.Error(), secretKey) {
		t.Fatalf("the secret is in the error %q", err)
	}
}

// readAll reads with a buffer of the given size.
func readAll(r io.Reader, bufferBytes int) ([]byte, error) {
	var all []byte
	buffer := make([]byte, bufferBytes)
	for {
		n, err := r.Read(buffer)
		all = append(all, buffer[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}
