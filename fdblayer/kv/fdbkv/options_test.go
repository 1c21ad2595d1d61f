//go:build fdb

package fdbkv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// TestOptions: what is wrong is said before the client is started, which can be done only
// once in a process.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fdb.cluster")
	if err := os.WriteFile(file, []byte("a:b@127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no cluster file", Options{}, "no cluster file"},
		{"absent cluster file", Options{ClusterFile: filepath.Join(dir, "none")}, "cluster file: "},
		{"certificate without key", Options{ClusterFile: file, Network: Network{TLSCertFile: file}}, "go together"},
		{"key without certificate", Options{ClusterFile: file, Network: Network{TLSKeyFile: file}}, "go together"},
		{"absent authorities", Options{ClusterFile: file, Network: Network{TLSCAFile: filepath.Join(dir, "none")}}, "authorities"},
		{"absent trace folder", Options{ClusterFile: file, Network: Network{TraceDir: filepath.Join(dir, "none")}}, "trace files"},
		{"threads below one", Options{ClusterFile: file, Network: Network{ClientThreads: -1}}, "-1 client threads"},
		{"too many threads", Options{ClusterFile: file, Network: Network{ClientThreads: 65}}, "65 client threads"},
		{"threads without libraries", Options{ClusterFile: file, Network: Network{ClientThreads: 2}}, "external client"},
	} {
		db, err := Open(c.o)
		if err == nil {
			t.Errorf("%s: opened (%v)", c.name, db.Close())
			continue
		}
		if kv.KindOf(err) != kv.Fatal || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestClusterFiles: each thread of the client needs a name of its own for the same file.
func TestClusterFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fdb.cluster")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	names, err := Options{ClusterFile: file, Network: Network{ClientThreads: 3}}.clusterFiles()
	if err != nil || len(names) != 3 {
		t.Fatalf("got %q, %v", names, err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if got, err := os.Stat(name); err != nil || !os.SameFile(got, want) || seen[name] {
			t.Errorf("%q: %v, seen %v", name, err, seen[name])
		}
		seen[name] = true
	}
}
