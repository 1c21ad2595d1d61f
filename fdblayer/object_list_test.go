package fdblayer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// listed is an item of a listing, a key or a common prefix.
type listed struct {
	text   string
	prefix bool
}

func (i listed) String() string { return fmt.Sprintf("%q", i.text) }

// naiveList lists keys, which are sorted, by S3's words: all of them are looked at. all ignores the maximum.
func naiveList(keys []string, q ListObjects) (all []listed) {
	for _, k := range keys {
		if !strings.HasPrefix(k, q.Prefix) || k <= q.After || q.AfterPrefix && strings.HasPrefix(k, q.After) {
			continue
		}
		item := listed{text: k}
		if i := strings.Index(k[len(q.Prefix):], q.Delimiter); q.Delimiter != "" && i >= 0 {
			item = listed{text: k[:len(q.Prefix)+i+len(q.Delimiter)], prefix: true}
			if item.text <= q.After {
				continue
			}
		}
		if len(all) == 0 || all[len(all)-1] != item {
			all = append(all, item)
		}
	}
	return all
}

// items are a page's keys and common prefixes in one order, which must be that of each.
func (page *Listing) items() (items []listed) {
	for _, e := range page.Entries {
		items = append(items, listed{text: string(e.Key)})
	}
	for _, p := range page.Prefixes {
		items = append(items, listed{text: p, prefix: true})
	}
	slices.SortStableFunc(items, func(a, b listed) int { return strings.Compare(a.text, b.text) })
	return items
}

func (l *testLayer) list(q ListObjects) Listing {
	l.t.Helper()
	page, err := l.ListObjects(l.t.Context(), q)
	if err != nil {
		l.t.Fatalf("list %+v: %v", q, err)
	}
	return page
}

// checkList compares one page with the model, and returns what is behind it.
func (l *testLayer) checkList(keys []string, q ListObjects) (more bool, next ListObjects) {
	l.t.Helper()
	page := l.list(q)
	all := naiveList(keys, q)
	want := all[:min(len(all), q.KeysMax)]
	if got := page.items(); !slices.Equal(got, want) {
		l.t.Fatalf("list %+v\n got %v\nwant %v", q, got, want)
	}
	if wantMore := q.KeysMax > 0 && len(all) > q.KeysMax; page.More != wantMore {
		l.t.Fatalf("list %+v: more %t, want %t", q, page.More, wantMore)
	}
	if page.More && (page.Next != want[len(want)-1].text || page.NextIsPrefix != want[len(want)-1].prefix) {
		l.t.Fatalf("list %+v: next %q (prefix %t), want %v", q, page.Next, page.NextIsPrefix, want[len(want)-1])
	}
	next = q
	next.After = page.Next
	return page.More, next
}

// randomKeys makes keys of a few characters, so that prefixes and delimiters meet often.
func randomKeys(random *rand.Rand, n int) []string {
	set := map[string]bool{}
	for len(set) < n {
		set[randomText(random, 1, 7)] = true
	}
	keys := make([]string, 0, n)
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func randomText(random *rand.Rand, least, most int) string {
	alphabet := []string{"/", "/", "a", "b", "\x00", "é", "\U0010ffff"}
	var b strings.Builder
	for range least + random.IntN(most-least+1) {
		b.WriteString(alphabet[random.IntN(len(alphabet))])
	}
	return b.String()
}

// TestListRandom compares listings with a naive one: random prefixes, delimiters and positions, and whole
// listings page by page, continued both as V1 does (marker) and as V2 (token).
func TestListRandom(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := newLayer(t, newEngine(t))
	l.bucket("other", object.Unversioned)
	l.bucket("list", object.Unversioned)
	l.bucket("last", object.Unversioned)
	l.put("other", "z", "neighbour")
	l.put("last", "\x00", "neighbour")
	keys := randomKeys(random, 700)
	for _, k := range keys {
		l.put("list", object.Key(k), "x")
	}
	delimiters := []string{"", "", "/", "/", "a", "//", "ab", "\x00", "é", "\xf4"}
	queries := 1500
	if testing.Short() {
		queries = 300
	}
	for range queries {
		q := ListObjects{
			Bucket: "list", Prefix: randomText(random, 0, 2), Delimiter: delimiters[random.IntN(len(delimiters))],
			KeysMax: []int{0, 1, 2, 3, 10, 100, 1000}[random.IntN(7)], AfterPrefix: random.IntN(4) == 0,
		}
		switch random.IntN(4) {
		case 0:
			q.After = keys[random.IntN(len(keys))]
		case 1:
			q.After = randomText(random, 1, 4)
		case 2:
			q.After = q.Prefix + randomText(random, 0, 2)
		default:
			q.AfterPrefix = false
		}
		l.checkList(keys, q)
	}
	for _, d := range []string{"", "/", "a", "//"} {
		for _, prefix := range []string{"", "a", "/"} {
			q := ListObjects{Bucket: "list", Prefix: prefix, Delimiter: d, KeysMax: 1 + random.IntN(20)}
			var pages []listed
			for more := true; more; {
				page := l.list(q)
				pages = append(pages, page.items()...)
				more, q = l.checkList(keys, q)
				q.AfterPrefix = page.NextIsPrefix && random.IntN(2) == 0
			}
			if all := naiveList(keys, ListObjects{Prefix: prefix, Delimiter: d}); !slices.Equal(pages, all) {
				t.Errorf("prefix %q, delimiter %q: all pages have %d items, want %d", prefix, d, len(pages), len(all))
			}
		}
	}
}

// TestListEveryPosition continues from every key, every byte of it, and every common prefix.
func TestListEveryPosition(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("list", object.Unversioned)
	keys := []string{
		"\x01", "/", "//", "/a", "a", "a\x00", "a/", "a//b", "a/1", "a/2", "a/b/c", "a0", "b", "b/c", "b/c/d", "b/d", "c", "é/1", "é/2", "\U0010ffff",
	}
	for _, k := range keys {
		l.put("list", object.Key(k), "x")
	}
	positions := []string{"", "\xff", strings.Repeat("a", 5000)}
	for _, k := range keys {
		for i := range len(k) + 1 {
			positions = append(positions, k[:i], k[:i]+"\x00")
		}
	}
	for _, prefix := range []string{"", "a", "a/", "b/c", "é", "\xc3", "none", strings.Repeat("a", 5000)} {
		for _, d := range []string{"", "/", "a"} {
			for _, after := range positions {
				for _, keysMax := range []int{1, 3, 1000} {
					for _, behind := range []bool{false, true} {
						if behind && after == "" {
							continue // everything begins with it
						}
						l.checkList(keys, ListObjects{
							Bucket: "list", Prefix: prefix, Delimiter: d, After: after, AfterPrefix: behind, KeysMax: keysMax,
						})
					}
				}
			}
		}
	}
}

// TestListEntry: what is listed is what was put, deleted keys are not, and one that shows again is.
func TestListEntry(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("kept", object.VersioningEnabled)
	v := version("k", "content")
	v.Metadata.StorageClass = "STANDARD_IA"
	v.Checksum = &object.Checksum{Algorithm: object.SHA256, Composite: true, Value: []byte{1}, Parts: 1}
	put, err := l.PutObject(t.Context(), PutObject{Bucket: "kept", Version: v})
	if err != nil {
		t.Fatal(err)
	}
	want := ListEntry{
		Key: "k", Stamp: put.Version.Stamp, SizeBytes: 7, ETag: v.ETag, LastModified: v.LastModified.UTC(), StorageClass: "STANDARD_IA",
		Checksum: object.SHA256, Composite: true,
	}
	whole := ListObjects{Bucket: "kept", KeysMax: 1000}
	if page := l.list(whole); len(page.Entries) != 1 || page.Entries[0] != want {
		t.Errorf("listed %+v, want %+v", page.Entries, want)
	}
	marker := l.del("kept", "k", "")
	if page := l.list(whole); len(page.Entries) != 0 {
		t.Errorf("listed behind a delete marker: %+v", page.Entries)
	}
	l.del("kept", "k", marker.VersionID)
	if page := l.list(whole); len(page.Entries) != 1 || page.Entries[0] != want {
		t.Errorf("listed after the marker was removed: %+v, want %+v", page.Entries, want)
	}
	if _, err := l.ListObjects(t.Context(), ListObjects{Bucket: "none", KeysMax: 0}); !isKind(err, object.NoSuchBucket) {
		t.Errorf("list of a bucket that is not there: %v", err)
	}
}

// TestListSeeks: a page of common prefixes reads a bounded number of rows, however many keys they stand for.
func TestListSeeks(t *testing.T) {
	t.Parallel()
	const folders, files = 20, 300
	l := newLayer(t, newEngine(t))
	l.bucket("list", object.Unversioned)
	l.fill("list", folders, files)
	s := l.objectScan(1, &ListObjects{Delimiter: "/", KeysMax: 1000})
	rows := 0
	key := s.key
	s.key = func(row kv.KeyValue) (object.Key, bool, error) {
		rows++
		return key(row)
	}
	var found scanned
	_, err := l.read(t.Context(), operation{name: "test"}, func(ctx context.Context, x *txn) (err error) {
		rows = 0
		found, err = x.scan(ctx, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.items) != folders {
		t.Errorf("%d common prefixes, want %d", len(found.items), folders)
	}
	if most := scanFirstRows + folders*scanSeekRows; rows > most {
		t.Errorf("%d rows were read of %d, want at most %d", rows, folders*files, most)
	}
}

// fill puts files into folders of a bucket, many in a transaction.
func (l *testLayer) fill(b object.BucketName, folders, files int) {
	l.t.Helper()
	names := make([]object.Key, 0, folders*files)
	for i := range folders {
		for j := range files {
			names = append(names, object.Key(fmt.Sprintf("folder-%05d/file-%05d", i, j)))
		}
	}
	for batch := range slices.Chunk(names, 500) {
		_, err := l.mutate(l.t.Context(), operation{name: "fill"}, func(ctx context.Context, t *txn) error {
			bucket, err := t.bucket(ctx, b)
			for _, k := range batch {
				v := version(k, "x")
				if _, err := t.addVersion(bucket, &v); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
}
