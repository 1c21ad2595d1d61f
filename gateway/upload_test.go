package gateway_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

var uploadQuery = "uploadId=" + someStamp.String()

// TestCreateUpload goes through the checksum's algorithms and types.
func TestCreateUpload(t *testing.T) {
	for _, row := range []struct {
		algorithm, kind string
		want            object.ChecksumAlgorithm
		composite       bool
		code            string
	}{
		{"", "", 0, false, ""},
		{"CRC32", "", object.CRC32, true, ""},
		{"CRC32", "COMPOSITE", object.CRC32, true, ""},
		{"CRC32C", "FULL_OBJECT", object.CRC32C, false, ""},
		{"CRC64NVME", "", object.CRC64NVME, false, ""},
		{"CRC64NVME", "FULL_OBJECT", object.CRC64NVME, false, ""},
		{"CRC64NVME", "COMPOSITE", 0, false, "InvalidRequest"},
		{"SHA256", "", object.SHA256, true, ""},
		{"SHA1", "FULL_OBJECT", 0, false, "InvalidRequest"},
		{"MD6", "", 0, false, "InvalidRequest"},
		{"CRC32", "HALF", 0, false, "InvalidRequest"},
		{"", "COMPOSITE", 0, false, "InvalidRequest"},
	} {
		t.Run(row.algorithm+" "+row.kind, func(t *testing.T) {
			var asked object.Upload
			f := &fake{createUpload: func(u object.Upload) (object.Upload, error) {
				asked = u
				u.ID = someStamp
				return u, nil
			}}
			headers := map[string]string{"x-amz-meta-a": "b"}
			if row.algorithm != "" {
				headers["x-amz-checksum-algorithm"] = row.algorithm
			}
			if row.kind != "" {
				headers["x-amz-checksum-type"] = row.kind
			}
			res := call{method: "POST", target: "/b/k?uploads", headers: headers}.do(t, newGateway(t, f, nil))
			expectCode(t, res, row.code)
			if row.code != "" {
				return
			}
			if asked.Algorithm != row.want || asked.Composite != row.composite || asked.Key != "k" || asked.Metadata.User["a"] != "b" {
				t.Errorf("asked for %+v", asked)
			}
			if body := string(readAll(t, res)); !strings.Contains(body, "<UploadId>"+someStamp.String()+"</UploadId>") || res.Header.Get("x-amz-checksum-algorithm") != row.algorithm {
				t.Errorf("got %s %v", body, res.Header)
			}
		})
	}
}

func TestPutPart(t *testing.T) {
	var asked store.PutPart
	f := &fake{putPart: func(p store.PutPart) (object.Part, error) {
		asked = p
		_, err := io.Copy(io.Discard, p.Body)
		return object.Part{ETag: "e", Checksum: &object.Checksum{Algorithm: object.CRC32, Value: []byte{1, 2, 3, 4}}}, err
	}}
	g := newGateway(t, f, nil)
	res := call{method: "PUT", target: "/b/k?partNumber=7&" + uploadQuery, body: "hello", headers: map[string]string{"x-amz-checksum-crc32": "AQIDBA=="}}.do(t, g)
	if res.StatusCode != 200 || res.Header.Get("ETag") != `"e"` || res.Header.Get("x-amz-checksum-crc32") != "AQIDBA==" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if asked.Upload != someStamp || asked.Number != 7 || asked.SizeBytes != 5 || asked.Digests.Algorithm != object.CRC32 {
		t.Errorf("asked for %+v", asked)
	}
	for target, code := range map[string]string{
		"/b/k?partNumber=0&" + uploadQuery:     "InvalidArgument",
		"/b/k?partNumber=10001&" + uploadQuery: "InvalidArgument",
		"/b/k?partNumber=x&" + uploadQuery:     "InvalidArgument",
		"/b/k?" + uploadQuery:                  "InvalidArgument",
		"/b/k?partNumber=1":                    "InvalidArgument",
		"/b/k?partNumber=1&uploadId=x":         "NoSuchUpload",
	} {
		expectCode(t, call{method: "PUT", target: target, body: "x"}.do(t, newGateway(t, &fake{getBucket: anyBucket}, nil)), code)
	}
}

func anyBucket(n object.BucketName) (object.Bucket, error) { return object.Bucket{Name: n}, nil }

// TestUploadWithoutBucket gives upload ids that can't exist: the missing bucket is told first.
func TestUploadWithoutBucket(t *testing.T) {
	f := &fake{getBucket: func(n object.BucketName) (object.Bucket, error) {
		return object.Bucket{}, &object.Error{Op: "test", Kind: object.NoSuchBucket, Ref: object.Ref{Bucket: n}}
	}}
	for _, row := range []struct{ method, target, body string }{
		{"PUT", "/b/k?partNumber=1&uploadId=x", "x"},
		{"GET", "/b/k?uploadId=x", ""},
		{"POST", "/b/k?uploadId=x", completeBody},
		{"DELETE", "/b/k?uploadId=x", ""},
	} {
		t.Run(row.method, func(t *testing.T) {
			expectCode(t, call{method: row.method, target: row.target, body: row.body}.do(t, newGateway(t, f, nil)), "NoSuchBucket")
		})
	}
}

const completeBody = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>" +
	"<Part><ETag>b</ETag><PartNumber>5</PartNumber><ChecksumCRC32>AQIDBA==</ChecksumCRC32></Part></CompleteMultipartUpload>"

func TestCompleteUpload(t *testing.T) {
	var asked store.CompleteUpload
	f := &fake{complete: func(c store.CompleteUpload) (store.Put, error) {
		asked = c
		return written(object.Version{ETag: "e-2", Checksum: &object.Checksum{Algorithm: object.CRC32, Value: []byte{1, 2, 3, 4}, Composite: true, Parts: 2}}), nil
	}}
	res := call{method: "POST", target: "/b/a%20k?" + uploadQuery, host: "h:1", body: completeBody, headers: map[string]string{
		"x-amz-mp-object-size": "10", "x-amz-checksum-crc32": "AQIDBA==-2", "x-amz-checksum-type": "COMPOSITE", "If-None-Match": "*",
	}}.do(t, newGateway(t, f, nil))
	body := string(readAll(t, res))
	for _, want := range []string{
		"<Location>http://h:1/b/a%20k</Location><Bucket>b</Bucket><Key>a k</Key><ETag>&quot;e-2&quot;</ETag>",
		"<ChecksumCRC32>AQIDBA==-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s in it", body, want)
		}
	}
	if asked.Upload != someStamp || asked.SizeBytes != 10 || len(asked.If.IfNoneMatch) != 1 || asked.Composite == nil || !*asked.Composite || asked.Checksum == nil || !asked.Checksum.Composite || asked.Checksum.Parts != 2 {
		t.Errorf("asked for %+v", asked)
	}
	if len(asked.Parts) != 2 || asked.Parts[0].Number != 1 || asked.Parts[0].ETag != "a" || asked.Parts[0].Checksum != nil ||
		asked.Parts[1].Number != 5 || asked.Parts[1].ETag != "b" || !slices.Equal(asked.Parts[1].Checksum.Value, []byte{1, 2, 3, 4}) {
		t.Errorf("asked for parts %+v", asked.Parts)
	}
}

func TestCompleteUploadRefusals(t *testing.T) {
	for _, row := range []struct {
		name, query, body string
		header            [2]string
		code              string
	}{
		{"upload of another form", "uploadId=x", completeBody, [2]string{}, "NoSuchUpload"},
		{"no body", uploadQuery, "", [2]string{}, "MalformedXML"},
		{"malformed", uploadQuery, "<Complete", [2]string{}, "MalformedXML"},
		{"too large", uploadQuery, strings.Repeat(" ", 5<<20+1), [2]string{}, "EntityTooLarge"},
		{"size", uploadQuery, completeBody, [2]string{"x-amz-mp-object-size", "-1"}, "InvalidRequest"},
		{"checksum", uploadQuery, completeBody, [2]string{"x-amz-checksum-crc32", "AA"}, "InvalidRequest"},
		{"checksum's parts", uploadQuery, completeBody, [2]string{"x-amz-checksum-crc32", "AQIDBA==-0"}, "InvalidRequest"},
		{"checksum type", uploadQuery, completeBody, [2]string{"x-amz-checksum-type", "HALF"}, "InvalidRequest"},
		{"part's checksum", uploadQuery, strings.ReplaceAll(completeBody, "AQIDBA==", "AA"), [2]string{}, "InvalidPart"},
		{"part with two checksums", uploadQuery, strings.ReplaceAll(completeBody, "<ChecksumCRC32>", "<ChecksumCRC32C>AQIDBA==</ChecksumCRC32C><ChecksumCRC32>"), [2]string{}, "InvalidArgument"},
		{"wrong MD5 of the list", uploadQuery, completeBody, [2]string{"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := call{method: "POST", target: "/b/k?" + row.query, body: row.body, headers: map[string]string{}}
			if row.header[0] != "" {
				c.headers[row.header[0]] = row.header[1]
			}
			expectCode(t, c.do(t, newGateway(t, &fake{getBucket: anyBucket}, nil)), row.code)
		})
	}
}

func TestAbortUpload(t *testing.T) {
	var key object.Key
	var id object.Stamp
	g := newGateway(t, &fake{getBucket: anyBucket, abort: func(k object.Key, i object.Stamp) error { key, id = k, i; return nil }}, nil)
	if res := (call{method: "DELETE", target: "/b/k?" + uploadQuery}).do(t, g); res.StatusCode != 204 || key != "k" || id != someStamp {
		t.Errorf("got %d after aborting %s of %s", res.StatusCode, id, key)
	}
	expectCode(t, call{method: "DELETE", target: "/b/k?uploadId="}.do(t, g), "NoSuchUpload")
}

func TestListParts(t *testing.T) {
	var gotAfter, gotLimit int
	f := &fake{listParts: func(_ object.Key, _ object.Stamp, after, limit int) (fdblayer.PartPage, error) {
		gotAfter, gotLimit = after, limit
		return fdblayer.PartPage{
			Upload: object.Upload{Algorithm: object.CRC32, Composite: true}, More: true,
			Parts: []object.Part{{Number: 3, SizeBytes: 5, ETag: "e", LastModified: someTime}},
		}, nil
	}}
	g := newGateway(t, f, nil)
	res := call{method: "GET", target: "/b/k?max-parts=1&part-number-marker=2&" + uploadQuery}.do(t, g)
	body := string(readAll(t, res))
	for _, want := range []string{
		"<PartNumberMarker>2</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>",
		"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s in it", body, want)
		}
	}
	if gotAfter != 2 || gotLimit != 1 {
		t.Errorf("asked for %d behind %d", gotLimit, gotAfter)
	}
	expectCode(t, call{method: "GET", target: "/b/k?part-number-marker=2147483647&" + uploadQuery}.do(t, g), "")
	if gotAfter != object.PartsMax || gotLimit != 1000 {
		t.Errorf("asked for %d behind %d", gotLimit, gotAfter)
	}
	for _, bad := range []string{"max-parts=x", "max-parts=-1", "part-number-marker=x", "part-number-marker=-1"} {
		expectCode(t, call{method: "GET", target: "/b/k?" + bad + "&" + uploadQuery}.do(t, g), "InvalidArgument")
	}
}

func TestListUploads(t *testing.T) {
	var asked fdblayer.ListUploads
	page := fdblayer.UploadPage{
		Uploads:  []object.Upload{{ID: someStamp, Key: "a b", Initiated: someTime}},
		Prefixes: []string{"c/"}, More: true, NextKey: "a b", NextUpload: someStamp,
	}
	g := newGateway(t, &fake{listUploads: func(q fdblayer.ListUploads) (fdblayer.UploadPage, error) { asked = q; return page, nil }}, nil)
	res := call{method: "GET", target: "/b?uploads&prefix=p&max-uploads=3&encoding-type=url&key-marker=a%20a&upload-id-marker=" + someStamp.String()}.do(t, g)
	body := string(readAll(t, res))
	for _, want := range []string{
		"<KeyMarker>a%20a</KeyMarker><UploadIdMarker>" + someStamp.String() + "</UploadIdMarker><NextKeyMarker>a%20b</NextKeyMarker><NextUploadIdMarker>" + someStamp.String(),
		"<MaxUploads>3</MaxUploads><IsTruncated>true</IsTruncated><Upload><Key>a%20b</Key>",
		"<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s in it", body, want)
		}
	}
	want := fdblayer.ListUploads{Bucket: "b", Prefix: "p", AfterKey: "a a", AfterUpload: someStamp, UploadsMax: 3}
	if asked != want {
		t.Errorf("asked for %+v, want %+v", asked, want)
	}
	page.NextKey, page.NextIsPrefix, page.NextUpload = "c/", true, object.Stamp{}
	body = string(readAll(t, call{method: "GET", target: "/b?uploads&delimiter=/&key-marker=c/&upload-id-marker="}.do(t, g)))
	if asked.AfterKey != "c/" || !strings.Contains(body, "<NextKeyMarker>c/</NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>") {
		t.Errorf("asked for %+v, got %s", asked, body)
	}
}
