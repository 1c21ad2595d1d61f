package sigv4_test

import (
	"strconv"
	"strings"
	"testing"
)

const exampleHost = "Host: examplebucket.s3.amazonaws.com"

// TestPublishedExamples replays the signed requests of the S3 API reference,
// "Signature Calculations for the Authorization Header" and "Using Query
// Parameters".
func TestPublishedExamples(t *testing.T) {
	const base = "host;x-amz-content-sha256;x-amz-date"
	for _, row := range []struct {
		name      string
		message   []byte
		body      string
		presigned bool
	}{
		{"GET object", message("",
			"GET /test.txt HTTP/1.1", exampleHost, "Range: bytes=0-9",
			"x-amz-content-sha256: "+emptyHash, "x-amz-date: "+timestamp,
			authorization(accessKey, scope, "host;range;x-amz-content-sha256;x-amz-date",
				"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")), "", false},
		{"PUT object", message("Welcome to Amazon S3.",
			"PUT /test$file.text HTTP/1.1", exampleHost, "Date: Fri, 24 May 2013 00:00:00 GMT", "Content-Length: 21",
			"x-amz-date: "+timestamp, "x-amz-storage-class: REDUCED_REDUNDANCY",
			"x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			authorization(accessKey, scope, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
				"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")), "Welcome to Amazon S3.", false},
		{"GET bucket lifecycle", message("",
			"GET /?lifecycle HTTP/1.1", exampleHost, "x-amz-date: "+timestamp, "x-amz-content-sha256: "+emptyHash,
			authorization(accessKey, scope, base,
				"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")), "", false},
		{"list objects", message("",
			"GET /?max-keys=2&prefix=J HTTP/1.1", exampleHost, "x-amz-date: "+timestamp, "x-amz-content-sha256: "+emptyHash,
			authorization(accessKey, scope, base,
				"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")), "", false},
		{"presigned GET", message("",
			"GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"+
				"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"+
				"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1",
			exampleHost), "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			auth, err := newVerifier(0).Verify(parse(t, row.message))
			if err != nil {
				t.Fatal(err)
			}
			if auth.AccessKey != accessKey || auth.Presigned != row.presigned || auth.SizeBytes != int64(len(row.body)) {
				t.Errorf("got %+v", auth)
			}
			if got, err := readAll(auth.Body, 7); err != nil || string(got) != row.body {
				t.Errorf("body is %q, %v, want %q", got, err, row.body)
			}
		})
	}
}

// exampleChunked is the request of "Transferring Payload in Multiple Chunks":
// 66,560 times the letter a in chunks of 64 KiB.
func exampleChunked() []byte {
	chunks := []string{strings.Repeat("a", 65536), strings.Repeat("a", 1024), ""}
	signatures := []string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	}
	sizes := []string{"10000", "400", "0"}
	var body string
	for i, chunk := range chunks {
		body += sizes[i] + ";chunk-signature=" + signatures[i] + "\r\n" + chunk + "\r\n"
	}
	return message(body,
		"PUT /examplebucket/chunkObject.txt HTTP/1.1", "Host: s3.amazonaws.com", "x-amz-date: "+timestamp,
		"x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		"Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560", "Content-Length: 66824",
		authorization(accessKey, scope,
			"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"))
}

// exampleTrailer is the request of "Including Trailing Headers". The end of its
// body is as the documentation shows it: LF, then CRLF, before the signature.
func exampleTrailer() []byte {
	body := "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
		strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
		strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\n\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	return message(body,
		"PUT /examplebucket/chunkObject.txt HTTP/1.1", "Host: s3.amazonaws.com", "x-amz-date: "+timestamp,
		"x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
		"Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560",
		"x-amz-trailer: x-amz-checksum-crc32c", "Content-Length: "+strconv.Itoa(len(body)),
		authorization(accessKey, scope,
			"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
			"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"))
}

// TestPublishedChunked replays both chunked examples, read in small and in
// large pieces.
func TestPublishedChunked(t *testing.T) {
	for _, row := range []struct {
		name    string
		message []byte
		trailer string
	}{
		{"chunks", exampleChunked(), ""},
		{"chunks and trailer", exampleTrailer(), "sOO8/Q=="},
	} {
		for _, bufferBytes := range []int{1, 1000, 65536, 1 << 20} {
			t.Run(row.name+" by "+strconv.Itoa(bufferBytes), func(t *testing.T) {
				auth, err := newVerifier(0).Verify(parse(t, row.message))
				if err != nil {
					t.Fatal(err)
				}
				if auth.SizeBytes != 66560 || auth.ContentEncoding != "" || (auth.Trailer != nil) != (row.trailer != "") {
					t.Errorf("got %+v", auth)
				}
				if auth.Trailer != nil && auth.Trailer() != nil {
					t.Error("a trailer is there before the body was read")
				}
				got, err := readAll(auth.Body, bufferBytes)
				if err != nil || string(got) != strings.Repeat("a", 66560) {
					t.Fatalf("got %d bytes, %v", len(got), err)
				}
				if auth.Trailer != nil && auth.Trailer().Get("x-amz-checksum-crc32c") != row.trailer {
					t.Errorf("trailer is %v, want %s", auth.Trailer(), row.trailer)
				}
			})
		}
	}
}
