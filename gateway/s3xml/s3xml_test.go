package s3xml_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
)

var at = time.Date(2026, 5, 4, 3, 2, 1, int(9*time.Millisecond), time.FixedZone("", 7200))

// TestDocuments compares whole documents, element by element in the order of the S3 API Reference.
func TestDocuments(t *testing.T) {
	const (
		ns    = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
		owner = "<ID>o</ID><DisplayName>n</DisplayName>"
		date  = "2026-05-04T01:02:01.009Z"
	)
	o := s3xml.Owner{ID: "o", DisplayName: "n"}
	sum := s3xml.Checksum{Element: "ChecksumCRC32", Value: "AQIDBA==", Type: "FULL_OBJECT"}
	empty, token := "", "t"
	list := s3xml.Listing{
		Name: "b", Prefix: "p", Delimiter: "/", MaxKeys: 2, IsTruncated: true, EncodingType: "url",
		Contents: []s3xml.ListedObject{{
			Key: "a<b", LastModified: at, ETag: "e", SizeBytes: 5, StorageClass: "STANDARD", Owner: &o,
			ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT",
		}},
		CommonPrefixes: []string{"c/"},
		Marker:         "m", NextMarker: "c/", ContinuationToken: &token, NextContinuationToken: "u", StartAfter: &empty,
	}
	contents := "<Contents><Key>a&lt;b</Key><LastModified>" + date + "</LastModified><ETag>&quot;e&quot;</ETag>" +
		"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size><Owner>" + owner +
		"</Owner><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"
	listTail := "<MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>" + contents
	for _, row := range []struct {
		name string
		got  []byte
		want string
	}{
		{
			"buckets", (&s3xml.ListAllMyBucketsResult{Owner: o, Buckets: []s3xml.Bucket{{Name: "b", Region: "r", Created: at}}, ContinuationToken: "t"}).XML(),
			"<ListAllMyBucketsResult" + ns + "><Owner>" + owner + "</Owner><Buckets><Bucket><Name>b</Name><CreationDate>" + date +
				"</CreationDate><BucketRegion>r</BucketRegion></Bucket></Buckets><ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>",
		},
		{
			"no buckets", (&s3xml.ListAllMyBucketsResult{Owner: o}).XML(),
			"<ListAllMyBucketsResult" + ns + "><Owner>" + owner + "</Owner><Buckets></Buckets></ListAllMyBucketsResult>",
		},
		{"location", s3xml.LocationConstraint("eu-west-1"), "<LocationConstraint" + ns + ">eu-west-1</LocationConstraint>"},
		{"location of us-east-1", s3xml.LocationConstraint(""), "<LocationConstraint" + ns + "></LocationConstraint>"},
		{"list 1", list.XMLVersion1(), "<ListBucketResult" + ns + "><Name>b</Name><Prefix>p</Prefix><Marker>m</Marker><NextMarker>c/</NextMarker>" +
			listTail + "</ListBucketResult>"},
		{"list 2", list.XMLVersion2(), "<ListBucketResult" + ns + "><Name>b</Name><Prefix>p</Prefix><ContinuationToken>t</ContinuationToken>" +
			"<NextContinuationToken>u</NextContinuationToken><KeyCount>2</KeyCount><StartAfter></StartAfter>" + listTail + "</ListBucketResult>"},
		{
			"copy", (&s3xml.CopyObjectResult{ETag: "e", LastModified: at, Checksum: sum}).XML(),
			"<CopyObjectResult" + ns + "><LastModified>" + date + "</LastModified><ETag>&quot;e&quot;</ETag><ChecksumType>FULL_OBJECT</ChecksumType>" +
				"<ChecksumCRC32>AQIDBA==</ChecksumCRC32></CopyObjectResult>",
		},
		{"delete", (&s3xml.DeleteResult{
			Deleted: []s3xml.Deleted{{Key: "a"}, {Key: "b", VersionID: "v", DeleteMarker: true, DeleteMarkerVersionID: "v"}},
			Errors:  []s3xml.DeleteError{{Key: "c", Code: "X", Message: "Y"}},
		}).XML(), "<DeleteResult" + ns + "><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key><VersionId>v</VersionId><DeleteMarker>true</DeleteMarker>" +
			"<DeleteMarkerVersionId>v</DeleteMarkerVersionId></Deleted><Error><Key>c</Key><Code>X</Code><Message>Y</Message></Error></DeleteResult>"},
		{
			"initiate", (&s3xml.InitiateMultipartUploadResult{Bucket: "b", Key: "k", UploadID: "u"}).XML(),
			"<InitiateMultipartUploadResult" + ns + "><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId></InitiateMultipartUploadResult>",
		},
		{
			"complete", (&s3xml.CompleteMultipartUploadResult{Location: "l", Bucket: "b", Key: "k", ETag: "e-2", Checksum: sum}).XML(),
			"<CompleteMultipartUploadResult" + ns + "><Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e-2&quot;</ETag>" +
				"<ChecksumCRC32>AQIDBA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>",
		},
		{"parts", (&s3xml.ListPartsResult{
			Bucket: "b", Key: "k", UploadID: "u", PartNumberMarker: 1, NextPartNumberMarker: 2, MaxParts: 3, IsTruncated: true, Owner: o,
			StorageClass: "STANDARD", Parts: []s3xml.Part{{Number: 2, LastModified: at, ETag: "e", SizeBytes: 5, Checksum: sum}},
		}).XML(), "<ListPartsResult" + ns + "><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><PartNumberMarker>1</PartNumberMarker>" +
			"<NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>3</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber>" +
			"<LastModified>" + date + "</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size><ChecksumCRC32>AQIDBA==</ChecksumCRC32></Part>" +
			"<Initiator>" + owner + "</Initiator><Owner>" + owner + "</Owner><StorageClass>STANDARD</StorageClass></ListPartsResult>"},
		{"uploads", (&s3xml.ListMultipartUploadsResult{
			Bucket: "b", Prefix: "p", KeyMarker: "k", NextKeyMarker: "n", NextUploadIDMarker: "m", MaxUploads: 1, IsTruncated: true, Owner: o,
			Uploads: []s3xml.Upload{{Key: "n", UploadID: "m", StorageClass: "STANDARD", Initiated: at}}, CommonPrefixes: []string{"q/"},
		}).XML(), "<ListMultipartUploadsResult" + ns + "><Bucket>b</Bucket><KeyMarker>k</KeyMarker><UploadIdMarker></UploadIdMarker>" +
			"<NextKeyMarker>n</NextKeyMarker><NextUploadIdMarker>m</NextUploadIdMarker><Prefix>p</Prefix><MaxUploads>1</MaxUploads>" +
			"<IsTruncated>true</IsTruncated><Upload><Key>n</Key><UploadId>m</UploadId><Initiator>" + owner + "</Initiator><Owner>" + owner +
			"</Owner><StorageClass>STANDARD</StorageClass><Initiated>" + date + "</Initiated></Upload><CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes>" +
			"</ListMultipartUploadsResult>"},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + row.want
			if string(row.got) != want {
				t.Errorf("got  %s\nwant %s", row.got, want)
			}
		})
	}
}

// TestText writes characters that are special somewhere, and expects a parser to read them back.
func TestText(t *testing.T) {
	for name, text := range map[string]string{
		"markup": `<a href="x">&amp;</a>]]>`, "white space": " a\tb\nc\rd ", "unicode": "é虫🐞\u2028\u0085", "del": "\x7f",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			var w s3xml.Writer
			w.Text("a", text)
			doc := w.Bytes()
			var got string
			if err := xml.Unmarshal(doc, &got); err != nil || got != text {
				t.Errorf("got %q, %v from %s", got, err, doc)
			}
		})
	}
}

// TestControlCharacters expects characters that XML 1.0 can't have to be written as the
// references that XML 1.1 has, under a 1.1 declaration, and never to be replaced.
func TestControlCharacters(t *testing.T) {
	var w s3xml.Writer
	w.Text("Key", "a\x01b\x1f")
	want := "<?xml version=\"1.1\" encoding=\"UTF-8\"?>\n<Key>a&#x1;b&#x1f;</Key>"
	if got := string(w.Bytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a<b>&\r\n\x01")
	f.Fuzz(func(t *testing.T, text string) {
		var w s3xml.Writer
		w.Text("a", text)
		doc := string(w.Bytes())
		if !utf8.ValidString(doc) {
			t.Fatalf("%q: the document is not UTF-8: %q", text, doc)
		}
		if strings.HasPrefix(doc, `<?xml version="1.1"`) {
			return // no parser here
		}
		var got string
		if err := xml.Unmarshal([]byte(doc), &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if utf8.ValidString(text) && got != text {
			t.Fatalf("%q was read back as %q", text, got)
		}
	})
}

func FuzzURLEncode(f *testing.F) {
	f.Add("a b/c+d%\x00é")
	f.Fuzz(func(t *testing.T, text string) {
		encoded := s3xml.URLEncode(text)
		for _, decode := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
			if got, err := decode(encoded); err != nil || got != text {
				t.Fatalf("%q: encoded %q decoded %q, %v", text, encoded, got, err)
			}
		}
	})
}

const completeNS = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`

func TestParseCompleteMultipartUpload(t *testing.T) {
	const part = "<Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag><ChecksumCRC32>c</ChecksumCRC32></Part>"
	for _, row := range []struct {
		name, body string
		parts      int // 0: refused
	}{
		{"with namespace", completeNS + part + "</CompleteMultipartUpload>", 1},
		{"without namespace", "<CompleteMultipartUpload>" + part + part + "</CompleteMultipartUpload>", 2},
		{"prolog, comments, white space", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a -->" + completeNS + "\n" + part + "\n</CompleteMultipartUpload>\n<!-- b -->\n", 1},
		{"unknown element", completeNS + "<New>x</New>" + part + "</CompleteMultipartUpload>", 1},
		{"most parts", completeNS + strings.Repeat(part, object.PartsMax) + "</CompleteMultipartUpload>", object.PartsMax},
		{"too many parts", completeNS + strings.Repeat(part, object.PartsMax+1) + "</CompleteMultipartUpload>", 0},
		{"no parts", completeNS + "</CompleteMultipartUpload>", 0},
		{"empty", "", 0},
		{"another root", "<Delete>" + part + "</Delete>", 0},
		{"cut short", completeNS + part, 0},
		{"two documents", completeNS + part + "</CompleteMultipartUpload>" + completeNS + "</CompleteMultipartUpload>", 0},
		{"text behind", completeNS + part + "</CompleteMultipartUpload>x", 0},
		{"number is text", completeNS + "<Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>", 0},
		{"number 0", completeNS + "<Part><PartNumber>0</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>", 0},
		{"number too large", completeNS + "<Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>", 0},
		{"no tag", completeNS + "<Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", 0},
		{"entity", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + completeNS + "&b;" + part + "</CompleteMultipartUpload>", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := s3xml.ParseCompleteMultipartUpload(strings.NewReader(row.body))
			if row.parts == 0 {
				if !errors.Is(err, object.MalformedXML) {
					t.Fatalf("got %v, want MalformedXML", err)
				}
				return
			}
			if err != nil || len(got.Parts) != row.parts || got.Parts[0].ETag != `"e"` || got.Parts[0].PartNumber != 1 || got.Parts[0].ChecksumCRC32 != "c" {
				t.Fatalf("got %d parts, %v", len(got.Parts), err)
			}
		})
	}
}

func TestParseDelete(t *testing.T) {
	const one = "<Object><Key>k</Key></Object>"
	for _, row := range []struct {
		name, body string
		objects    int // 0: refused
		quiet      bool
	}{
		{"one", "<Delete>" + one + "</Delete>", 1, false},
		{"quiet", "<Delete><Quiet>true</Quiet>" + one + "</Delete>", 1, true},
		{"most", "<Delete>" + strings.Repeat(one, object.DeleteKeysMax) + "</Delete>", object.DeleteKeysMax, false},
		{"too many", "<Delete>" + strings.Repeat(one, object.DeleteKeysMax+1) + "</Delete>", 0, false},
		{"none", "<Delete></Delete>", 0, false},
		{"no key", "<Delete>" + one + "<Object></Object></Delete>", 0, false},
		{"quiet is text", "<Delete><Quiet>maybe</Quiet>" + one + "</Delete>", 0, false},
		{"no xml", "{}", 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := s3xml.ParseDelete(strings.NewReader(row.body))
			if row.objects == 0 {
				if !errors.Is(err, object.MalformedXML) {
					t.Fatalf("got %v, want MalformedXML", err)
				}
				return
			}
			if err != nil || len(got.Objects) != row.objects || got.Quiet != row.quiet || got.Objects[0].Key != "k" || got.Objects[0].VersionID != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseCreateBucketConfiguration(t *testing.T) {
	for _, row := range []struct {
		name, body, location string
		bad                  bool
	}{
		{"empty", "", "", false},
		{"location", "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>", "eu-west-1", false},
		{"nothing in it", "<CreateBucketConfiguration/>", "", false},
		{"another root", "<Bucket/>", "", true},
		{"not closed", "<CreateBucketConfiguration>", "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := s3xml.ParseCreateBucketConfiguration(strings.NewReader(row.body))
			if row.bad != errors.Is(err, object.MalformedXML) || !row.bad && err != nil || got.LocationConstraint != row.location {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestSourceErrors expects an error of the body to come through as it is, wherever it happens.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	body := "<Delete><Object><Key>k</Key></Object></Delete>"
	for n := range len(body) + 1 {
		r := io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(broken))
		if _, err := s3xml.ParseDelete(r); err != broken {
			t.Fatalf("broken after %d bytes: got %v", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<Delete><Quiet>true</Quiet><Object><Key>k</Key><VersionId>v</VersionId></Object></Delete>")
	f.Add(completeNS + "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>")
	f.Add("<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>")
	f.Fuzz(func(t *testing.T, body string) {
		_, errDelete := s3xml.ParseDelete(strings.NewReader(body))
		_, errComplete := s3xml.ParseCompleteMultipartUpload(strings.NewReader(body))
		_, errCreate := s3xml.ParseCreateBucketConfiguration(strings.NewReader(body))
		for _, err := range []error{errDelete, errComplete, errCreate} {
			if err != nil && !errors.Is(err, object.MalformedXML) {
				t.Fatalf("%q: %v", body, err)
			}
		}
	})
}

// BenchmarkListing writes a full page.
func BenchmarkListing(b *testing.B) {
	page := s3xml.Listing{Name: "bucket", MaxKeys: object.ListKeysMax}
	for i := range object.ListKeysMax {
		page.Contents = append(page.Contents, s3xml.ListedObject{
			Key: fmt.Sprintf("photos/2026/05/%08d.jpg", i), LastModified: at, ETag: strings.Repeat("0", 32), SizeBytes: 123456, StorageClass: "STANDARD",
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(page.XMLVersion2())))
	}
}
