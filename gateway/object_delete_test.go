package gateway_test

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

func TestDeleteObject(t *testing.T) {
	var asked fdblayer.DeleteObject
	var answer fdblayer.Deleted
	g := newGateway(t, &fake{deleteObject: func(d fdblayer.DeleteObject) (fdblayer.Deleted, error) { asked = d; return answer, nil }}, nil)
	res := call{method: "DELETE", target: "/b/k"}.do(t, g)
	if res.StatusCode != 204 || asked != (fdblayer.DeleteObject{Key: "k"}) || res.Header.Get("x-amz-delete-marker") != "" {
		t.Errorf("got %d %v after asking for %+v", res.StatusCode, res.Header, asked)
	}
	answer = fdblayer.Deleted{Marker: true, VersionID: "v"}
	res = call{method: "DELETE", target: "/b/k?versionId=null"}.do(t, g)
	if asked.VersionID != "null" || res.Header.Get("x-amz-delete-marker") != "true" || res.Header.Get("x-amz-version-id") != "v" {
		t.Errorf("got %d %v after asking for %+v", res.StatusCode, res.Header, asked)
	}
	answer = fdblayer.Deleted{Err: &object.Error{Op: "test", Kind: object.Unavailable}}
	expectCode(t, call{method: "DELETE", target: "/b/k"}.do(t, g), "ServiceUnavailable")

	untouched := newGateway(t, &fake{}, nil)
	expectCode(t, call{method: "DELETE", target: "/b/k?versionId="}.do(t, untouched), "InvalidArgument")
	expectCode(t, call{method: "DELETE", target: "/b/k?versionId=x"}.do(t, untouched), "InvalidArgument")
	for _, header := range []string{"If-Match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"} {
		expectCode(t, call{method: "DELETE", target: "/b/k", headers: map[string]string{header: "5"}}.do(t, untouched), "NotImplemented")
	}
}

// TestDeleteObjects mixes deletions that succeed, that the store refuses, and that the gateway refuses.
func TestDeleteObjects(t *testing.T) {
	body := "<Delete>%s<Object><Key>a</Key></Object><Object><Key>conditional</Key><ETag>e</ETag></Object>" +
		"<Object><Key>fails</Key></Object><Object><Key>old</Key><VersionId>nonsense</VersionId></Object>" +
		"<Object><Key>b&#13;</Key><VersionId>null</VersionId></Object></Delete>"
	var asked []fdblayer.DeleteObject
	f := &fake{deleteObjects: func(d []fdblayer.DeleteObject) ([]fdblayer.Deleted, error) {
		asked = d
		return []fdblayer.Deleted{{Marker: true, VersionID: "m"}, {Err: &object.Error{Op: "test", Kind: object.Unavailable}}, {VersionID: "null"}}, nil
	}}
	g := newGateway(t, f, nil)
	const errs = "<Error><Key>conditional</Key><Code>NotImplemented</Code><Message>Conditional deletes are not implemented.</Message></Error>" +
		"<Error><Key>fails</Key><Code>ServiceUnavailable</Code><Message>Service is unable to handle request.</Message></Error>" +
		"<Error><Key>old</Key><VersionId>nonsense</VersionId><Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message></Error>"
	const deleted = "<Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>" +
		"<Deleted><Key>b&#xD;</Key><VersionId>null</VersionId></Deleted>"
	for quiet, want := range map[string]string{"": deleted + errs, "<Quiet>true</Quiet>": errs} {
		res := call{method: "POST", target: "/b?delete", body: fmt.Sprintf(body, quiet)}.do(t, g)
		got := string(readAll(t, res))
		if res.StatusCode != 200 || !strings.HasSuffix(got, `">`+want+"</DeleteResult>") {
			t.Errorf("got %d %s", res.StatusCode, got)
		}
		if len(asked) != 3 || asked[0].Key != "a" || asked[1].Key != "fails" || asked[2] != (fdblayer.DeleteObject{Key: "b\r", VersionID: "null"}) {
			t.Errorf("asked for %+v", asked)
		}
	}
}

// TestDeleteObjectsRefusals expects a bad body to delete nothing.
func TestDeleteObjectsRefusals(t *testing.T) {
	good := "<Delete><Object><Key>a</Key></Object></Delete>"
	sum := md5.Sum([]byte(good))
	for _, row := range []struct {
		name, body string
		headers    map[string]string
		code       string
	}{
		{"good MD5", good, map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}, ""},
		{"wrong MD5", good + " ", map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}, "BadDigest"},
		{"wrong checksum", good, map[string]string{"x-amz-checksum-crc32": "AQIDBA=="}, "BadDigest"},
		{"malformed", "<Delete>", nil, "MalformedXML"},
		{"too large", "<Delete>" + strings.Repeat(" ", 2<<20), nil, "EntityTooLarge"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &fake{}
			if row.code == "" {
				f.deleteObjects = func(d []fdblayer.DeleteObject) ([]fdblayer.Deleted, error) {
					return make([]fdblayer.Deleted, len(d)), nil
				}
			}
			res := call{method: "POST", target: "/b?delete", body: row.body, headers: row.headers}.do(t, newGateway(t, f, nil))
			expectCode(t, res, row.code)
		})
	}
}

// TestDeleteObjectsAllRefused expects an answer for each key, and the bucket to be looked for.
func TestDeleteObjectsAllRefused(t *testing.T) {
	const body = "<Delete><Object><Key>k</Key><Size>5</Size></Object></Delete>"
	for _, code := range []string{"", "NoSuchBucket"} {
		f := &fake{getBucket: func(object.BucketName) (object.Bucket, error) {
			if code != "" {
				return object.Bucket{}, &object.Error{Op: "test", Kind: object.NoSuchBucket}
			}
			return object.Bucket{}, nil
		}}
		res := call{method: "POST", target: "/b?delete", body: body}.do(t, newGateway(t, f, nil))
		expectCode(t, res, code)
		if code == "" && !strings.Contains(string(readAll(t, res)), "<Error><Key>k</Key><Code>NotImplemented</Code>") {
			t.Error("the refused key is not in the answer")
		}
	}
}
