package segment_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/object"
)

var _ chunkclient.Node = (*segment.Store)(nil)

// testOptions are small segments on a file system, without reserve.
func testOptions(fs vfs.FS) segment.Options {
	return segment.Options{
		Dir: "node", FS: fs, Node: 7, SegmentBytes: segment.SegmentMinBytes,
		MinFreeBytes: -1, CompactionBytesPerSecond: -1,
	}
}

func mustOpen(t testing.TB, o segment.Options) *segment.Store {
	t.Helper()
	s, err := segment.Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !t.Failed() {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func reopen(o func(*segment.Store) segment.Options) func(*testing.T, chunkclient.Node) chunkclient.Node {
	return func(t *testing.T, n chunkclient.Node) chunkclient.Node {
		s := n.(*segment.Store)
		options := o(s)
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		return mustOpen(t, options)
	}
}

// The store passes the suite of nodes, in memory and on the operating system's
// files.
func TestNode(t *testing.T) {
	for _, row := range []struct {
		name    string
		options func(t *testing.T) segment.Options
	}{
		{"memory", func(*testing.T) segment.Options { return testOptions(vfs.NewMem()) }},
		{"disk", func(t *testing.T) segment.Options {
			o := testOptions(vfs.Default)
			o.Dir = t.TempDir() + "/a/b"
			return o
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			opened := map[*segment.Store]segment.Options{}
			nodetest.Run(t, nodetest.Harness{
				Open: func(t *testing.T) chunkclient.Node {
					o := row.options(t)
					s := mustOpen(t, o)
					opened[s] = o
					return s
				},
				Reopen: func(t *testing.T, n chunkclient.Node) chunkclient.Node {
					o := opened[n.(*segment.Store)]
					next := reopen(func(*segment.Store) segment.Options { return o })(t, n)
					opened[next.(*segment.Store)] = o
					return next
				},
			})
		})
	}
}

// A folder is refused while it is in use, when it is another node's, and when a newer
// release wrote it.
func TestOpenRefused(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	o.Cluster = "blue"
	s := mustOpen(t, o)
	if s.Node() != 7 {
		t.Errorf("node is %d", s.Node())
	}
	if _, err := segment.Open(o); !errors.Is(err, segment.ErrLocked) || !errors.Is(err, object.Unavailable) {
		t.Errorf("a second store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		want error
		edit func(*segment.Options)
	}{
		{"another node", segment.ErrForeign, func(o *segment.Options) { o.Node = 8 }},
		{"another cluster", segment.ErrForeign, func(o *segment.Options) { o.Cluster = "red" }},
		{"no folder", object.InvalidArgument, func(o *segment.Options) { o.Dir = "" }},
		{"small segments", object.InvalidArgument, func(o *segment.Options) { o.SegmentBytes = 1 << 20 }},
		{"large segments", object.InvalidArgument, func(o *segment.Options) { o.SegmentBytes = 4 << 30 }},
		{"small queue", object.InvalidArgument, func(o *segment.Options) { o.QueueBytes = 1 << 20 }},
	} {
		edited := o
		row.edit(&edited)
		if _, err := segment.Open(edited); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	anyone := o
	anyone.Node, anyone.Cluster = 0, ""
	if s := mustOpen(t, anyone); s.Node() != 7 {
		t.Errorf("node is %d", s.Node())
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	for _, row := range []struct {
		name, content string
		want          error
	}{
		{"newer", `{"format":2,"anything":[]}` + "\n????\n", object.NewerFormat},
		{"empty", "", object.Corrupt},
		{"flipped", strings.Replace(readAll(t, fs, "node/IDENTITY"), `"node":7`, `"node":6`, 1), object.Corrupt},
	} {
		writeAll(t, fs, "node/IDENTITY", row.content)
		if _, err := segment.Open(o); !errors.Is(err, row.want) {
			t.Errorf("%s identity: got %v, want %v", row.name, err, row.want)
		}
	}
	s2 := testOptions(vfs.NewMem())
	if err := s2.FS.MkdirAll("node/segments", 0o755); err != nil {
		t.Fatal(err)
	}
	writeAll(t, s2.FS, "node/segments/00000001.seg", "x")
	if _, err := segment.Open(s2); err == nil {
		t.Error("segments without an identity were opened")
	}
}

// A cluster id that comes later is kept.
func TestClusterAdopted(t *testing.T) {
	o := testOptions(vfs.NewMem())
	for _, cluster := range []string{"", "blue", "", "blue"} {
		o.Cluster = cluster
		if err := mustOpen(t, o).Close(); err != nil {
			t.Fatal(err)
		}
	}
	o.Cluster = "red"
	if _, err := segment.Open(o); !errors.Is(err, segment.ErrForeign) {
		t.Errorf("got %v", err)
	}
}

// After Close all calls are refused, and Close may be repeated.
func TestClosed(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem()))
	p := nodetest.PutOf(nodetest.ID(1, 1, 0, 0), 10)
	if err := s.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), p); !errors.Is(err, object.Unavailable) {
		t.Errorf("put: %v", err)
	}
	if err := nodetest.Check(t.Context(), s, p); !errors.Is(err, object.Unavailable) {
		t.Errorf("get: %v", err)
	}
}
