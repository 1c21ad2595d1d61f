package gateway_test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// seen remembers what the gateway counted.
type seen struct {
	mu   sync.Mutex
	last gateway.Served // guarded by mu
	all  int            // guarded by mu
}

func (s *seen) Served(v gateway.Served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = v
	s.all++
}

// TestRoutes feeds requests as the S3 API Reference shows them and expects the
// operation's name; an operation without a handler must answer NotImplemented and
// name itself. Handlers meet a store where everything is absent.
func TestRoutes(t *testing.T) {
	const id = "?uploadId=VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA"
	rows := []struct {
		request   string // method and target; "host!" before the target
		operation string
		headers   map[string]string
	}{
		{"GET /", "ListBuckets", nil},
		{"GET /?max-buckets=50&prefix=a", "ListBuckets", nil},
		{"GET /?x-id=ListDirectoryBuckets", "ListDirectoryBuckets", nil},
		{"GET /b?session", "CreateSession", nil},
		{"PUT /b", "CreateBucket", nil},
		{"PUT /b/", "CreateBucket", nil},
		{"HEAD /b", "HeadBucket", nil},
		{"DELETE /b", "DeleteBucket", nil},
		{"DELETE /b/?x-id=DeleteBucket", "DeleteBucket", nil},
		{"GET /b", "ListObjects", nil},
		{"GET /b/?prefix=&delimiter=", "ListObjects", nil},
		{"GET /b?list-type=2", "ListObjectsV2", nil},
		{"GET /b?list-type=1", "ListObjects", nil},
		{"GET /b?versions", "ListObjectVersions", nil},
		{"GET /b?uploads", "ListMultipartUploads", nil},
		{"GET /b?uploads=&prefix=x", "ListMultipartUploads", nil},
		{"POST /b?delete", "DeleteObjects", nil},
		{"POST /b", "PostObject", map[string]string{"Content-Type": "multipart/form-data; boundary=9431149156168"}},
		{"POST /WriteGetObjectResponse", "WriteGetObjectResponse", map[string]string{"x-amz-request-route": "r", "x-amz-request-token": "t"}},
		{"OPTIONS /b/k", "PreflightRequest", nil},
		{"OPTIONS /b", "PreflightRequest", nil},
		{"PUT /b?not-invented-yet", "UnknownSubresource", nil},
		{"DELETE /b?not-invented-yet", "UnknownSubresource", nil},
		{"PUT /b/k?not-invented-yet", "UnknownSubresource", nil},
		{"DELETE /b/k?not-invented-yet=", "UnknownSubresource", nil},
		{"PATCH /b/k", "Unknown", nil},
		{"POST /b/k", "Unknown", nil},
		{"POST /b?acl", "Unknown", nil},

		{"PUT /b/k", "PutObject", nil},
		{"PUT /b/k?x-id=PutObject", "PutObject", nil},
		{"PUT /b/k?x-amz-acl=private&X-Amz-Signature=", "PutObject", nil},
		{"PUT /b/k", "CopyObject", map[string]string{"x-amz-copy-source": "/a/b"}},
		{"GET /b/k", "GetObject", nil},
		{"GET /b/k?versionId=null&partNumber=3&response-expires=x", "GetObject", nil},
		{"HEAD /b/k", "HeadObject", nil},
		{"HEAD /b/k?versionId=null", "HeadObject", nil},
		{"DELETE /b/k", "DeleteObject", nil},
		{"DELETE /b/k?versionId=null", "DeleteObject", nil},
		{"DELETE /b/k?versionId", "DeleteObject", nil},
		{"POST /b/k?uploads", "CreateMultipartUpload", nil},
		{"POST /b/k?upl%6Fads", "CreateMultipartUpload", nil},
		{"PUT /b/k?partNumber=1&uploadId=x", "UploadPart", nil},
		{"PUT /b/k?partNumber=1", "UploadPart", nil},
		{"PUT /b/k?uploadId=x", "UploadPart", nil},
		{"PUT /b/k?partNumber=2&uploadId=x", "UploadPartCopy", map[string]string{"x-amz-copy-source": "/a/b"}},
		{"POST /b/k" + id, "CompleteMultipartUpload", nil},
		{"DELETE /b/k" + id, "AbortMultipartUpload", nil},
		{"GET /b/k" + id, "ListParts", nil},
		{"GET /b/k?annotation&x-id=ListObjectAnnotations", "ListObjectAnnotations", nil},
		{"POST /b/k?select&select-type=2", "SelectObjectContent", nil},
		{"POST /b/k?restore&versionId=3", "RestoreObject", nil},
		{"PUT /b/k?renameObject", "RenameObject", nil},
		{"GET /b/k?attributes", "GetObjectAttributes", nil},
		{"GET /b/k?torrent", "GetObjectTorrent", nil},

		// Virtual-host style: the same path names something else.
		{"GET b.s3.example.com!/", "ListObjects", nil},
		{"GET B.S3.example.com:9000!/k", "GetObject", nil},
		{"GET a.b.s3.example.com!/k/?acl", "GetObjectAcl", nil},
		{"PUT b.s3.example.com!/", "CreateBucket", nil},
		{"GET s3.example.com!/", "ListBuckets", nil},
		{"GET s3.example.com!/b", "ListObjects", nil},
		{"GET b.other.example.com!/", "ListBuckets", nil},
	}
	for sub, ops := range subresources {
		for method, operation := range ops {
			target := method + " /b?" + sub
			if strings.HasPrefix(sub, "/") {
				target = method + " /b" + sub
			}
			rows = append(rows, struct {
				request   string
				operation string
				headers   map[string]string
			}{target, operation, nil})
		}
	}
	built := map[string]bool{
		"ListBuckets": true, "CreateBucket": true, "HeadBucket": true, "DeleteBucket": true, "GetBucketLocation": true,
		"ListObjects": true, "ListObjectsV2": true, "ListMultipartUploads": true, "DeleteObjects": true,
		"PutObject": true, "CopyObject": true, "GetObject": true, "HeadObject": true, "DeleteObject": true,
		"CreateMultipartUpload": true, "UploadPart": true, "CompleteMultipartUpload": true, "AbortMultipartUpload": true,
		"ListParts": true,
	}
	var counted seen
	g := newGateway(t, absent(), func(o *gateway.Options) { o.Metrics = &counted })
	for _, row := range rows {
		t.Run(row.request, func(t *testing.T) {
			method, target, _ := strings.Cut(row.request, " ")
			c := call{method: method, target: target, headers: row.headers}
			if host, path, ok := strings.Cut(target, "!"); ok {
				c.host, c.target = host, path
			}
			res := c.do(t, g)
			if got := counted.last.Operation; got != row.operation {
				t.Fatalf("got operation %s, want %s", got, row.operation)
			}
			switch {
			case row.operation == "Unknown":
				if res.StatusCode != http.StatusMethodNotAllowed {
					t.Fatalf("got status %d, want 405", res.StatusCode)
				}
			case !built[row.operation]:
				f := readFailure(t, res)
				if res.StatusCode != http.StatusNotImplemented || f.Code != "NotImplemented" || !strings.Contains(f.Message, row.operation) {
					t.Fatalf("got %d %s %q, want 501 NotImplemented naming the operation", res.StatusCode, f.Code, f.Message)
				}
			case res.StatusCode == http.StatusNotImplemented:
				t.Fatalf("%s is built and answers 501: %s", row.operation, readAll(t, res))
			}
		})
	}
}

// subresources are the sub-resources of a bucket, and of an object ("/k?…"), by method.
var subresources = map[string]map[string]string{
	"abac":                     {"GET": "GetBucketAbac", "PUT": "PutBucketAbac"},
	"accelerate":               {"GET": "GetBucketAccelerateConfiguration", "PUT": "PutBucketAccelerateConfiguration"},
	"acl":                      {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
	"analytics":                {"GET": "ListBucketAnalyticsConfigurations"},
	"analytics&id=x":           {"GET": "GetBucketAnalyticsConfiguration", "PUT": "PutBucketAnalyticsConfiguration", "DELETE": "DeleteBucketAnalyticsConfiguration"},
	"cors":                     {"GET": "GetBucketCors", "PUT": "PutBucketCors", "DELETE": "DeleteBucketCors"},
	"encryption":               {"GET": "GetBucketEncryption", "PUT": "PutBucketEncryption", "DELETE": "DeleteBucketEncryption"},
	"intelligent-tiering":      {"GET": "ListBucketIntelligentTieringConfigurations"},
	"intelligent-tiering&id=x": {"GET": "GetBucketIntelligentTieringConfiguration", "PUT": "PutBucketIntelligentTieringConfiguration", "DELETE": "DeleteBucketIntelligentTieringConfiguration"},
	"inventory":                {"GET": "ListBucketInventoryConfigurations"},
	"inventory&id=x":           {"GET": "GetBucketInventoryConfiguration", "PUT": "PutBucketInventoryConfiguration", "DELETE": "DeleteBucketInventoryConfiguration"},
	"lifecycle":                {"GET": "GetBucketLifecycleConfiguration", "PUT": "PutBucketLifecycleConfiguration", "DELETE": "DeleteBucketLifecycle"},
	"location":                 {"GET": "GetBucketLocation"},
	"logging":                  {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
	"metadataConfiguration":    {"GET": "GetBucketMetadataConfiguration", "POST": "CreateBucketMetadataConfiguration", "DELETE": "DeleteBucketMetadataConfiguration"},
	"metadataTable":            {"GET": "GetBucketMetadataTableConfiguration", "POST": "CreateBucketMetadataTableConfiguration", "DELETE": "DeleteBucketMetadataTableConfiguration"},
	"metadataAnnotationTable":  {"PUT": "UpdateBucketMetadataAnnotationTableConfiguration"},
	"metadataInventoryTable":   {"PUT": "UpdateBucketMetadataInventoryTableConfiguration"},
	"metadataJournalTable":     {"PUT": "UpdateBucketMetadataJournalTableConfiguration"},
	"metrics":                  {"GET": "ListBucketMetricsConfigurations"},
	"metrics&id=x":             {"GET": "GetBucketMetricsConfiguration", "PUT": "PutBucketMetricsConfiguration", "DELETE": "DeleteBucketMetricsConfiguration"},
	"notification":             {"GET": "GetBucketNotificationConfiguration", "PUT": "PutBucketNotificationConfiguration"},
	"object-lock":              {"GET": "GetObjectLockConfiguration", "PUT": "PutObjectLockConfiguration"},
	"ownershipControls":        {"GET": "GetBucketOwnershipControls", "PUT": "PutBucketOwnershipControls", "DELETE": "DeleteBucketOwnershipControls"},
	"policy":                   {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
	"policyStatus":             {"GET": "GetBucketPolicyStatus"},
	"publicAccessBlock":        {"GET": "GetPublicAccessBlock", "PUT": "PutPublicAccessBlock", "DELETE": "DeletePublicAccessBlock"},
	"replication":              {"GET": "GetBucketReplication", "PUT": "PutBucketReplication", "DELETE": "DeleteBucketReplication"},
	"requestPayment":           {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
	"tagging":                  {"GET": "GetBucketTagging", "PUT": "PutBucketTagging", "DELETE": "DeleteBucketTagging"},
	"versioning":               {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
	"website":                  {"GET": "GetBucketWebsite", "PUT": "PutBucketWebsite", "DELETE": "DeleteBucketWebsite"},
	"/k?acl":                   {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
	"/k?annotation":            {"GET": "GetObjectAnnotation", "PUT": "PutObjectAnnotation", "DELETE": "DeleteObjectAnnotation"},
	"/k?encryption":            {"PUT": "UpdateObjectEncryption"},
	"/k?legal-hold":            {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
	"/k?retention":             {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
	"/k?tagging":               {"GET": "GetObjectTagging", "PUT": "PutObjectTagging", "DELETE": "DeleteObjectTagging"},
}

// absent is a store where nothing is found.
func absent() *fake {
	none := func(k object.Kind) error { return &object.Error{Op: "test", Kind: k} }
	return &fake{
		createBucket: func(object.Bucket) error { return nil },
		getBucket:    func(object.BucketName) (object.Bucket, error) { return object.Bucket{}, none(object.NoSuchBucket) },
		deleteBucket: func(object.BucketName) error { return none(object.NoSuchBucket) },
		listBuckets:  func(string, string, int) (fdblayer.BucketPage, error) { return fdblayer.BucketPage{}, nil },
		put:          putAnything,
		get:          getNothing,
		copyObject: func(store.CopyObject) (store.Put, object.Version, error) {
			return store.Put{}, object.Version{}, none(object.NoSuchKey)
		},
		deleteObject: func(fdblayer.DeleteObject) (fdblayer.Deleted, error) { return fdblayer.Deleted{}, nil },
		listObjects: func(fdblayer.ListObjects) (fdblayer.Listing, error) {
			return fdblayer.Listing{}, none(object.NoSuchBucket)
		},
		createUpload: func(u object.Upload) (object.Upload, error) { return u, nil },
		listUploads: func(fdblayer.ListUploads) (fdblayer.UploadPage, error) {
			return fdblayer.UploadPage{}, none(object.NoSuchBucket)
		},
	}
}

// TestAddresses expects every key to arrive as the client meant it, in both styles, and
// keys that no object can have to be refused.
func TestAddresses(t *testing.T) {
	long := strings.Repeat("k", object.KeyMaxBytes)
	for name, key := range map[string]string{
		"two slashes": "a//b", "dot dot": "a/../b", "dot": "./x", "only dots": "..", "trailing slash": "a/",
		"leading slash": "/a", "only slashes": "//", "escaped slash": "a%2Fb", "percent": "100%", "plus": "a+b c",
		"unicode": "жук/虫/🐞", "control": "a\x01b\nc\x7f", "reserved": "a?b#c&d=e;f:g@h", "quotes": `"'<>&`,
		"brace": "{key}", "1,024 bytes": long, "1,024 bytes, escaped": strings.Repeat("\x02", object.KeyMaxBytes),
		"nul": "a\x00b", "looks like a query": "a?acl",
	} {
		t.Run(name, func(t *testing.T) {
			var got object.Key
			var gotBucket object.BucketName
			f := &fake{get: getSpy(func(g store.GetObject) { got, gotBucket = g.Key, g.Bucket })}
			g := newGateway(t, f, nil)
			escaped := "/" + escapeAll(key)
			for _, c := range []call{
				{method: "GET", target: "/bucket" + escaped},
				{method: "GET", target: escaped, host: "bucket.s3.example.com"},
				{method: "GET", target: (&url.URL{Path: "/bucket/" + key}).EscapedPath()},
			} {
				got = ""
				expectCode(t, c.do(t, g), "")
				if string(got) != key || gotBucket != "bucket" {
					t.Errorf("%s %s: got bucket %q key %q, want key %q", c.host, c.target, gotBucket, got, key)
				}
			}
		})
	}
	g := newGateway(t, &fake{}, nil)
	for _, row := range []struct{ name, target, code string }{
		{"too long", "/b/" + long + "k", "KeyTooLongError"},
		{"not UTF-8", "/b/%FF", "InvalidArgument"},
		{"no bucket", "//k", "InvalidRequest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			expectCode(t, call{method: "GET", target: row.target}.do(t, g), row.code)
		})
	}
}

// escapeAll escapes every byte but slashes.
func escapeAll(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '/' {
			b.WriteByte('/')
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[s[i]>>4])
		b.WriteByte(hex[s[i]&15])
	}
	return b.String()
}

// TestErrorDocument looks at the whole document, at HEAD without one, and at the common
// headers.
func TestErrorDocument(t *testing.T) {
	g := newGateway(t, absent(), nil)
	res := call{method: "GET", target: "/bucket/some/key"}.do(t, g)
	f := readFailure(t, res)
	if res.StatusCode != 404 || f.Code != "NoSuchKey" || f.Message == "" || f.Resource != "/bucket/some/key" ||
		f.RequestID == "" || f.RequestID != res.Header.Get("X-Amz-Request-Id") || f.HostID != "host" || f.field("Key") != "some/key" {
		t.Errorf("got %d %+v", res.StatusCode, f)
	}
	if res.Header.Get("Content-Type") != "application/xml" || res.Header.Get("X-Amz-Id-2") != "host" ||
		res.Header.Get("Server") != "Stampede" || res.Header.Get("X-Stampede-Version") != newestToken.String() {
		t.Errorf("got headers %v", res.Header)
	}
	head := call{method: "HEAD", target: "/bucket/some/key"}.do(t, g)
	if body := readAll(t, head); head.StatusCode != 404 || len(body) != 0 {
		t.Errorf("HEAD: got %d %q", head.StatusCode, body)
	}
	list := call{method: "GET", target: "/bucket"}.do(t, g)
	if err := xml.Unmarshal(readAll(t, list), new(failure)); err != nil || list.StatusCode != 404 {
		t.Errorf("list: %d %v", list.StatusCode, err)
	}
}
