package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// discard is a ResponseWriter without a network.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func (d *discard) SetReadDeadline(time.Time) error  { return nil }
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkRequest is the gateway's own share of a small PUT and GET: routing, headers, logging; neither
// signature nor store.
func BenchmarkRequest(b *testing.B) {
	g := newGateway(b, &fake{put: putAnything, get: hello}, nil)
	for _, method := range []string{"PUT", "GET"} {
		b.Run(method, func(b *testing.B) {
			r := httptest.NewRequest(method, "/bucket/photos/2026/05/00001234.jpg?x-id=Operation", strings.NewReader(""))
			r.Header.Set("Content-Type", "image/jpeg")
			r.Header.Set("X-Amz-Meta-Colour", "red")
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				g.ServeHTTP(w, r)
			}
		})
	}
}
