package testenv

import (
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
)

// prefixes are the parts of the cluster that servers use, by their data folders: one that is
// started again finds its metadata. Guarded by prefixesMu.
var (
	prefixesMu sync.Mutex
	prefixes   = map[string]string{}
)

// metaArgs are the arguments by which a server uses the metadata engine that the environment chooses for tests.
func metaArgs(t testing.TB, args []string) []string {
	t.Helper()
	if !kvenv.OnFoundationDB() {
		return nil
	}
	folder, _, _ := strings.Cut(t.Name(), "/") // unless it is given: one for each test
	for i := range len(args) - 1 {
		if args[i] == "--data" {
			folder = args[i+1]
		}
	}
	prefixesMu.Lock()
	defer prefixesMu.Unlock()
	if prefixes[folder] == "" {
		prefixes[folder] = string(kvenv.Prefix(t))
	}
	return []string{"--meta", "fdb:" + os.Getenv(kvenv.ClusterEnv) + "?prefix=" + url.QueryEscape(prefixes[folder])}
}
