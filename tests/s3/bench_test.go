package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bencher sends signed requests with little work of its own: client and server
// share the machine.
type bencher struct {
	b      *testing.B
	e      endpoint
	bucket string
	http   *http.Client
}

func newBencher(b *testing.B, clients int) bencher {
	b.Helper()
	return bencher{
		b: b, e: target(b), bucket: newBucket(b, client(b)),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}},
	}
}

// do sends one request and reads the answer to its end.
func (n bencher) do(method, key string, body []byte) error {
	request, err := http.NewRequestWithContext(n.b.Context(), method, n.e.url+"/"+n.bucket+"/"+key, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) == 0 {
		request.Body, request.ContentLength = http.NoBody, 0
	}
	sign(n.b, n.e, rawRequest{}, request)
	response, err := n.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, key, response.Status)
	}
	return nil
}

// run has so many clients do b.N operations between them, and reports
// operations a second.
func (n bencher) run(clients int, operation func(i int64) error) {
	n.b.ResetTimer()
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n.b.N); i = next.Add(1) - 1 {
				if err := operation(i); err != nil {
					n.b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n.b.ReportMetric(float64(n.b.N)/time.Since(began).Seconds(), "ops/s")
}

var (
	benchSizes   = []int{0, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}
	benchClients = []int{1, 32}
)

func benchEach(b *testing.B, f func(n bencher, size, clients int)) {
	for _, size := range benchSizes {
		for _, clients := range benchClients {
			b.Run(fmt.Sprintf("%dKiB/%dclients", size>>10, clients), func(b *testing.B) {
				b.SetBytes(int64(size))
				f(newBencher(b, clients), size, clients)
			})
		}
	}
}

// BenchmarkPut writes new objects.
func BenchmarkPut(b *testing.B) {
	benchEach(b, func(n bencher, size, clients int) {
		body := random(1, size)
		n.run(clients, func(i int64) error { return n.do("PUT", fmt.Sprintf("k%09d", i), body) })
	})
}

// BenchmarkOverwrite writes the same few keys again and again.
func BenchmarkOverwrite(b *testing.B) {
	for _, clients := range benchClients {
		b.Run(fmt.Sprintf("4KiB/%dclients", clients), func(b *testing.B) {
			n, body := newBencher(b, clients), random(1, 4<<10)
			n.run(clients, func(i int64) error { return n.do("PUT", fmt.Sprintf("k%d", i%16), body) })
		})
	}
}

// BenchmarkGet reads one of a few objects.
func BenchmarkGet(b *testing.B) {
	benchEach(b, func(n bencher, size, clients int) {
		const objects = 16
		for i := range objects {
			if err := n.do("PUT", fmt.Sprintf("k%d", i), random(uint64(i), size)); err != nil {
				b.Fatal(err)
			}
		}
		n.run(clients, func(i int64) error { return n.do("GET", fmt.Sprintf("k%d", i%objects), nil) })
	})
}

// BenchmarkDelete deletes objects that are there.
func BenchmarkDelete(b *testing.B) {
	for _, clients := range benchClients {
		b.Run(fmt.Sprintf("%dclients", clients), func(b *testing.B) {
			n := newBencher(b, clients)
			n.run(32, func(i int64) error { return n.do("PUT", fmt.Sprintf("k%d", i), []byte("x")) })
			n.run(clients, func(i int64) error { return n.do("DELETE", fmt.Sprintf("k%d", i), nil) })
		})
	}
}

// BenchmarkList reads pages of 1,000 keys.
func BenchmarkList(b *testing.B) {
	for _, clients := range benchClients {
		b.Run(fmt.Sprintf("1000keys/%dclients", clients), func(b *testing.B) {
			n := newBencher(b, clients)
			var wg sync.WaitGroup
			for w := range 16 {
				wg.Go(func() {
					for i := w; i < 1000; i += 16 {
						if err := n.do("PUT", fmt.Sprintf("k%d", i), nil); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			n.run(clients, func(int64) error { return n.do("GET", "?list-type=2", nil) })
		})
	}
}
