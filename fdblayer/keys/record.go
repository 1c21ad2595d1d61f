package keys

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/object"
)

// millis and timeOf convert times in messages; the zero time is 0. Times
// before 1970, which no clock of ours shows, are kept too; 1970 itself is not.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const md5Bytes = 16

// etagRecord packs an entity tag: as raw MD5 and number of parts where that gives the same text back.
func etagRecord(e object.ETag) *recordpb.ETag {
	if e == "" {
		return nil
	}
	digits, parts, multipart := strings.Cut(string(e), "-")
	sum, err := hex.DecodeString(digits)
	n := 0
	if err == nil && multipart {
		n, err = strconv.Atoi(parts)
	}
	r := &recordpb.ETag{Md5: sum, Parts: uint32(n)}
	if err != nil || n < 0 || n > object.PartsMax || len(sum) != md5Bytes || etagFrom(r) != e {
		return &recordpb.ETag{Text: []byte(e)}
	}
	return r
}

func etagFrom(r *recordpb.ETag) object.ETag {
	switch {
	case r == nil:
		return ""
	case len(r.Text) > 0:
		return object.ETag(r.Text)
	case r.Parts > 0:
		return object.ETag(hex.EncodeToString(r.Md5) + "-" + strconv.FormatUint(uint64(r.Parts), 10))
	}
	return object.ETag(hex.EncodeToString(r.Md5))
}

func pairs(m map[string]string) []*recordpb.Pair {
	if len(m) == 0 {
		return nil
	}
	list := make([]*recordpb.Pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, &recordpb.Pair{Name: []byte(name), Value: []byte(m[name])})
	}
	return list
}

func pairsFrom(list []*recordpb.Pair) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[string(p.Name)] = string(p.Value)
	}
	return m
}

func metadataRecord(m *object.Metadata) *recordpb.Metadata {
	h := &m.Headers
	if *h == (object.Headers{}) && len(m.User) == 0 && len(m.Tags) == 0 && m.StorageClass == "" {
		return nil
	}
	return &recordpb.Metadata{
		ContentType: []byte(h.ContentType), CacheControl: []byte(h.CacheControl),
		ContentDisposition: []byte(h.ContentDisposition), ContentEncoding: []byte(h.ContentEncoding),
		ContentLanguage: []byte(h.ContentLanguage), Expires: []byte(h.Expires),
		WebsiteRedirect: []byte(h.WebsiteRedirect),
		User:            pairs(m.User), Tags: pairs(m.Tags), StorageClass: []byte(m.StorageClass),
	}
}

func metadataFrom(r *recordpb.Metadata) object.Metadata {
	if r == nil {
		return object.Metadata{}
	}
	return object.Metadata{
		Headers: object.Headers{
			ContentType: string(r.ContentType), CacheControl: string(r.CacheControl),
			ContentDisposition: string(r.ContentDisposition), ContentEncoding: string(r.ContentEncoding),
			ContentLanguage: string(r.ContentLanguage), Expires: string(r.Expires),
			WebsiteRedirect: string(r.WebsiteRedirect),
		},
		User: pairsFrom(r.User), Tags: pairsFrom(r.Tags), StorageClass: string(r.StorageClass),
	}
}

func checksumRecord(c *object.Checksum) *recordpb.Checksum {
	if c == nil {
		return nil
	}
	return &recordpb.Checksum{
		Algorithm: uint32(c.Algorithm), Composite: c.Composite, Value: c.Value, Parts: uint32(c.Parts),
	}
}

func checksumFrom(op string, r *recordpb.Checksum) (*object.Checksum, error) {
	if r == nil {
		return nil, nil
	}
	if r.Algorithm > uint32(object.SHA256) || r.Parts > object.PartsMax {
		return nil, corrupt(op, fmt.Errorf("checksum algorithm %d, %d parts", r.Algorithm, r.Parts))
	}
	return &object.Checksum{
		Algorithm: object.ChecksumAlgorithm(r.Algorithm), Composite: r.Composite, Value: r.Value, Parts: int(r.Parts),
	}, nil
}

func blobRecord(b *object.Blob) *recordpb.Blob {
	if b == nil {
		return nil
	}
	return &recordpb.Blob{
		Session: uint64(b.ID.Session), Sequence: b.ID.Sequence, Group: uint32(b.Group), Size: b.SizeBytes,
		Stripe: uint32(b.StripeBytes), Copies: uint32(b.Copies),
	}
}

func blobFrom(op string, r *recordpb.Blob) (*object.Blob, error) {
	if r == nil {
		return nil, nil
	}
	if r.Size < 0 || r.Stripe == 0 || r.Stripe > object.ChunkMaxBytes || r.Copies > 255 {
		return nil, corrupt(op, fmt.Errorf("blob of %d bytes in stripes of %d, %d copies", r.Size, r.Stripe, r.Copies))
	}
	return &object.Blob{
		ID:    object.BlobID{Session: object.SessionID(r.Session), Sequence: r.Sequence},
		Group: object.GroupID(r.Group), SizeBytes: r.Size, StripeBytes: int32(r.Stripe), Copies: uint8(r.Copies),
	}, nil
}

func versionRecord(v *object.Version) *recordpb.Version {
	r := &recordpb.Version{
		Kind: uint32(v.Kind), Size: v.SizeBytes, Etag: etagRecord(v.ETag), Modified: millis(v.LastModified),
		Metadata: metadataRecord(&v.Metadata), Checksum: checksumRecord(v.Checksum),
		Inline: v.Content.Inline, Blob: blobRecord(v.Content.Blob),
	}
	if m := v.Content.Manifest; m != nil {
		r.Manifest = &recordpb.Manifest{Upload: stampBytes(m.Upload), Runs: manifestRuns(m.Parts)}
	}
	return r
}

func versionFrom(op string, r *recordpb.Version) (object.Version, error) {
	if r.Kind < uint32(object.NullVersion) || r.Kind > uint32(object.Purge) {
		return object.Version{}, corrupt(op, fmt.Errorf("version kind %d", r.Kind))
	}
	v := object.Version{
		Kind: object.VersionKind(r.Kind), SizeBytes: r.Size, ETag: etagFrom(r.Etag), LastModified: timeOf(r.Modified),
		Metadata: metadataFrom(r.Metadata), Content: object.Content{Inline: r.Inline},
	}
	var err error
	if v.Checksum, err = checksumFrom(op, r.Checksum); err != nil {
		return object.Version{}, err
	}
	if v.Content.Blob, err = blobFrom(op, r.Blob); err != nil {
		return object.Version{}, err
	}
	if m := r.Manifest; m != nil {
		upload, err := stampFrom(op, m.Upload)
		if err != nil {
			return object.Version{}, err
		}
		parts, err := manifestParts(op, m.Runs)
		if err != nil {
			return object.Version{}, err
		}
		v.Content.Manifest = &object.Manifest{Upload: upload, Parts: parts}
	}
	return v, nil
}

// manifestRuns packs parts: for each run of parts with successive numbers and
// one size, how many numbers are left out before it, how many parts it has, and that size. 10,000
// parts of 10,000 sizes take at most 7 bytes each.
func manifestRuns(parts []object.ManifestPart) []uint64 {
	var runs []uint64
	next := 1
	for i, p := range parts {
		if i > 0 && p.Number == next && p.SizeBytes == parts[i-1].SizeBytes {
			runs[len(runs)-2]++
		} else {
			runs = append(runs, uint64(p.Number-next), 1, uint64(p.SizeBytes))
		}
		next = p.Number + 1
	}
	return runs
}

func manifestParts(op string, runs []uint64) ([]object.ManifestPart, error) {
	const triple = 3
	if len(runs)%triple != 0 {
		return nil, corrupt(op, fmt.Errorf("manifest of %d numbers", len(runs)))
	}
	var parts []object.ManifestPart
	next := uint64(1)
	for ; len(runs) > 0; runs = runs[triple:] {
		gap, count, size := runs[0], runs[1], runs[2]
		if gap >= object.PartsMax || count > object.PartsMax || next+gap+count > object.PartsMax+1 || size > object.ObjectMaxBytes {
			return nil, corrupt(op, fmt.Errorf("manifest run of %d parts of %d bytes behind %d", count, size, next+gap))
		}
		next += gap
		for range count {
			parts = append(parts, object.ManifestPart{Number: int(next), SizeBytes: int64(size)})
			next++
		}
	}
	return parts, nil
}
