package segment_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap/zaptest"

	"github.com/stampede-store/stampede/chunkd/segment"
)

func readAll(t testing.TB, fs vfs.FS, name string) string {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeAll(t testing.TB, fs vfs.FS, name, content string) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// segmentFiles lists the segments, ascending.
func segmentFiles(t testing.TB, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List("node/segments")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for i, n := range names {
		if !strings.HasSuffix(n, ".seg") {
			t.Fatalf("unknown file %s", n)
		}
		names[i] = "node/segments/" + n
	}
	return names
}

// logged shows a store's log when the test fails.
func logged(t testing.TB, o segment.Options) segment.Options {
	o.Log = zaptest.NewLogger(t)
	return o
}
