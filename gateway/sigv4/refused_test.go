package sigv4_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/object"
)

// replaceAuthorization edits the Authorization header.
func replaceAuthorization(old, replacement string) func(*http.Request) {
	return func(r *http.Request) {
		h := r.Header.Get("Authorization")
		r.Header.Set("Authorization", strings.Replace(h, old, replacement, 1))
	}
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func delHeader(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

// TestHeaderRefused takes a good request, changes one thing, and expects S3's
// error for it.
func TestHeaderRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*http.Request)
		want   object.Kind
	}{
		{"anonymous", delHeader("Authorization"), object.AccessDenied},
		{"empty", setHeader("Authorization", ""), object.InvalidArgument},
		{"basic", setHeader("Authorization", "Basic dXNlcjpwYXNz"), object.InvalidArgument},
		{"signature version 2", setHeader("Authorization", "AWS AKID:c2ln"), object.InvalidRequest},
		{"signature version 4A", replaceAuthorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), object.InvalidRequest},
		{"scheme alone", setHeader("Authorization", "AWS4-HMAC-SHA256"), object.AuthorizationMalformed},
		{"no credential", replaceAuthorization("Credential=", "Credentials="), object.AuthorizationMalformed},
		{"empty credential", replaceAuthorization("Credential="+accessKey+"/"+scope, "Credential="), object.AuthorizationMalformed},
		{"no signed headers", replaceAuthorization("SignedHeaders=", "Headers="), object.AuthorizationMalformed},
		{"no signature", replaceAuthorization(", Signature=", ", Sig="), object.AuthorizationMalformed},
		{"two signatures", replaceAuthorization(", Signature=", ", Signature=a, Signature="), object.AuthorizationMalformed},
		{"two headers", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, object.AuthorizationMalformed},
		{"short scope", replaceAuthorization("/"+scope, "/us-east-1/s3/aws4_request"), object.AuthorizationMalformed},
		{"no access key", replaceAuthorization(accessKey+"/", "/"), object.AuthorizationMalformed},
		{"long access key", replaceAuthorization(accessKey, strings.Repeat("A", 129)), object.AuthorizationMalformed},
		{"unknown access key", replaceAuthorization(accessKey, "AKIAUNKNOWN"), object.InvalidAccessKeyID},
		{"other region", replaceAuthorization("us-east-1", "us-west-2"), object.AuthorizationMalformed},
		{"other service", replaceAuthorization("/s3/", "/ec2/"), object.AuthorizationMalformed},
		{"other terminal", replaceAuthorization("aws4_request", "aws5_request"), object.AuthorizationMalformed},
		{"other scope date", replaceAuthorization("/20130524/", "/20130525/"), object.AuthorizationMalformed},
		{"no scope date", replaceAuthorization("/20130524/", "/2013-524/"), object.AuthorizationMalformed},
		{"upper-case list", replaceAuthorization("host;", "Host;"), object.AuthorizationMalformed},
		{"repeated header", replaceAuthorization("host;", "host;host;"), object.AuthorizationMalformed},
		{"repeated header apart", replaceAuthorization("x-amz-date", "x-amz-date;host"), object.AuthorizationMalformed},
		{"list ends with semicolon", replaceAuthorization("x-amz-meta-a,", "x-amz-meta-a;,"), object.AuthorizationMalformed},
		{"list too long", replaceAuthorization("host;", "host;"+strings.Repeat("h;", 300)), object.AuthorizationMalformed},
		{"host not signed", replaceAuthorization("host;", ""), object.AccessDenied},
		{"metadata not signed", replaceAuthorization(";x-amz-meta-a", ""), object.AccessDenied},
		{"x-amz header added", setHeader("X-Amz-Acl", "public-read"), object.AccessDenied},
		{"one more signed header", replaceAuthorization("host;", "host;range;"), object.SignatureMismatch},
		{"no date", delHeader("X-Amz-Date"), object.AccessDenied},
		{"bad date", setHeader("X-Amz-Date", "20130524T0000Z"), object.AccessDenied},
		{"impossible date", setHeader("X-Amz-Date", "20131324T000000Z"), object.AccessDenied},
		{"ISO date with dashes", setHeader("X-Amz-Date", "2013-05-24T00:00:00Z"), object.AccessDenied},
		{"other second", setHeader("X-Amz-Date", "20130524T000001Z"), object.SignatureMismatch},
		{"no payload hash", delHeader("X-Amz-Content-Sha256"), object.InvalidRequest},
		{"two payload hashes", func(r *http.Request) { r.Header.Add("X-Amz-Content-Sha256", emptyHash) }, object.InvalidArgument},
		{"bad payload hash", setHeader("X-Amz-Content-Sha256", "STREAMING-NOTHING"), object.InvalidArgument},
		{"payload hash not hex", setHeader("X-Amz-Content-Sha256", strings.Repeat("x", 64)), object.InvalidArgument},
		{"payload of 4A", setHeader("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), object.NotImplemented},
		{"other payload hash", setHeader("X-Amz-Content-Sha256", emptyHash), object.SignatureMismatch},
		{"unsigned instead", setHeader("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), object.SignatureMismatch},
		{"trailer without mode", func(r *http.Request) {
			r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
			replaceAuthorization("x-amz-meta-a", "x-amz-meta-a;x-amz-trailer")(r)
		}, object.InvalidRequest},
		{"other method", func(r *http.Request) { r.Method = "POST" }, object.SignatureMismatch},
		{"other host", func(r *http.Request) { r.Host = "127.0.0.1:9001" }, object.SignatureMismatch},
		{"other path", func(r *http.Request) { r.URL.Path = "/bucket/other" }, object.SignatureMismatch},
		{"other query", func(r *http.Request) { r.URL.RawQuery = "a=1&b=3" }, object.SignatureMismatch},
		{"less query", func(r *http.Request) { r.URL.RawQuery = "a=1" }, object.SignatureMismatch},
		{"broken query", func(r *http.Request) { r.URL.RawQuery = "a=1&b=%2" }, object.InvalidArgument},
		{"other header", setHeader("X-Amz-Meta-A", "w"), object.SignatureMismatch},
		{"no header", delHeader("X-Amz-Meta-A"), object.SignatureMismatch},
		{"empty signature", func(r *http.Request) { replaceAuthorization(seed(r), "")(r) }, object.AuthorizationMalformed},
		{"short signature", func(r *http.Request) { replaceAuthorization(seed(r), seed(r)[:62])(r) }, object.SignatureMismatch},
		{"signature not hex", func(r *http.Request) { replaceAuthorization(seed(r), strings.Repeat("g", 64))(r) }, object.SignatureMismatch},
		{"zero signature", func(r *http.Request) { replaceAuthorization(seed(r), strings.Repeat("0", 64))(r) }, object.SignatureMismatch},
		{"query and header", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Algorithm=AWS4-HMAC-SHA256" }, object.InvalidArgument},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := signedRequest(t, "PUT", keyURL("k", "?a=1&b=2"), "body", hexHash("body"), "x-amz-meta-a", "v")
			v := newVerifier(0)
			if _, err := v.Verify(r); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			row.change(r)
			auth, err := v.Verify(r)
			wantKind(t, err, row.want)
			if auth != nil {
				t.Error("a refused request has an Auth")
			}
		})
	}
}

// TestHeaderBits flips every bit of the signature.
func TestHeaderBits(t *testing.T) {
	r := signedRequest(t, "GET", keyURL("k", ""), "", emptyHash)
	good, v := seed(r), newVerifier(0)
	for i := range good {
		for _, digit := range "0123456789abcdef" {
			text := good[:i] + string(digit) + good[i+1:]
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), seed(r), text, 1))
			_, err := v.Verify(r)
			if (err == nil) != (text == good) {
				t.Fatalf("digit %d as %c: %v", i, digit, err)
			}
		}
	}
}

// TestSkew checks the 15 minutes on both sides, also for Date instead of
// x-amz-date.
func TestSkew(t *testing.T) {
	for _, row := range []struct {
		age  time.Duration
		good bool
	}{
		{15 * time.Minute, true},
		{-15 * time.Minute, true},
		{15*time.Minute + time.Second, false},
		{-15*time.Minute - time.Second, false},
		{24 * time.Hour, false},
	} {
		_, err := newVerifier(row.age).Verify(signedRequest(t, "GET", keyURL("k", ""), "", emptyHash))
		if (err == nil) != row.good || err != nil && !errors.Is(err, object.RequestTimeSkewed) {
			t.Errorf("age %v: %v", row.age, err)
		}
	}
}

// TestDateHeader checks that Date stands in for x-amz-date, in HTTP's form and
// in the ISO one.
func TestDateHeader(t *testing.T) {
	for date, good := range map[string]bool{
		"Fri, 24 May 2013 00:00:00 GMT":  true,
		"Friday, 24-May-13 00:00:00 GMT": true,
		timestamp:                        true,
		"Fri, 24 May 2013 00:00:01 GMT":  false,
		"yesterday":                      false,
	} {
		canonical := "GET\n/bucket/k\n\ndate:" + date + "\nhost:h\nx-amz-content-sha256:" + emptyHash +
			"\n\ndate;host;x-amz-content-sha256\n" + emptyHash
		c := newChain("")
		c.last = hexHash(canonical)
		signature := c.next("AWS4-HMAC-SHA256")
		r := parse(t, message("", "GET /bucket/k HTTP/1.1", "Host: h", "Date: "+date, "x-amz-content-sha256: "+emptyHash,
			authorization(accessKey, scope, "date;host;x-amz-content-sha256", signature)))
		if _, err := newVerifier(0).Verify(r); (err == nil) != good {
			t.Errorf("Date %q: %v", date, err)
		}
	}
}

// changeQuery edits one parameter of a presigned URL; an empty value removes it.
func changeQuery(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		q := r.URL.Query()
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
		r.URL.RawQuery = q.Encode()
	}
}

// TestPresignedRefused is TestHeaderRefused for presigned URLs.
func TestPresignedRefused(t *testing.T) {
	type row struct {
		name   string
		age    time.Duration
		change func(*http.Request)
		want   object.Kind
	}
	rows := []row{
		{"expired", time.Hour + time.Second, func(*http.Request) {}, object.RequestExpired},
		{"not yet valid", -16 * time.Minute, func(*http.Request) {}, object.AccessDenied},
		{"other algorithm", 0, changeQuery("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), object.QueryMalformed},
		{"short credential", 0, changeQuery("X-Amz-Credential", accessKey), object.QueryMalformed},
		{"other key", 0, changeQuery("X-Amz-Credential", "AKIAUNKNOWN/"+scope), object.InvalidAccessKeyID},
		{"other region", 0, changeQuery("X-Amz-Credential", accessKey+"/20130524/eu-west-1/s3/aws4_request"), object.QueryMalformed},
		{"other date", 0, changeQuery("X-Amz-Credential", accessKey+"/20130523/us-east-1/s3/aws4_request"), object.QueryMalformed},
		{"bad date", 0, changeQuery("X-Amz-Date", "2013-05-24"), object.QueryMalformed},
		{"other second", 0, changeQuery("X-Amz-Date", "20130524T000001Z"), object.SignatureMismatch},
		{"expires is no number", 0, changeQuery("X-Amz-Expires", "1h"), object.QueryMalformed},
		{"expires negative", 0, changeQuery("X-Amz-Expires", "-1"), object.QueryMalformed},
		{"expires after a week", 0, changeQuery("X-Amz-Expires", "604801"), object.QueryMalformed},
		{"expires beyond int64", 0, changeQuery("X-Amz-Expires", "99999999999999999999"), object.QueryMalformed},
		{"expires later than signed", 0, changeQuery("X-Amz-Expires", "7200"), object.SignatureMismatch},
		{"host not signed", 0, changeQuery("X-Amz-SignedHeaders", "range"), object.AccessDenied},
		{"bad header list", 0, changeQuery("X-Amz-SignedHeaders", "host;;range"), object.QueryMalformed},
		{"other signature", 0, changeQuery("X-Amz-Signature", strings.Repeat("0", 64)), object.SignatureMismatch},
		{"short signature", 0, changeQuery("X-Amz-Signature", "00"), object.SignatureMismatch},
		{"other parameter", 0, changeQuery("versionId", "2"), object.SignatureMismatch},
		{"one more parameter", 0, changeQuery("response-content-type", "text/html"), object.SignatureMismatch},
		{"other method", 0, func(r *http.Request) { r.Method = "DELETE" }, object.SignatureMismatch},
		{"x-amz header added", 0, setHeader("X-Amz-Acl", "public-read"), object.AccessDenied},
		{"bad payload hash", 0, changeQuery("X-Amz-Content-Sha256", "x"), object.InvalidArgument},
		{"version 2 instead", 0, func(r *http.Request) {
			r.URL.RawQuery = "AWSAccessKeyId=" + accessKey + "&Expires=1&Signature=x"
		}, object.InvalidRequest},
	}
	for _, name := range []string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
	} {
		rows = append(rows, row{"no " + name, 0, changeQuery(name, ""), object.QueryMalformed},
			row{name + " twice", 0, func(r *http.Request) {
				r.URL.RawQuery += "&" + name + "=" + url.QueryEscape(r.URL.Query().Get(name))
			}, object.QueryMalformed})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := presignedRequest(t, "GET", keyURL("k", "?versionId=1"), "3600", "")
			if _, err := newVerifier(0).Verify(r); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			row.change(r)
			_, err := newVerifier(row.age).Verify(r)
			wantKind(t, err, row.want)
		})
	}
}
