// Package arch_test holds the structure of the repository: who may import
// whom, and that every package says what it is for.
package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stampede-store/stampede/"

// allowed is the import graph inside the module (docs/architecture.md): for each
// package, or tree of packages ending in /..., those it may import. Tests may
// import more.
var allowed = []struct {
	pkg string
	may []string
}{
	{"object", nil},
	{"object/checksum", []string{"object"}},
	{"fdblayer/kv/tuple", []string{"fdblayer/kv"}},
	{"fdblayer/kv", nil},
	{"fdblayer/kv/pebblekv", []string{"fdblayer/kv"}},
	{"fdblayer/kv/fdbkv", []string{"fdblayer/kv"}},
	{"fdblayer/kv/kvtest", []string{"fdblayer/kv"}},
	{"fdblayer/kv/kvenv", []string{"fdblayer/kv", "fdblayer/kv/pebblekv", "fdblayer/kv/fdbkv"}},
	{"fdblayer/kv/kvfault", []string{"fdblayer/kv"}},
	{"fdblayer/keys/recordpb", nil},
	{"fdblayer/keys", []string{"object", "fdblayer/kv", "fdblayer/kv/tuple", "fdblayer/keys/recordpb"}},
	{"fdblayer", []string{"object", "fdblayer/kv", "fdblayer/keys"}},
	{"chunkwire", []string{"object"}},
	{"chunkd/...", []string{"object", "chunkwire", "chunkd/..."}},
	{"chunkclient", []string{"object", "chunkwire"}},
	{"chunkclient/...", []string{"object", "chunkwire", "chunkclient"}},
	{"store", []string{"object", "object/checksum", "fdblayer", "chunkclient"}},
	{"gateway/sigv4", []string{"object", "object/checksum"}},
	{"gateway/s3xml", []string{"object", "object/checksum"}},
	{"gateway/s3err", []string{"object", "gateway/s3xml"}},
	{"gateway", []string{"object", "object/checksum", "store", "fdblayer", "gateway/..."}},
	{"janitor", []string{"object", "store", "fdblayer", "chunkclient"}},
	{"admin", []string{"object", "store", "fdblayer", "chunkclient"}},
	{"internal/testenv", []string{"fdblayer/kv/kvenv"}},
	{"cmd/stampede", []string{"..."}},
}

// forbidden are imports from outside the module that a package must not have, and
// what to do instead.
var forbidden = []struct{ pkg, imports, instead string }{
	{"object", "github.com/", "object imports the standard library only"},
	{"...", "testing", "put it into a package that tests alone import"},
	{"fdblayer", "net/http", "HTTP stays in gateway and admin"},
	{"store", "net/http", "HTTP stays in gateway and admin"},
	{"chunkclient", "net/http", "HTTP stays in gateway and admin"},
	{"fdblayer", "fdblayer/kv/tuple", "key bytes stay in fdblayer/keys"},
	{"chunkd/...", "C", "a chunk node needs no cgo"},
}

// testOnly are the packages that exist for tests.
var testOnly = []string{"fdblayer/kv/kvtest", "fdblayer/kv/kvenv", "chunkclient/nodetest", "chunkclient/clienttest", "internal/testenv"}

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath string
	Doc        string
	Imports    []string
}

// packages lists those behind a build tag too; nothing is compiled for it.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-tags", "fdb", "-json=ImportPath,Doc,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		for i := range p.Imports {
			p.Imports[i] = strings.TrimPrefix(p.Imports[i], module)
		}
		all = append(all, p)
	}
}

// matches says whether a package is named by a pattern: itself, or a tree.
func matches(pattern, pkg string) bool {
	tree, isTree := strings.CutSuffix(pattern, "...")
	return pattern == pkg || isTree && strings.HasPrefix(pkg, tree)
}

// TestImports: every arrow between packages is one of the allowed ones.
func TestImports(t *testing.T) {
	all := packages(t)
	names := map[string]bool{}
	for _, p := range all {
		names[p.ImportPath] = true
	}
	for _, p := range all {
		if strings.HasPrefix(p.ImportPath, "tests/") {
			continue
		}
		rule := slices.IndexFunc(allowed, func(a struct {
			pkg string
			may []string
		},
		) bool {
			return matches(a.pkg, p.ImportPath)
		})
		if rule < 0 {
			t.Errorf("package %s has no row in the import graph: add it, and to docs/architecture.md", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if names[imported] && !slices.ContainsFunc(allowed[rule].may, func(m string) bool { return matches(m, imported) }) {
				t.Errorf("%s imports %s, which its row in the import graph does not allow", p.ImportPath, imported)
			}
			checkForbidden(t, p.ImportPath, imported)
		}
	}
}

func checkForbidden(t *testing.T, pkg, imported string) {
	t.Helper()
	if slices.Contains(testOnly, pkg) {
		return
	}
	if slices.Contains(testOnly, imported) {
		t.Errorf("%s imports %s, which is for tests", pkg, imported)
	}
	for _, f := range forbidden {
		if matches(f.pkg, pkg) && (imported == f.imports || strings.HasSuffix(f.imports, "/") && strings.HasPrefix(imported, f.imports)) {
			t.Errorf("%s imports %s: %s", pkg, imported, f.instead)
		}
	}
}

// TestPackageComments: every package says what it is.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		name := p.ImportPath[strings.LastIndexByte(p.ImportPath, '/')+1:]
		want := "Package " + name + " "
		if strings.HasPrefix(p.ImportPath, "cmd/") {
			want = "Command " + name + " "
		}
		if p.Doc != "" && !strings.HasPrefix(p.Doc, want) || p.Doc == "" && !strings.HasPrefix(p.ImportPath, "tests/") {
			t.Errorf("%s: the package comment is %q, want one that begins %q", p.ImportPath, p.Doc, want)
		}
	}
}
