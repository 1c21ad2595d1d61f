package sigv4_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// BenchmarkVerifyHeader is one GET with an Authorization header.
func BenchmarkVerifyHeader(b *testing.B) {
	r := signedRequest(b, "GET", keyURL("some/folder/and a name.txt", "?versionId=null"), "", emptyHash, "Range", "bytes=0-9")
	v := newVerifier(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyPresigned is one presigned GET.
func BenchmarkVerifyPresigned(b *testing.B) {
	r := presignedRequest(b, "GET", keyURL("some/folder/and a name.txt", ""), "3600", "")
	v := newVerifier(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBody reads 8 MiB in each mode with a buffer of 1 MiB, and signed
// chunks with one that is smaller than a chunk too.
func BenchmarkBody(b *testing.B) {
	const size = 8 << 20
	data := strings.Repeat("a", size)
	var unsigned strings.Builder
	for range size / 65536 {
		unsigned.WriteString("10000\r\n" + data[:65536] + "\r\n")
	}
	unsigned.WriteString("0\r\n\r\n")
	for _, row := range []struct {
		name, mode  string
		body        func(string) string
		bufferBytes int
	}{
		{"signed chunks of 64 KiB", streamSigned, signedBody(data, 65536), 1 << 20},
		{"signed chunks of 64 KiB, small buffer", streamSigned, signedBody(data, 65536), 32 << 10},
		{"signed chunks of 1 MiB, small buffer", streamSigned, signedBody(data, 1<<20), 32 << 10},
		{"unsigned chunks of 64 KiB", streamUnsignedTrailer, plain(unsigned.String()), 1 << 20},
	} {
		b.Run(row.name, func(b *testing.B) {
			r := chunkedRequest(b, row.mode, fmt.Sprint(size), row.body)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				b.Fatal(err)
			}
			v, buffer := newVerifier(0), make([]byte, row.bufferBytes)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader(body))
				auth, err := v.Verify(r)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, auth.Body, buffer); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
		})
	}
}
