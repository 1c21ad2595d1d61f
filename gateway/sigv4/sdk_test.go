package sigv4_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/stampede-store/stampede/gateway/sigv4"
)

// uriEncode is the documentation's UriEncode, for paths: how SDKs put a key
// into a URL.
func uriEncode(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(key), "+", "%20"), "%2F", "/")
}

// keyURL is the URL of a key as SDKs send it.
func keyURL(key, query string) string {
	return "http://127.0.0.1:9000/bucket/" + uriEncode(key) + query
}

// oddURLs are paths and queries where signers and servers like to differ.
func oddURLs() map[string]string {
	return map[string]string{
		"plain":               keyURL("a.txt", ""),
		"root":                "http://127.0.0.1:9000/",
		"no path":             "http://127.0.0.1:9000",
		"double slash":        keyURL("a//b", ""),
		"dots":                keyURL("a/../b/./c", ""),
		"leading slash":       keyURL("/a", ""),
		"trailing slash":      keyURL("a/", ""),
		"space":               keyURL("a b", ""),
		"plus":                keyURL("a+b", ""),
		"percent":             keyURL("100%", ""),
		"escaped twice":       keyURL("a%20b", ""),
		"tilde":               keyURL("~a~", ""),
		"unicode":             keyURL("grüße/日本語/🦬", ""),
		"reserved":            keyURL("!*'();:@&=+$,?#[]", ""),
		"control characters":  keyURL("a\x01\x7f\t\n", ""),
		"escaped slash":       "http://127.0.0.1:9000/bucket/a%2Fb",
		"virtual host":        "http://bucket.s3.example.com/key",
		"IPv6 host":           "http://[::1]:9000/bucket/key",
		"sub-resource":        keyURL("", "?acl"),
		"sub-resource equals": keyURL("", "?acl="),
		"order":               keyURL("", "?prefix=b&delimiter=a&max-keys=1&list-type=2&a-b=1&a=2"),
		"same name twice":     keyURL("", "?x=b&x=a&x="),
		"odd query":           keyURL("", "?prefix="+url.QueryEscape("a b+c/~*'()!&=%ü")+"&marker="),
		"query space as plus": keyURL("", "?prefix=a+b"),
		"empty parameters":    keyURL("", "?&&a=1&&"),
		"upload part":         keyURL("big", "?partNumber=7&uploadId=ABC.def_123-~"),
	}
}

// TestSDKHeader signs odd requests with AWS's own signer, sends them over the
// wire and verifies them.
func TestSDKHeader(t *testing.T) {
	for name, target := range oddURLs() {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD", "POST"} {
			t.Run(method+" "+name, func(t *testing.T) {
				r := signedRequest(t, method, target, "", emptyHash)
				auth, err := newVerifier(0).Verify(r)
				if err != nil {
					t.Fatalf("%s: %v", r.URL, err)
				}
				if auth.AccessKey != accessKey || auth.Presigned {
					t.Errorf("got %+v", auth)
				}
			})
		}
	}
}

// TestPathOnTheWire checks that a path may be escaped otherwise on the wire than
// in what was signed, as long as it means the same.
func TestPathOnTheWire(t *testing.T) {
	for _, row := range []struct {
		name, signed, sent string
		good               bool
	}{
		{"slash signed, escape sent", "/bucket/a/b", "/bucket/a%2Fb", true},
		{"the same in lower case", "/bucket/a/b", "/bucket/a%2fb", true},
		{"capitals signed", "/bucket/%C3%BC", "/bucket/%c3%bc", true},
		{"unreserved sent escaped", "/bucket/~a-b", "/bucket/%7Ea%2Db", true},
		{"reserved sent as it is", "/bucket/%28a%29%2B", "/bucket/(a)+", true},
		{"cleaned away", "/bucket/a/../b", "/bucket/b", false},
		{"slashes merged", "/bucket/a//b", "/bucket/a/b", false},
		{"decoded twice", "/bucket/a%2520b", "/bucket/a%20b", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := signedRequest(t, "GET", "http://h"+row.signed, "", emptyHash)
			sent := parse(t, message("", "GET "+row.sent+" HTTP/1.1", "Host: h"))
			r.URL = sent.URL
			if _, err := newVerifier(0).Verify(r); (err == nil) != row.good {
				t.Error(err)
			}
		})
	}
}

// TestSDKHeaders checks the canonical form of headers.
func TestSDKHeaders(t *testing.T) {
	for _, row := range []struct {
		name    string
		headers []string
	}{
		{"user metadata", []string{"x-amz-meta-b", "2", "x-amz-meta-a", "1"}},
		{"spaces", []string{"x-amz-meta-a", "  two   words  and    more "}},
		{"empty", []string{"x-amz-meta-a", ""}},
		{"several values", []string{"x-amz-meta-a", "one", "x-amz-meta-a", " two  2 "}},
		{"not ASCII", []string{"x-amz-meta-a", "grüße"}},
		{"commas and quotes", []string{"x-amz-meta-a", `a, "b  c", d`}},
		{"system headers", []string{"content-type", "text/plain; charset=utf-8", "cache-control", "no-cache", "content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="}},
		{"range and conditions", []string{"range", "bytes=0-9", "if-match", `"x"`, "if-modified-since", "Fri, 24 May 2013 00:00:00 GMT"}},
		{"odd names", []string{"x-amz-meta-a.b_c~1", "v", "x-amz-meta-ABC", "w"}},
		{"date beside x-amz-date", []string{"date", "Fri, 24 May 2013 00:00:00 GMT"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := signedRequest(t, "PUT", keyURL("k", ""), "body", hexHash("body"), row.headers...)
			auth, err := newVerifier(0).Verify(r)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(auth.Body, 3); err != nil || string(got) != "body" {
				t.Errorf("body is %q, %v", got, err)
			}
		})
	}
}

// presign gives the URL that AWS's signer makes of r.
func presign(t testing.TB, r *http.Request, expires, payload string) string {
	t.Helper()
	q := r.URL.Query()
	q.Set("X-Amz-Expires", expires)
	r.URL.RawQuery = q.Encode()
	signed, _, err := v4.NewSigner(s3Options).PresignHTTP(context.Background(), awsCredentials(), r, payload, "s3", region, signTime)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// presignedRequest is a received request of a presigned URL, sent with headers.
func presignedRequest(t testing.TB, method, target, expires, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	sent, err := http.NewRequest(method, presign(t, r, expires, "UNSIGNED-PAYLOAD"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sent.Header = r.Header
	return received(t, sent)
}

// TestSDKPresigned verifies URLs that AWS's signer presigned, until they expire.
func TestSDKPresigned(t *testing.T) {
	for name, target := range oddURLs() {
		t.Run(name, func(t *testing.T) {
			for _, age := range []time.Duration{-14 * time.Minute, 0, time.Hour} {
				r := presignedRequest(t, "GET", target, "3600", "")
				auth, err := newVerifier(age).Verify(r)
				if err != nil {
					t.Fatalf("after %v: %v", age, err)
				}
				if !auth.Presigned || auth.AccessKey != accessKey {
					t.Errorf("got %+v", auth)
				}
			}
		})
	}
}

// TestSDKPresignedPut checks a payload that nobody signed, with a signed header.
func TestSDKPresignedPut(t *testing.T) {
	r := presignedRequest(t, "PUT", keyURL("k", ""), "604800", "any bytes", "Content-Type", "text/plain")
	auth, err := newVerifier(7 * 24 * time.Hour).Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(auth.Body, 100); err != nil || string(got) != "any bytes" || auth.SizeBytes != 9 {
		t.Errorf("got %q of %d, %v", got, auth.SizeBytes, err)
	}
}

// TestPresignedPayloadHash checks that X-Amz-Content-Sha256 in the query binds
// the payload.
func TestPresignedPayloadHash(t *testing.T) {
	base, err := http.NewRequest("PUT", keyURL("k", "?X-Amz-Content-Sha256="+hexHash("right")), nil)
	if err != nil {
		t.Fatal(err)
	}
	target := presign(t, base, "60", hexHash("right"))
	for _, body := range []string{"right", "wrong"} {
		sent, err := http.NewRequest("PUT", target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		auth, err := newVerifier(0).Verify(received(t, sent))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = readAll(auth.Body, 100); (err == nil) != (body == "right") {
			t.Errorf("%s body: %v", body, err)
		}
	}
}

// TestSecretChanged checks that a cached signing key doesn't outlive its secret.
func TestSecretChanged(t *testing.T) {
	secret := secretKey
	v := &sigv4.Verifier{
		Region: region,
		Now:    func() time.Time { return signTime },
		Secret: func(string) (string, bool) { return secret, secret != "" },
	}
	for _, row := range []struct {
		secret string
		good   bool
	}{{secretKey, true}, {"another", false}, {secretKey, true}, {"", false}, {secretKey, true}} {
		secret = row.secret
		_, err := v.Verify(signedRequest(t, "GET", keyURL("k", ""), "", emptyHash))
		if (err == nil) != row.good {
			t.Errorf("with secret %q: %v", row.secret, err)
		}
	}
}
