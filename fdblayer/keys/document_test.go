package keys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
)

// docs/key-schema.md has exactly the rows of the registry: same names, keys
// and values, in the same order, and says who writes and who clears each.
func TestDocument(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "key-schema.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| row | key | value | written by | cleared by |\n| --- | --- | --- | --- | --- |\n")
	if !found {
		t.Fatalf("%s has no table of rows", file)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	lines := strings.Split(table, "\n")
	layouts := keys.Layouts()
	for i, line := range lines {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 5 {
			t.Errorf("%s: row %d has %d cells: %s", file, i+1, len(cells), line)
			continue
		}
		if i >= len(layouts) {
			t.Errorf("%s: %q is not in the registry", file, cells[0])
			continue
		}
		l := layouts[i]
		want := []string{l.Name, "`" + l.KeyText() + "`", "`" + l.ValueText() + "`"}
		for j, w := range want {
			if cells[j] != w {
				t.Errorf("%s: row %d: %s, the registry has %s", file, i+1, cells[j], w)
			}
		}
	}
	for _, l := range layouts[min(len(lines), len(layouts)):] {
		t.Errorf("%s: no row of %q", file, l.Name)
	}
}

// The records that the document names are those of the proto file.
func TestMessagesExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("recordpb", "record.proto"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range keys.Layouts() {
		if l.Message != "" && !strings.Contains(string(text), "\nmessage "+l.Message+" {") {
			t.Errorf("%s: no message %s in record.proto", l.Name, l.Message)
		}
	}
}
