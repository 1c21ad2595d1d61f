package keys_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/object"
)

// FuzzKey feeds arbitrary bytes to every parser: each fails with Corrupt, or
// gives back what makes the same key again.
func FuzzKey(f *testing.F) {
	for _, e := range examples() {
		f.Add(e.key)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		l, _, err := space.Identify(key)
		if err != nil && !errors.Is(err, object.Corrupt) {
			t.Errorf("Identify: %v", err)
		}
		parsed := 0
		for name, again := range rebuild(key) {
			if bytes.Equal(again, key) {
				parsed++
				continue
			}
			t.Errorf("%s: %x became %x", name, key, again)
		}
		if parsed > 0 && l.Name == "" {
			t.Errorf("key %x was parsed, and Identify does not know it", key)
		}
	})
}

// rebuild parses a key by every parser and builds it again from what those gave that took it.
func rebuild(key []byte) map[string][]byte {
	built := map[string][]byte{}
	add := func(name string, err error, again func() []byte) {
		if err == nil {
			built[name] = again()
		}
	}
	s, err := space.ParseLog(key)
	add("ParseLog", err, func() []byte { return space.Log(s) })
	n, err := space.ParseBucketName(key)
	add("ParseBucketName", err, func() []byte { return space.BucketName(n) })
	b, document, err := space.ParseBucket(key)
	add("ParseBucket", err, func() []byte {
		if document == "" {
			return space.Bucket(b)
		}
		return space.Document(b, document)
	})
	lb, lk, err := space.ParseList(key)
	add("ParseList", err, func() []byte { return space.List(lb, lk) })
	vb, vk, vs, err := space.ParseVersion(key)
	add("ParseVersion", err, func() []byte { return space.Version(vb, vk, vs) })
	id, ref, err := space.ParseBlobRef(key)
	add("ParseBlobRef", err, func() []byte { return space.BlobRef(id, ref) })
	ub, uk, us, err := space.ParseUpload(key)
	add("ParseUpload", err, func() []byte { return space.Upload(ub, uk, us) })
	pu, pn, err := space.ParsePart(key)
	add("ParsePart", err, func() []byte { return space.Part(pu, pn) })
	mu, mr, err := space.ParseManifestRef(key)
	add("ParseManifestRef", err, func() []byte { return space.ManifestRef(mu, mr) })
	cs, cb, cc, err := space.ParseCounter(key)
	add("ParseCounter", err, func() []byte { return space.Counter(cs, cb, cc) })
	qs, qq, qt, err := space.ParseQueueEntry(key)
	add("ParseQueueEntry", err, func() []byte { return space.QueueEntry(qs, qq, qt) })
	ses, err := space.ParseSession(key)
	add("ParseSession", err, func() []byte { return space.Session(ses) })
	hb, err := space.ParseHeartbeat(key)
	add("ParseHeartbeat", err, func() []byte { return space.Heartbeat(hb) })
	es, en, err := space.ParseEvidence(key)
	add("ParseEvidence", err, func() []byte { return space.Evidence(es, en) })
	fs, err := space.ParseFenced(key)
	add("ParseFenced", err, func() []byte { return space.Fenced(fs) })
	nid, err := space.ParseNode(key)
	add("ParseNode", err, func() []byte { return space.Node(nid) })
	gid, err := space.ParseGroup(key)
	add("ParseGroup", err, func() []byte { return space.Group(gid) })
	task, err := space.ParseLease(key)
	add("ParseLease", err, func() []byte { return space.Lease(task) })
	return built
}

// FuzzValue feeds arbitrary bytes to every decoder: each fails with Corrupt or NewerFormat, or
// gives what encodes to a value that decodes to the same.
func FuzzValue(f *testing.F) {
	for _, e := range examples() {
		f.Add(e.value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, c := range codecs {
			x, err := c.decode(value)
			if err != nil {
				if !errors.Is(err, object.Corrupt) && !errors.Is(err, object.NewerFormat) {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			once, err := c.encode(x)
			if err != nil {
				if !errors.Is(err, object.MetadataTooLarge) {
					t.Errorf("%s: encode: %v", c.name, err)
				}
				continue
			}
			y, err := c.decode(once)
			if err != nil {
				t.Errorf("%s: decode of what was encoded: %v", c.name, err)
				continue
			}
			equal(t, c.name, y, x)
		}
	})
}

type codec struct {
	name   string
	decode func([]byte) (any, error)
	encode func(any) ([]byte, error)
}

func codecOf[T any](name string, decode func([]byte) (T, error), encode func(T) []byte) codec {
	return codec{name, decoder(decode), func(x any) ([]byte, error) { return encode(x.(T)), nil }}
}

var codecs = []codec{
	codecOf("meta", keys.DecodeMeta, keys.EncodeMeta),
	codecOf("change", keys.DecodeChange, keys.EncodeChange),
	codecOf("bucket name", keys.DecodeBucketName, keys.EncodeBucketName),
	codecOf("bucket", func(b []byte) (keys.Bucket, error) { return keys.DecodeBucket(1, b) }, keys.EncodeBucket),
	codecOf("list", keys.DecodeList, keys.EncodeList),
	codecOf("blob reference", keys.DecodeBlobRef, keys.EncodeBlobRef),
	codecOf("count", keys.DecodeCount, keys.EncodeCount),
	codecOf("event", keys.DecodeEvent, keys.EncodeEvent),
	codecOf("trash", keys.DecodeTrash, keys.EncodeTrash),
	codecOf("tombstone", keys.DecodeTombstone, keys.EncodeTombstone),
	codecOf("part", func(b []byte) (keys.Part, error) { return keys.DecodePart(1, b) }, func(p keys.Part) []byte { return keys.EncodePart(&p) }),
	codecOf("session", keys.DecodeSession, keys.EncodeSession),
	codecOf("heartbeat", keys.DecodeHeartbeat, keys.EncodeHeartbeat),
	codecOf("evidence", keys.DecodeEvidence, keys.EncodeEvidence),
	codecOf("fenced", keys.DecodeFenced, keys.EncodeFenced),
	codecOf("hold", keys.DecodeHold, keys.EncodeHold),
	codecOf("node", keys.DecodeNode, keys.EncodeNode),
	codecOf("group", keys.DecodeGroup, keys.EncodeGroup),
	codecOf("lease", keys.DecodeLease, keys.EncodeLease),
	{"document", decoder(keys.DecodeDocument), func(x any) ([]byte, error) { return keys.EncodeDocument(x.([]byte)) }},
	{
		"version", func(b []byte) (any, error) { return keys.DecodeVersion("k", stamp, b) },
		func(x any) ([]byte, error) { v := x.(object.Version); return keys.EncodeVersion(&v) },
	},
	{
		"upload", func(b []byte) (any, error) { return keys.DecodeUpload("k", upload, b) },
		func(x any) ([]byte, error) { u := x.(keys.Upload); return keys.EncodeUpload(&u) },
	},
}
