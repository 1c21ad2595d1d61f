package gateway_test

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

type listing struct {
	Name, Prefix, Marker, NextMarker, Delimiter, EncodingType string
	ContinuationToken, NextContinuationToken, StartAfter      *string
	MaxKeys, KeyCount                                         int
	IsTruncated                                               bool
	Contents                                                  []struct {
		Key, ETag, StorageClass, LastModified, ChecksumAlgorithm, ChecksumType string
		Size                                                                   int64
		Owner                                                                  *struct{ ID string }
	}
	CommonPrefixes []struct{ Prefix string }
}

// list asks for a listing and shows the question and the answer.
func list(t *testing.T, query string, page fdblayer.Listing) (fdblayer.ListObjects, listing) {
	t.Helper()
	var asked fdblayer.ListObjects
	f := &fake{listObjects: func(q fdblayer.ListObjects) (fdblayer.Listing, error) { asked = q; return page, nil }}
	res := call{method: "GET", target: "/b?" + query}.do(t, newGateway(t, f, nil))
	body := readAll(t, res)
	var got listing
	if err := xml.Unmarshal(body, &got); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: got %d, %v: %s", query, res.StatusCode, err, body)
	}
	return asked, got
}

// TestListQuestion expects parameters to reach the store as S3 means them.
func TestListQuestion(t *testing.T) {
	for _, row := range []struct {
		query string
		want  fdblayer.ListObjects
	}{
		{"", fdblayer.ListObjects{KeysMax: 1000}},
		{"prefix=a%2F&delimiter=%2F&max-keys=7", fdblayer.ListObjects{Prefix: "a/", Delimiter: "/", KeysMax: 7}},
		{"max-keys=0", fdblayer.ListObjects{KeysMax: 0}},
		{"max-keys=", fdblayer.ListObjects{KeysMax: 1000}},
		{"max-keys=2147483647", fdblayer.ListObjects{KeysMax: 1000}},
		{"marker=m", fdblayer.ListObjects{KeysMax: 1000, After: "m"}},
		{"marker=a/b/&delimiter=/&prefix=a/", fdblayer.ListObjects{KeysMax: 1000, Prefix: "a/", Delimiter: "/", After: "a/b/"}},
		{"list-type=2&start-after=s", fdblayer.ListObjects{KeysMax: 1000, After: "s"}},
		{"list-type=2&start-after=s/&delimiter=/", fdblayer.ListObjects{KeysMax: 1000, Delimiter: "/", After: "s/"}},
		{"list-type=2&marker=m", fdblayer.ListObjects{KeysMax: 1000}},
		{"list-type=2&continuation-token=", fdblayer.ListObjects{KeysMax: 1000}},
	} {
		row.want.Bucket = "b"
		if got, _ := list(t, row.query, fdblayer.Listing{}); got != row.want {
			t.Errorf("%s: asked for %+v, want %+v", row.query, got, row.want)
		}
	}
}

// TestListAnswer looks at both versions of one page.
func TestListAnswer(t *testing.T) {
	page := fdblayer.Listing{
		Entries: []fdblayer.ListEntry{
			{Key: "a b", SizeBytes: 5, ETag: "e", LastModified: someTime, Checksum: object.CRC32, Composite: true},
			{Key: "a/é", StorageClass: "STANDARD_IA"},
		},
		Prefixes: []string{"c d/"}, More: true, Next: "c d/", NextIsPrefix: true,
	}
	_, v1 := list(t, "delimiter=/&marker=a%20a&prefix=", page)
	if len(v1.Contents) != 2 || v1.Contents[0].Key != "a b" || v1.Contents[0].ETag != `"e"` || v1.Contents[0].Size != 5 ||
		v1.Contents[0].LastModified != "2026-05-04T03:02:01.009Z" || v1.Contents[0].StorageClass != "STANDARD" ||
		v1.Contents[0].ChecksumAlgorithm != "CRC32" || v1.Contents[0].ChecksumType != "COMPOSITE" || v1.Contents[0].Owner == nil ||
		v1.Contents[1].StorageClass != "STANDARD_IA" || v1.Contents[1].ChecksumAlgorithm != "" {
		t.Errorf("version 1: got contents %+v", v1.Contents)
	}
	if v1.Marker != "a a" || v1.NextMarker != "c d/" || !v1.IsTruncated || v1.MaxKeys != 1000 || v1.CommonPrefixes[0].Prefix != "c d/" {
		t.Errorf("version 1: got %+v", v1)
	}
	if _, plain := list(t, "", page); plain.NextMarker != "" {
		t.Errorf("NextMarker %q without a delimiter", plain.NextMarker)
	}
	_, encoded := list(t, "encoding-type=url&delimiter=/&marker=a%20a", page)
	if encoded.Contents[1].Key != "a/%C3%A9" || encoded.Marker != "a%20a" || encoded.NextMarker != "c%20d/" ||
		encoded.CommonPrefixes[0].Prefix != "c%20d/" || encoded.EncodingType != "url" {
		t.Errorf("encoded: got %+v", encoded)
	}
	_, v2 := list(t, "list-type=2&delimiter=/&start-after=a", page)
	if v2.KeyCount != 3 || v2.Contents[0].Owner != nil || *v2.StartAfter != "a" || v2.NextContinuationToken == nil || v2.ContinuationToken != nil {
		t.Errorf("version 2: got %+v", v2)
	}
	asked, next := list(t, "list-type=2&delimiter=/&fetch-owner=true&start-after=zzz&continuation-token="+url.QueryEscape(*v2.NextContinuationToken), page)
	if asked.After != "c d/" || !asked.AfterPrefix || *next.ContinuationToken != *v2.NextContinuationToken || next.Contents[0].Owner == nil {
		t.Errorf("next page: asked for %+v, got %+v", asked, next)
	}
}

func TestListRefusals(t *testing.T) {
	g := newGateway(t, &fake{}, nil)
	for query, argument := range map[string]string{
		"max-keys=-1": "max-keys", "max-keys=x": "max-keys", "max-keys=2147483648": "max-keys", "encoding-type=base64": "encoding-type",
		"list-type=2&continuation-token=x":                             "continuation-token",
		"list-type=2&continuation-token=" + strings.Repeat("A", 1<<16): "continuation-token",
		"uploads&max-uploads=x":                                        "max-uploads",
		"uploads&key-marker=k&upload-id-marker=x":                      "upload-id-marker",
	} {
		res := call{method: "GET", target: "/b?" + query}.do(t, g)
		if f := readFailure(t, res); res.StatusCode != 400 || f.Code != "InvalidArgument" || f.field("ArgumentName") != argument {
			t.Errorf("%.60s: got %d %+v", query, res.StatusCode, f)
		}
	}
}
