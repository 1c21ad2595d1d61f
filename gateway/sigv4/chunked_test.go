package sigv4_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

const (
	streamSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// chunkedRequest is a good request whose body is body(seed).
func chunkedRequest(t testing.TB, mode, length string, body func(seed string) string, headers ...string) *http.Request {
	t.Helper()
	headers = append([]string{"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", length}, headers...)
	r := signedRequest(t, "PUT", keyURL("k", ""), "", mode, headers...)
	text := body(seed(r))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return r
}

// readChunked verifies r and reads its body.
func readChunked(t testing.TB, r *http.Request, bufferBytes int) (*sigv4.Auth, []byte, error) {
	t.Helper()
	auth, err := newVerifier(0).Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(auth.Body, bufferBytes)
	return auth, got, err
}

// signedBody cuts data into signed chunks of the given size.
func signedBody(data string, chunkBytes int) func(string) string {
	return func(seed string) string {
		c := newChain(seed)
		var b strings.Builder
		for rest := data; rest != ""; {
			n := min(chunkBytes, len(rest))
			b.WriteString(c.chunk(rest[:n]))
			rest = rest[n:]
		}
		return b.String() + c.chunk("")
	}
}

func plain(body string) func(string) string { return func(string) string { return body } }

func randomText(n int) string {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// TestSignedChunks reads payloads of many sizes in chunks of many sizes with
// buffers of many sizes: smaller than a chunk, larger, and smaller than a chunk
// that is not held back.
func TestSignedChunks(t *testing.T) {
	for _, size := range []int{0, 1, 8192, 100_000, 300_000} {
		for _, chunkBytes := range []int{1000, 65536, 200_000} {
			data := randomText(size)
			for _, bufferBytes := range []int{11, 4096, 1 << 20} {
				r := chunkedRequest(t, streamSigned, fmt.Sprint(size), signedBody(data, chunkBytes))
				_, got, err := readChunked(t, r, bufferBytes)
				if err != nil || string(got) != data {
					t.Fatalf("%d bytes in chunks of %d by %d: got %d bytes, %v", size, chunkBytes, bufferBytes, len(got), err)
				}
			}
		}
	}
}

// TestSlowChunks feeds the body one byte at a time.
func TestSlowChunks(t *testing.T) {
	data := randomText(3000)
	r := chunkedRequest(t, streamSigned, "3000", signedBody(data, 700))
	r.Body = io.NopCloser(iotest.OneByteReader(r.Body))
	if _, got, err := readChunked(t, r, 512); err != nil || string(got) != data {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// TestTamperedByte changes every byte of a signed chunked body, framing and all:
// the body must never end well, except where the form of a sign may differ.
func TestTamperedByte(t *testing.T) {
	data := randomText(60)
	for _, bufferBytes := range []int{1, 4096} {
		var body string
		r := chunkedRequest(t, streamSigned, "60", func(seed string) string {
			body = signedBody(data, 25)(seed)
			return body
		})
		authorization := r.Header.Get("Authorization")
		for i := range body {
			bad := []byte(body)
			bad[i] ^= 0x01
			r := chunkedRequest(t, streamSigned, "60", plain(string(bad)))
			r.Header.Set("Authorization", authorization)
			_, got, err := readChunked(t, r, bufferBytes)
			if err == nil {
				t.Fatalf("byte %d changed: %q accepted as %q", i, bad, got)
			}
			var e *object.Error
			if !errors.As(err, &e) {
				t.Fatalf("byte %d changed: %v is no object.Error", i, err)
			}
			if !strings.HasPrefix(data, string(got)) {
				t.Fatalf("byte %d changed: %q given out, which is not a part of %q", i, got, data)
			}
		}
	}
}

// TestTruncated cuts a signed body at every byte: IncompleteBody, but for the
// empty line at the very end, which says nothing.
func TestTruncated(t *testing.T) {
	data := randomText(60)
	r := chunkedRequest(t, streamSigned, "60", signedBody(data, 25))
	whole, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		r := chunkedRequest(t, streamSigned, "60", plain(string(whole[:n])))
		_, _, err := readChunked(t, r, 4096)
		if n == len(whole)-2 {
			if err != nil {
				t.Errorf("without the last line: %v", err)
			}
			continue
		}
		wantKind(t, err, object.IncompleteBody)
	}
}

// TestLargeChunkTampered checks that of a chunk too large to be held back, the
// last bytes are: a consumer that counts bytes never has them all.
func TestLargeChunkTampered(t *testing.T) {
	const size = 1 << 20
	r := chunkedRequest(t, streamSigned, fmt.Sprint(size), func(seed string) string {
		body := []byte(signedBody(strings.Repeat("a", size), size)(seed))
		body[200] = 'b'
		return string(body)
	})
	_, got, err := readChunked(t, r, 8192)
	wantKind(t, err, object.SignatureMismatch)
	if len(got) == 0 || len(got) >= size {
		t.Errorf("%d bytes were given out", len(got))
	}
}

// TestUnsignedTrailer checks what current SDKs send by default, and how it can
// be wrong.
func TestUnsignedTrailer(t *testing.T) {
	const crc = "x-amz-checksum-crc32"
	for _, row := range []struct {
		name, length, announced, body string
		want                          object.Kind // 0: good
		data, trailer                 string
	}{
		{"good", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", 0, "hello", "NhCmhg=="},
		{"two chunks", "5", crc, "2\r\nhe\r\n3\r\nllo\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", 0, "hello", "NhCmhg=="},
		{"spaces and capitals", "5", strings.ToUpper(crc), "5\r\nhello\r\n0\r\nX-Amz-Checksum-Crc32: NhCmhg== \r\n\r\n", 0, "hello", "NhCmhg=="},
		{"no last empty line", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n", 0, "hello", "NhCmhg=="},
		{"no trailer, none announced", "5", "", "5\r\nhello\r\n0\r\n\r\n", 0, "hello", ""},
		{"empty payload", "0", crc, "0\r\n" + crc + ":AAAAAA==\r\n\r\n", 0, "", "AAAAAA=="},
		{"chunk size with zeros", "5", crc, "0005\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", 0, "hello", "NhCmhg=="},
		{"trailer missing", "5", crc, "5\r\nhello\r\n0\r\n\r\n", object.MalformedTrailer, "", ""},
		{"other trailer", "5", crc, "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:AA==\r\n\r\n", object.MalformedTrailer, "", ""},
		{"trailer not announced", "5", "", "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", object.MalformedTrailer, "", ""},
		{"trailer twice", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":A\r\n" + crc + ":B\r\n\r\n", object.MalformedTrailer, "", ""},
		{"trailer without value", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":\r\n\r\n", object.MalformedTrailer, "", ""},
		{"trailer without colon", "5", crc, "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", object.MalformedTrailer, "", ""},
		{"trailer with a long line", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":" + strings.Repeat("A", 5000) + "\r\n\r\n", object.MalformedTrailer, "", ""},
		{"signature on unsigned trailer", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":A\r\nx-amz-trailer-signature:00\r\n\r\n", object.MalformedTrailer, "", ""},
		{"bytes after the end", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\nmore", object.IncompleteBody, "", ""},
		{"truncated trailer", "5", crc, "5\r\nhello\r\n0\r\n" + crc + ":Nh", object.IncompleteBody, "", ""},
		{"no last chunk", "5", crc, "5\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"nothing", "5", crc, "", object.IncompleteBody, "", ""},
		{"less than declared", "6", crc, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", object.IncompleteBody, "", ""},
		{"more than declared", "4", crc, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", object.IncompleteBody, "", ""},
		{"more in a second chunk", "5", crc, "5\r\nhello\r\n1\r\nx\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", object.IncompleteBody, "", ""},
		{"chunk longer than its size", "5", crc, "4\r\nhello\r\n0\r\n\r\n", object.IncompleteBody, "", ""},
		{"chunk shorter than its size", "5", crc, "5\r\nhell\r\n0\r\n\r\n", object.IncompleteBody, "", ""},
		{"huge chunk size", "5", crc, "7fffffffffffffff\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"chunk size over 64 bits", "5", crc, "10000000000000000\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"negative chunk size", "5", crc, "-5\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"no chunk size", "5", crc, "\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"prefixed chunk size", "5", crc, "0x5\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"chunk size with a space", "5", crc, "5 \r\nhello\r\n", object.IncompleteBody, "", ""},
		{"header ends with LF", "5", crc, "5\nhello\r\n0\r\n\r\n", object.IncompleteBody, "", ""},
		{"header without end", "5", crc, strings.Repeat("5", 9000), object.IncompleteBody, "", ""},
		{"header too long", "5", crc, strings.Repeat("0", 200) + "5\r\nhello\r\n", object.IncompleteBody, "", ""},
		{"chunk extension", "5", crc, "5;chunk-signature=" + emptyHash + "\r\nhello\r\n", object.IncompleteBody, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var headers []string
			if row.announced != "" {
				headers = []string{"X-Amz-Trailer", row.announced}
			}
			for _, bufferBytes := range []int{1, 3, 4096} {
				r := chunkedRequest(t, streamUnsignedTrailer, row.length, plain(row.body), headers...)
				auth, got, err := readChunked(t, r, bufferBytes)
				if row.want != 0 {
					wantKind(t, err, row.want)
					if len(row.length) == 1 && len(got) >= int(row.length[0]-'0') {
						t.Errorf("all of %q was given out before the error", got)
					}
					continue
				}
				if err != nil || string(got) != row.data {
					t.Fatalf("got %q, %v, want %q", got, err, row.data)
				}
				if (auth.Trailer != nil) != (row.announced != "") {
					t.Fatalf("Trailer is set: %v", auth.Trailer != nil)
				}
				if auth.Trailer != nil && auth.Trailer().Get(crc) != row.trailer {
					t.Errorf("trailer is %v, want %q", auth.Trailer(), row.trailer)
				}
			}
		})
	}
}

// TestSignedTrailer checks the trailer's signature, with and without the empty
// line that some clients put before it.
func TestSignedTrailer(t *testing.T) {
	const line = "x-amz-checksum-crc32:NhCmhg=="
	for _, row := range []struct {
		name string
		tail func(c *chain) string
		want object.Kind
	}{
		{"good", func(c *chain) string {
			return line + "\r\nx-amz-trailer-signature:" + c.trailerSignature(line+"\n") + "\r\n\r\n"
		}, 0},
		{"line feed", func(c *chain) string {
			return line + "\n\r\nx-amz-trailer-signature:" + c.trailerSignature(line+"\n") + "\r\n\r\n"
		}, 0},
		{"no signature", func(*chain) string { return line + "\r\n\r\n" }, object.SignatureMismatch},
		{"empty signature", func(*chain) string { return line + "\r\nx-amz-trailer-signature:\r\n\r\n" }, object.MalformedTrailer},
		{"wrong signature", func(c *chain) string {
			return line + "\r\nx-amz-trailer-signature:" + c.last + "\r\n\r\n"
		}, object.SignatureMismatch},
		{"other value", func(c *chain) string {
			return "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + c.trailerSignature(line+"\n") + "\r\n\r\n"
		}, object.SignatureMismatch},
		{"trailer after the signature", func(c *chain) string {
			return "x-amz-trailer-signature:" + c.trailerSignature("") + "\r\n" + line + "\r\n\r\n"
		}, object.MalformedTrailer},
		{"trailer after the gap", func(c *chain) string {
			return "\r\n" + line + "\r\nx-amz-trailer-signature:" + c.trailerSignature(line+"\n") + "\r\n\r\n"
		}, object.MalformedTrailer},
		{"nothing", func(*chain) string { return "" }, object.MalformedTrailer},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := chunkedRequest(t, streamSignedTrailer, "5", func(seed string) string {
				c := newChain(seed)
				return c.chunk("hello") + c.lastChunk() + row.tail(c)
			}, "X-Amz-Trailer", "x-amz-checksum-crc32")
			auth, got, err := readChunked(t, r, 4096)
			if row.want != 0 {
				wantKind(t, err, row.want)
				if len(got) > 0 {
					t.Errorf("%q was given out before the error", got)
				}
				return
			}
			if err != nil || string(got) != "hello" || auth.Trailer().Get("x-amz-checksum-crc32") != "NhCmhg==" {
				t.Errorf("got %q, %v, %v", got, auth.Trailer(), err)
			}
		})
	}
}

// TestChunkedHeaders checks the headers that go with a chunked payload.
func TestChunkedHeaders(t *testing.T) {
	for _, row := range []struct {
		name    string
		mode    string
		headers []string
		want    object.Kind // 0: good
		coding  string
	}{
		{"gzip kept", streamUnsignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "Content-Encoding", "gzip, aws-chunked"}, 0, "gzip"},
		{"before gzip", streamUnsignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "Content-Encoding", "aws-chunked,gzip,br"}, 0, "gzip,br"},
		{"two headers", streamUnsignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "Content-Encoding", "AWS-Chunked", "Content-Encoding", "gzip"}, 0, "gzip"},
		{"no coding", streamUnsignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5"}, 0, ""},
		{"no length", streamUnsignedTrailer, nil, object.MissingContentLength, ""},
		{"length is no number", streamSigned, []string{"X-Amz-Decoded-Content-Length", "5 bytes"}, object.InvalidArgument, ""},
		{"length negative", streamSigned, []string{"X-Amz-Decoded-Content-Length", "-5"}, object.InvalidArgument, ""},
		{"length beyond int64", streamSigned, []string{"X-Amz-Decoded-Content-Length", "9223372036854775808"}, object.InvalidArgument, ""},
		{"two lengths", streamSigned, []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Decoded-Content-Length", "5"}, object.InvalidArgument, ""},
		{"trailer in a mode without", streamSigned, []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-checksum-crc32"}, object.InvalidRequest, ""},
		{"trailer is no name", streamUnsignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "a b"}, object.InvalidRequest, ""},
		{"trailer is the signature", streamSignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-trailer-signature"}, object.InvalidRequest, ""},
		{"too many trailers", streamSignedTrailer, []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", strings.Repeat("a,", 20) + "a"}, object.InvalidRequest, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			auth, err := newVerifier(0).Verify(signedRequest(t, "PUT", keyURL("k", ""), "", row.mode, row.headers...))
			if row.want != 0 {
				wantKind(t, err, row.want)
				return
			}
			if err != nil || auth.ContentEncoding != row.coding || auth.SizeBytes != 5 {
				t.Errorf("got %+v, %v", auth, err)
			}
		})
	}
}

// TestHashedBody checks a payload against its hash and its length.
func TestHashedBody(t *testing.T) {
	for _, row := range []struct {
		name, signed, sent string
		contentLength      int64
		want               object.Kind // 0: good
	}{
		{"good", "hello", "hello", 5, 0},
		{"good, length unknown", "hello", "hello", -1, 0},
		{"other bytes", "hello", "hellO", 5, object.ContentSHA256Mismatch},
		{"other bytes, length unknown", "hello", "hellO", -1, object.ContentSHA256Mismatch},
		{"fewer bytes", "hello", "hell", 5, object.IncompleteBody},
		{"fewer bytes, length unknown", "hello", "hell", -1, object.ContentSHA256Mismatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, bufferBytes := range []int{1, 5, 100} {
				r := signedRequest(t, "PUT", keyURL("k", ""), row.signed, hexHash(row.signed))
				r.Header.Set("Content-Length", "5") // what was signed
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(row.sent)), row.contentLength
				auth, got, err := readChunked(t, r, bufferBytes)
				if row.want != 0 {
					wantKind(t, err, row.want)
					if row.contentLength > 0 && len(got) >= 5 {
						t.Error("the last bytes were given out before the error")
					}
				} else if err != nil || string(got) != row.sent || auth.SizeBytes != row.contentLength {
					t.Errorf("got %q, %v", got, err)
				}
				if _, again := auth.Body.Read(make([]byte, 1)); again == nil {
					t.Error("after the end, Read gives neither io.EOF nor the error")
				}
			}
		})
	}
	t.Run("empty body, other hash", func(t *testing.T) {
		_, err := newVerifier(0).Verify(signedRequest(t, "PUT", keyURL("k", ""), "", hexHash("hello")))
		wantKind(t, err, object.ContentSHA256Mismatch)
	})
	t.Run("connection fails", func(t *testing.T) {
		lost := errors.New("connection lost")
		r := signedRequest(t, "PUT", keyURL("k", ""), "hello", "UNSIGNED-PAYLOAD")
		r.Body = io.NopCloser(iotest.ErrReader(lost))
		if _, _, err := readChunked(t, r, 10); !errors.Is(err, lost) {
			t.Errorf("got %v, want %v", err, lost)
		}
	})
}
