package keys_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Every row is encoded, compared with its golden bytes, found in the registry,
// parsed and decoded; its operands must become it when they are committed.
func TestRows(t *testing.T) {
	golden := filepath.Join("testdata", "rows.golden")
	var got strings.Builder
	got.WriteString("# name: key = value, in hex. The keys begin with the prefix \"st\".\n")
	seen := map[string]bool{}
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) { checkRow(t, e) })
		seen[e.layout] = true
		fmt.Fprintf(&got, "%s: %x = %x\n", e.name, e.key, e.value)
	}
	for _, l := range keys.Layouts() {
		if !seen[l.Name] {
			t.Errorf("no example of %q", l.Name)
		}
	}
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "", ""
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s line %d\n got %s\nwant %s", golden, i+1, g, w)
		}
	}
}

func checkRow(t *testing.T, e example) {
	l, _, err := space.Identify(e.key)
	if err != nil || l.Name != e.layout {
		t.Errorf("Identify: %q, %v, want %q", l.Name, err, e.layout)
	}
	if e.parse != nil {
		got, err := e.parse(e.key)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		equal(t, "parsed", got, e.parsed)
		if _, err := e.parse(append(bytes.Clone(e.key), 0x15)); !errors.Is(err, object.Corrupt) {
			t.Errorf("parse of a longer key: %v, want Corrupt", err)
		}
		if _, err := e.parse(e.key[:len(e.key)-1]); !errors.Is(err, object.Corrupt) {
			t.Errorf("parse of a shorter key: %v, want Corrupt", err)
		}
	}
	if e.decode != nil {
		got, err := e.decode(e.value)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		equal(t, "decoded", got, e.decoded)
		if l.Message != "" {
			checkFormats(t, e)
		}
	}
	if e.keyOperand != nil {
		equal(t, "key committed", commitOperand(t, e.keyOperand), e.key)
	}
	if e.valueOperand != nil {
		equal(t, "value committed", commitOperand(t, e.valueOperand), e.value)
	}
}

func checkFormats(t *testing.T, e example) {
	newer := bytes.Clone(e.value)
	newer[0]++
	for _, row := range []struct {
		name  string
		value []byte
		kind  object.Kind
	}{
		{"empty", nil, object.Corrupt},
		{"format 0", []byte{0}, object.Corrupt},
		{"newer format", newer, object.NewerFormat},
		{"damaged message", append(bytes.Clone(e.value), 0xff), object.Corrupt},
	} {
		if _, err := e.decode(row.value); !errors.Is(err, row.kind) {
			t.Errorf("decode of %s: %v, want %v", row.name, err, row.kind)
		}
	}
}

// commitOperand does what the database does to a versionstamped operand.
func commitOperand(t *testing.T, operand []byte) []byte {
	t.Helper()
	n := len(operand) - 4
	offset := int(binary.LittleEndian.Uint32(operand[n:]))
	b := bytes.Clone(operand[:n])
	if want := bytes.Repeat([]byte{0xff}, 10); !bytes.Equal(b[offset:offset+10], want) {
		t.Fatalf("operand %x has no placeholder at %d", operand, offset)
	}
	copy(b[offset:], commit[:])
	return b
}

// The order of keys is the order of what they name; ranges hold exactly what
// they promise.
func TestOrder(t *testing.T) {
	objectKeys := []object.Key{
		"\x00", "\x00\x00", "\x00a", "\x01", " ", "!", "/", "/a", "a", "a\x00", "a\x00\x00", "a\x00b", "a\x01", "a!", "a/", "a/b", "aa", "ab",
		"b", "z", "\u007f", "\u0080", "é", "日本", "\ufffd", "\U0001f600", object.Key(strings.Repeat("\U0010ffff", 256)),
	}
	if !slices.IsSorted(objectKeys) {
		t.Fatal("the table isn't in UTF-8 binary order")
	}
	stamps := []object.Stamp{
		{},
		{Row: 1},
		{Commit: [10]byte{9: 1}},
		{Commit: [10]byte{8: 1}},
		{Commit: [10]byte{0: 0xfe}},
		{Era: 1},
		{Era: 1, Row: 0xffff},
		{Era: 255},
		{Era: 256},
		{Era: 1<<32 - 1},
	}
	numbers := []uint64{0, 1, 2, 255, 256, 65535, 65536, 1 << 32, 1<<64 - 1}
	var lists, versions, uploads, refs, evidence [][]byte
	for _, n := range numbers {
		for _, k := range objectKeys {
			lists = append(lists, space.List(object.BucketID(n), k))
			for _, s := range stamps {
				versions = append(versions, space.Version(object.BucketID(n), k, s))
				uploads = append(uploads, space.Upload(object.BucketID(n), k, s))
			}
		}
		for _, m := range numbers {
			evidence = append(evidence, space.Evidence(object.SessionID(n), m))
			for _, s := range stamps {
				refs = append(refs, space.BlobRef(object.BlobID{Session: object.SessionID(n), Sequence: m}, s))
			}
		}
	}
	for name, rows := range map[string][][]byte{
		"list": lists, "version": versions, "upload": uploads, "blob reference": refs, "evidence": evidence,
	} {
		for i := range rows[1:] {
			if bytes.Compare(rows[i], rows[i+1]) >= 0 {
				t.Errorf("%s: key %x does not sort before %x", name, rows[i], rows[i+1])
			}
			if len(rows[i]) > kv.KeyMaxBytes {
				t.Errorf("%s: key of %d bytes", name, len(rows[i]))
			}
		}
	}
	for _, k := range objectKeys {
		for _, x := range versions {
			b, key, stamp, err := space.ParseVersion(x)
			if err != nil {
				t.Fatal(err)
			}
			inside(t, "Versions", space.Versions(1, k), x, b == 1 && key == k)
			inside(t, "VersionsFrom", space.VersionsFrom(1, k, stamps[4]), x, b == 1 && key == k && stamp.Compare(stamps[4]) >= 0)
			inside(t, "VersionsBefore", space.VersionsBefore(1, k, stamps[4]), x, b == 1 && key == k && stamp.Compare(stamps[4]) < 0)
		}
		for _, x := range lists {
			b, key, err := space.ParseList(x)
			if err != nil {
				t.Fatal(err)
			}
			has := b == 1 && strings.HasPrefix(string(key), string(k))
			inside(t, "Lists", space.Lists(1, string(k)), x, has)
			all := space.Lists(1, "")
			inside(t, "ListBehind", keys.From(all, space.ListBehind(1, string(k))), x, b == 1 && key > k)
			inside(t, "ListBehindPrefix", keys.From(all, space.ListBehindPrefix(1, string(k))), x, b == 1 && key > k && !has)
			inside(t, "BucketLists", space.BucketLists(1), x, b == 1)
		}
		for _, x := range uploads {
			b, key, id, err := space.ParseUpload(x)
			if err != nil {
				t.Fatal(err)
			}
			all := space.Uploads(1, "")
			has := b == 1 && strings.HasPrefix(string(key), string(k))
			inside(t, "Uploads", space.Uploads(1, string(k)), x, has)
			inside(t, "UploadBehind", keys.From(all, space.UploadBehind(1, string(k), stamps[4])), x,
				b == 1 && (key > k || key == k && id.Compare(stamps[4]) > 0))
			inside(t, "UploadBehind all", keys.From(all, space.UploadBehind(1, string(k), object.Stamp{})), x, b == 1 && key > k)
			inside(t, "UploadBehindPrefix", keys.From(all, space.UploadBehindPrefix(1, string(k))), x, b == 1 && key > k && !has)
		}
	}
}

func inside(t *testing.T, what string, r kv.Range, key []byte, want bool) {
	t.Helper()
	if bytes.Compare(r.Begin, r.End) > 0 {
		t.Fatalf("%s: inverted range %x to %x", what, r.Begin, r.End)
	}
	if got := bytes.Compare(key, r.Begin) >= 0 && bytes.Compare(key, r.End) < 0; got != want {
		t.Errorf("%s: key %x in [%x, %x): %t, want %t", what, key, r.Begin, r.End, got, want)
	}
}

// The other ranges, each with keys that belong to it and neighbours that don't.
func TestRanges(t *testing.T) {
	later := object.Stamp{Era: 3, Commit: commit, Row: 8}
	id := object.BlobID{Session: 5, Sequence: 255}
	next := object.BlobID{Session: 5, Sequence: 256}
	for _, row := range []struct {
		name    string
		r       kv.Range
		in, out [][]byte
	}{
		{
			"All", space.All(),
			[][]byte{space.Guard(), space.Meta("format"), space.Version(1, "a", stamp)},
			[][]byte{[]byte("st"[:1]), keys.NewSpace([]byte("su")).Guard(), keys.NewSpace([]byte("sa")).Guard()},
		},
		{
			"LogsFrom", space.LogsFrom(stamp),
			[][]byte{space.Log(stamp), space.Log(later)},
			[][]byte{space.Log(upload), space.Meta("format"), space.BucketName("a")},
		},
		{"Logs", space.Logs(), [][]byte{space.Log(upload), space.Log(later)}, [][]byte{space.BucketName("a")}},
		{
			"BucketNames", space.BucketNames("ab", ""),
			[][]byte{space.BucketName("ab"), space.BucketName("abc")},
			[][]byte{space.BucketName("aaz"), space.BucketName("ac")},
		},
		{
			"BucketNames behind", space.BucketNames("ab", "abb"),
			[][]byte{space.BucketName("abb.c"), space.BucketName("abc")},
			[][]byte{space.BucketName("abb"), space.BucketName("ab"), space.BucketName("ac")},
		},
		{"BucketNames none", space.BucketNames("ab", "b"), nil, [][]byte{space.BucketName("ab"), space.BucketName("c")}},
		{
			"Documents", space.Documents(255),
			[][]byte{space.Document(255, "a"), space.Document(255, "z")},
			[][]byte{space.Bucket(255), space.Bucket(256), space.Document(256, "a")},
		},
		{
			"BlobRefs", space.BlobRefs(id),
			[][]byte{space.BlobRef(id, stamp), space.BlobRef(id, later)},
			[][]byte{space.BlobRef(next, stamp), space.BlobRef(object.BlobID{Session: 5, Sequence: 254}, later)},
		},
		{
			"SessionBlobRefs", space.SessionBlobRefs(5, 255, 256),
			[][]byte{space.BlobRef(id, stamp)},
			[][]byte{space.BlobRef(next, upload), space.BlobRef(object.BlobID{Session: 6, Sequence: 255}, upload)},
		},
		{
			"ManifestRefs", space.ManifestRefs(upload),
			[][]byte{space.ManifestRef(upload, stamp)},
			[][]byte{space.ManifestRef(stamp, stamp), space.ManifestRef(object.Stamp{}, stamp)},
		},
		{
			"Parts", space.Parts(upload, 2, 300),
			[][]byte{space.Part(upload, 2), space.Part(upload, 255), space.Part(upload, 300)},
			[][]byte{space.Part(upload, 1), space.Part(upload, 301), space.Part(stamp, 2)},
		},
		{
			"QueueEntries", space.QueueEntries(3, keys.Events, object.Stamp{}),
			[][]byte{space.QueueEntry(3, keys.Events, stamp)},
			[][]byte{space.QueueEntry(3, keys.Trashes, stamp), space.QueueEntry(2, keys.Events, stamp), space.QueueEntry(4, keys.Events, stamp)},
		},
		{
			"QueueEntries behind", space.QueueEntries(3, keys.Events, stamp),
			[][]byte{space.QueueEntry(3, keys.Events, later)},
			[][]byte{space.QueueEntry(3, keys.Events, stamp), space.QueueEntry(3, keys.Events, upload), space.QueueEntry(3, keys.Trashes, later)},
		},
		{
			"Evidences", space.Evidences(5, 2, 256),
			[][]byte{space.Evidence(5, 2), space.Evidence(5, 255)},
			[][]byte{space.Evidence(5, 1), space.Evidence(5, 256), space.Evidence(6, 2)},
		},
		{"AllEvidence", space.AllEvidence(5), [][]byte{space.Evidence(5, 0)}, [][]byte{space.Evidence(4, 9), space.Evidence(6, 0)}},
		{"Sessions", space.Sessions(), [][]byte{space.Session(0), space.Session(1<<64 - 1)}, [][]byte{space.Heartbeat(3)}},
		{"Heartbeats", space.Heartbeats(), [][]byte{space.Heartbeat(0)}, [][]byte{space.Session(3), space.Hold()}},
		{"AllFenced", space.AllFenced(), [][]byte{space.Fenced(0)}, [][]byte{space.Session(3)}},
		{"Nodes", space.Nodes(), [][]byte{space.Node(0), space.Node(1<<32 - 1)}, [][]byte{space.Group(3)}},
		{"Groups", space.Groups(), [][]byte{space.Group(0)}, [][]byte{space.Node(3)}},
		{
			"Counters", space.Counters(2, 255),
			[][]byte{space.Counter(2, 255, keys.CountBytes)},
			[][]byte{space.Counter(2, 256, keys.CountBytes), space.Counter(3, 255, keys.CountBytes)},
		},
		{"Only", keys.Only(space.Bucket(1)), [][]byte{space.Bucket(1)}, [][]byte{space.Document(1, "a"), space.Bucket(2)}},
		{
			"BucketVersions", space.BucketVersions(255),
			[][]byte{space.Version(255, "\x00", stamp), space.Version(255, "z", stamp)},
			[][]byte{space.Version(256, "a", stamp), space.Version(254, "a", stamp)},
		},
		{
			"Before", keys.Before(space.Nodes(), space.Node(5)), [][]byte{space.Node(4)}, [][]byte{space.Node(5), space.Group(0)},
		},
	} {
		for _, k := range row.in {
			inside(t, row.name, row.r, k, true)
		}
		for _, k := range row.out {
			inside(t, row.name, row.r, k, false)
		}
	}
}

// The largest rows stay within the limits of a value, and what doesn't is refused.
func TestLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := make([]object.ManifestPart, object.PartsMax)
	for i := range parts {
		parts[i] = object.ManifestPart{Number: i + 1, SizeBytes: object.PutMaxBytes - random.Int64N(1<<20)}
	}
	gaps := make([]object.ManifestPart, object.PartsMax/2)
	for i := range gaps {
		gaps[i] = object.ManifestPart{Number: 2 * (i + 1), SizeBytes: object.PutMaxBytes - int64(i)}
	}
	equalParts := make([]object.ManifestPart, object.PartsMax)
	for i := range equalParts {
		equalParts[i] = object.ManifestPart{Number: i + 1, SizeBytes: 8 << 20}
	}
	large := meta
	large.User = map[string]string{"x": strings.Repeat("u", object.UserMetaBytes)}
	large.Headers.ContentDisposition = strings.Repeat("h", 8<<10)
	large.Tags = map[string]string{}
	for i := range 10 { // S3's limits: 10 tags, keys of 128 and values of 256 characters
		large.Tags[fmt.Sprint(i, strings.Repeat("\U0001f600", 127))] = strings.Repeat("\U0001f600", 256)
	}
	manifest := func(p []object.ManifestPart) object.Version {
		v := whole
		v.Metadata = large
		v.Content.Manifest = &object.Manifest{Upload: upload, Parts: p}
		return v
	}
	tooLong := version
	tooLong.Metadata.User = map[string]string{"x": strings.Repeat("u", kv.ValueMaxBytes)}
	small := version
	small.Content = object.Content{Inline: make([]byte, object.InlineMaxBytes)}
	for _, row := range []struct {
		name string
		v    object.Version
		want error
	}{
		{"10,000 parts of any size", manifest(parts), nil},
		{"5,000 parts with gaps", manifest(gaps), nil},
		{"10,000 equal parts", manifest(equalParts), nil},
		{"no parts", manifest(nil), nil},
		{"inline", small, nil},
		{"too long", tooLong, object.MetadataTooLarge},
	} {
		value, err := keys.EncodeVersion(&row.v)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if err != nil {
			continue
		}
		t.Logf("%s: %d bytes", row.name, len(value))
		got, err := keys.DecodeVersion(row.v.Key, row.v.Stamp, value)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		equal(t, row.name, got, row.v)
	}
	if _, err := keys.EncodeDocument(make([]byte, kv.ValueMaxBytes)); !errors.Is(err, object.MetadataTooLarge) {
		t.Errorf("a document of 100,000 bytes: %v", err)
	}
	escaped := strings.Repeat("\x00", object.KeyMaxBytes) // the longest a key can become
	if n := len(keys.NewSpace(make([]byte, keys.PrefixMaxBytes)).VersionOperand(1<<64-1, object.Key(escaped), pending)); n > kv.KeyMaxBytes {
		t.Errorf("the longest key has %d bytes", n)
	}
}

// Values that no writer of ours makes are refused, not repaired.
func TestDamagedRecords(t *testing.T) {
	value := func(fields ...byte) []byte { return append([]byte{1}, fields...) }
	stamped := func(fields ...byte) []byte {
		return append(append([]byte{1}, make([]byte, object.StampBytes)...), fields...)
	}
	version := func(b []byte) (any, error) { return keys.DecodeVersion("k", stamp, b) }
	for _, row := range []struct {
		name   string
		value  []byte
		decode func([]byte) (any, error)
	}{
		{"version without kind", value(), version},
		{"version of kind 9", value(0x08, 9), version},
		{"blob without stripes", value(0x08, 1, 0x42, 0), version},
		{"manifest of two numbers", value(0x08, 1, 0x4a, 4, 0x12, 2, 1, 1), version},
		{"manifest of too many parts", value(0x08, 1, 0x4a, 6, 0x12, 4, 0, 0x91, 0x4e, 1), version},
		{"manifest of a short stamp", value(0x08, 1, 0x4a, 3, 0x0a, 1, 1), version},
		{"checksum of an unknown algorithm", value(0x08, 1, 0x32, 2, 0x08, 99), version},
		{"list row without stamp", value(0, 0, 0), decoder(keys.DecodeList)},
		{"list row of an unknown checksum", stamped(0x28, 99), decoder(keys.DecodeList)},
		{"trash of nothing", value(), decoder(keys.DecodeTrash)},
		{"counter of 7 bytes", make([]byte, 7), decoder(keys.DecodeCount)},
		{"completed upload without stamp", stamped(0x2a, 2, 0x08, 1), func(b []byte) (any, error) { return keys.DecodeUpload("k", stamp, b) }},
		{"bucket of unknown versioning", value(0x28, 9), func(b []byte) (any, error) { return keys.DecodeBucket(1, b) }},
	} {
		if got, err := row.decode(row.value); !errors.Is(err, object.Corrupt) {
			t.Errorf("%s: %s, %v, want Corrupt", row.name, show(got), err)
		}
	}
}

// Entity tags of every shape come back as they were.
func TestETags(t *testing.T) {
	for _, e := range []object.ETag{
		"", md5, md5 + "-1", md5 + "-10000", md5 + "-0", md5 + "-10001", md5 + "-01", md5 + "-+1", md5 + "-", md5 + "-1-1",
		object.ETag(strings.ToUpper(string(md5))), "x", "-", "-1", md5[:30], md5 + "00", "\xff",
	} {
		l := keys.List{Stamp: stamp, ETag: e}
		got, err := keys.DecodeList(keys.EncodeList(l))
		if err != nil || got != l {
			t.Errorf("%q: got %+v, %v", e, got, err)
		}
	}
	short, long := keys.EncodeList(keys.List{ETag: md5 + "-9"}), keys.EncodeList(keys.List{ETag: "z" + md5[1:] + "-9"})
	if len(short) >= len(long) {
		t.Errorf("an MD5 takes %d bytes, a text %d", len(short), len(long))
	}
}

func TestNewSpace(t *testing.T) {
	for _, row := range []struct {
		name   string
		prefix []byte
		panics bool
	}{
		{"empty", nil, false},
		{"usual", []byte("stampede/"), false},
		{"longest", make([]byte, keys.PrefixMaxBytes), false},
		{"too long", make([]byte, keys.PrefixMaxBytes+1), true},
		{"of the system", []byte{0xff, 1}, true},
	} {
		func() {
			defer func() {
				if r := recover(); (r != nil) != row.panics {
					t.Errorf("%s: recovered %v, want a panic: %t", row.name, r, row.panics)
				}
			}()
			keys.NewSpace(row.prefix)
		}()
	}
	if _, err := space.ParseSession(keys.NewSpace(nil).Session(1)); !errors.Is(err, object.Corrupt) {
		t.Errorf("a key of another store: %v", err)
	}
}
