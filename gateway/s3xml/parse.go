package s3xml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/stampede-store/stampede/object"
)

// CreateBucketConfiguration is the body of CreateBucket.
type CreateBucketConfiguration struct {
	XMLName            xml.Name  `xml:"CreateBucketConfiguration"`
	LocationConstraint string    `xml:"LocationConstraint"`
	Location           *struct{} `xml:"Location"` // directory buckets
	Bucket             *struct{} `xml:"Bucket"`   // directory buckets
	Tags               *struct{} `xml:"Tags"`
}

// Delete is the body of DeleteObjects.
type Delete struct {
	XMLName xml.Name       `xml:"Delete"`
	Quiet   bool           `xml:"Quiet"`
	Objects []DeleteObject `xml:"Object"`
}

// DeleteObject is one object of a Delete.
type DeleteObject struct {
	Key       string  `xml:"Key"`
	VersionID *string `xml:"VersionId"`
	// Conditions on the object, as the client sent them; nil: not sent.
	ETag             *string `xml:"ETag"`
	LastModifiedTime *string `xml:"LastModifiedTime"`
	Size             *string `xml:"Size"`
}

// CompleteMultipartUpload is the body of CompleteMultipartUpload.
type CompleteMultipartUpload struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Parts   []CompletedPart `xml:"Part"`
}

// CompletedPart is one part of a CompleteMultipartUpload. Checksums are in
// base64; "" is absent.
type CompletedPart struct {
	PartNumber        int    `xml:"PartNumber"`
	ETag              string `xml:"ETag"`
	ChecksumCRC32     string `xml:"ChecksumCRC32"`
	ChecksumCRC32C    string `xml:"ChecksumCRC32C"`
	ChecksumCRC64NVME string `xml:"ChecksumCRC64NVME"`
	ChecksumSHA1      string `xml:"ChecksumSHA1"`
	ChecksumSHA256    string `xml:"ChecksumSHA256"`
}

// ParseCreateBucketConfiguration parses r to its end. An empty body is an empty
// configuration.
func ParseCreateBucketConfiguration(r io.Reader) (CreateBucketConfiguration, error) {
	var c CreateBucketConfiguration
	err := parse(r, &c)
	if errors.Is(err, errEmpty) {
		return c, nil
	}
	return c, err
}

// ParseDelete parses r to its end. It refuses no objects, more than
// object.DeleteKeysMax, and an object without a key.
func ParseDelete(r io.Reader) (Delete, error) {
	var d Delete
	if err := parse(r, &d); err != nil {
		return d, err
	}
	if len(d.Objects) == 0 || len(d.Objects) > object.DeleteKeysMax {
		return d, malformed(fmt.Errorf("%d objects", len(d.Objects)))
	}
	for i := range d.Objects {
		if d.Objects[i].Key == "" {
			return d, malformed(fmt.Errorf("object %d has no key", i))
		}
	}
	return d, nil
}

// ParseCompleteMultipartUpload parses r to its end. It refuses no parts, more
// than object.PartsMax, and a part without number or entity tag. The order is
// the store's to check.
func ParseCompleteMultipartUpload(r io.Reader) (CompleteMultipartUpload, error) {
	var c CompleteMultipartUpload
	if err := parse(r, &c); err != nil {
		return c, err
	}
	if len(c.Parts) == 0 || len(c.Parts) > object.PartsMax {
		return c, malformed(fmt.Errorf("%d parts", len(c.Parts)))
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.PartNumber < 1 || p.PartNumber > object.PartsMax || p.ETag == "" {
			return c, malformed(fmt.Errorf("part %d has number %d and entity tag %q", i, p.PartNumber, p.ETag))
		}
	}
	return c, nil
}

var errEmpty = errors.New("empty document")

// parse decodes one document and expects the end of the input behind it.
// Errors of r itself (a wrong payload hash, a slow client) pass as they are.
func parse(r io.Reader, document any) error {
	source := &sourceReader{r: r}
	d := xml.NewDecoder(source)
	err := d.Decode(document)
	if source.err != nil {
		return source.err
	}
	if err == io.EOF {
		return malformed(errEmpty)
	}
	if err != nil {
		return malformed(err)
	}
	for {
		token, err := d.Token()
		switch {
		case source.err != nil:
			return source.err
		case err == io.EOF:
			return nil
		case err != nil:
			return malformed(err)
		}
		if !ignorable(token) {
			return malformed(errors.New("more than one document"))
		}
	}
}

func ignorable(t xml.Token) bool {
	switch t := t.(type) {
	case xml.Comment, xml.ProcInst:
		return true
	case xml.CharData:
		for _, c := range t {
			if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
				return false
			}
		}
		return true
	}
	return false
}

// sourceReader remembers the error of its source, which the decoder would
// dress up as a syntax error.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func malformed(cause error) error {
	return &object.Error{Op: "s3xml.Parse", Kind: object.MalformedXML, Err: cause}
}
