package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// FuzzAuthorization feeds the header's parser: it must answer with an
// object.Error, or find the one good signature.
func FuzzAuthorization(f *testing.F) {
	good := signedRequest(f, "GET", keyURL("k", ""), "", emptyHash).Header.Get("Authorization")
	f.Add(good, timestamp, emptyHash)
	f.Add(strings.ReplaceAll(good, ", ", ","), timestamp, "UNSIGNED-PAYLOAD")
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature==", "", "")
	f.Add("AWS a:b", "20130524T000000Z", streamSigned)
	f.Fuzz(func(t *testing.T, authorization, date, payload string) {
		r := signedRequest(t, "GET", keyURL("k", ""), "", emptyHash)
		signature := seed(r)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("X-Amz-Content-Sha256", payload)
		auth, err := newVerifier(0).Verify(r)
		var e *object.Error
		switch {
		case err == nil && !strings.Contains(strings.ToLower(authorization), signature):
			t.Fatalf("%q was accepted as %+v", authorization, auth)
		case err != nil && !errors.As(err, &e):
			t.Fatalf("%q: %v is no object.Error", authorization, err)
		}
	})
}

// FuzzQuery feeds the parser of queries, alone and beside a good signature: a
// query that was signed must be accepted whatever it holds.
func FuzzQuery(f *testing.F) {
	f.Add("a=1&b=2")
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb%2Fc%2Fd%2Fe&X-Amz-Date=&X-Amz-Expires=1")
	f.Add("%&=&;&%zz&%C3%28")
	f.Fuzz(func(t *testing.T, query string) {
		r := parse(t, message("", "GET /bucket/k HTTP/1.1", "Host: h"))
		r.URL.RawQuery = query
		_, err := newVerifier(0).Verify(r)
		var e *object.Error
		if !errors.As(err, &e) {
			t.Fatalf("query %q: got %v, want an object.Error", query, err)
		}
		signed, err := http.NewRequest("GET", "http://h/bucket/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		signed.URL.RawQuery = query
		values := r.URL.Query()
		if values.Has("X-Amz-Algorithm") || values.Has("X-Amz-Credential") || values.Has("X-Amz-Signature") ||
			values.Has("AWSAccessKeyId") || values.Has("Signature") || strings.Contains(query, ";") {
			return
		}
		sign(t, signed, emptyHash)
		if _, err = newVerifier(0).Verify(signed); err != nil && !errors.Is(err, object.InvalidArgument) {
			t.Fatalf("query %q, signed: %v", query, err)
		}
	})
}

// FuzzChunked feeds the chunked reader. A signed payload that ends well must be
// the one that was signed, and what was given out before an error must be a
// beginning of it; nothing may be longer than was declared.
func FuzzChunked(f *testing.F) {
	const data = "the quick brown fox jumps over the lazy dog"
	signed := chunkedRequest(f, streamSigned, "43", signedBody(data, 20))
	body, err := io.ReadAll(signed.Body)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body, uint16(7), true)
	f.Add(body[:100], uint16(1), true)
	f.Add([]byte("2b\r\n"+data+"\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), uint16(100), false)
	f.Add([]byte("ffffffffffffffff\r\n"), uint16(100), false)
	f.Fuzz(func(t *testing.T, body []byte, bufferBytes uint16, isSigned bool) {
		mode, headers := streamUnsignedTrailer, []string{"X-Amz-Trailer", "x-amz-checksum-crc32"}
		if isSigned {
			mode, headers = streamSigned, nil
		}
		r := chunkedRequest(t, mode, "43", plain(string(body)), headers...)
		auth, got, err := readChunked(t, r, int(bufferBytes)+1)
		var e *object.Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Fatalf("%v is no object.Error", err)
		case err == nil && len(got) != len(data), len(got) > len(data):
			t.Fatalf("%d bytes were given out: %v", len(got), err)
		case isSigned && !bytes.HasPrefix([]byte(data), got):
			t.Fatalf("%q was given out", got)
		case err == nil && !isSigned && auth.Trailer().Get("x-amz-checksum-crc32") == "":
			t.Fatal("the announced trailer is missing")
		}
	})
}
