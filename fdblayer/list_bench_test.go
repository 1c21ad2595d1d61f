package fdblayer

import (
	"fmt"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// BenchmarkListObjects reads pages of 1,000 of 100,000 keys: flat, of 1,000 common prefixes of 100 keys, and within one.
func BenchmarkListObjects(b *testing.B) {
	l := newLayer(b, newEngine(b))
	l.bucket("list", object.Unversioned)
	l.fill("list", 1000, 100)
	for _, row := range []struct {
		name  string
		q     ListObjects
		items int
	}{
		{"flat", ListObjects{Bucket: "list", KeysMax: 1000}, 1000},
		{"flat, middle", ListObjects{Bucket: "list", KeysMax: 1000, After: "folder-00500/"}, 1000},
		{"1000 common prefixes", ListObjects{Bucket: "list", Delimiter: "/", KeysMax: 1000}, 1000},
		{"one folder", ListObjects{Bucket: "list", Prefix: "folder-00500/", Delimiter: "/", KeysMax: 1000}, 100},
		{"one common prefix", ListObjects{Bucket: "list", Prefix: "folder-00500", Delimiter: "/", KeysMax: 1000}, 1},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page := l.list(row.q)
				if n := len(page.Entries) + len(page.Prefixes); n != row.items {
					b.Fatalf("%d items, want %d", n, row.items)
				}
			}
			b.ReportMetric(float64(row.items)*float64(b.N)/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// BenchmarkCompleteUpload completes an upload of many parts.
func BenchmarkCompleteUpload(b *testing.B) {
	for _, parts := range []int{10, 1000} {
		b.Run(fmt.Sprint(parts, " parts"), func(b *testing.B) {
			l := newLayer(b, newEngine(b))
			l.bucket("b", object.Unversioned)
			numbers := make([]int, parts)
			for i := range numbers {
				numbers[i] = i + 1
			}
			for b.Loop() {
				b.StopTimer()
				u := l.upload("b", "k")
				for _, n := range numbers {
					l.part("b", u, n)
				}
				b.StartTimer()
				if _, err := l.complete("b", u, numbers...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
