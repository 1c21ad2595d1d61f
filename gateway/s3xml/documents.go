package s3xml

import "time"

// Owner is the owner of a bucket, an object or an upload.
type Owner struct{ ID, DisplayName string }

func (o Owner) write(w *Writer, name string) {
	w.Start(name)
	w.Text("ID", o.ID)
	w.Text("DisplayName", o.DisplayName)
	w.End(name)
}

// Checksum is a checksum as documents carry it: the element's name
// ("ChecksumCRC32C"), the value in base64, and "FULL_OBJECT" or "COMPOSITE".
// The zero value is none.
type Checksum struct{ Element, Value, Type string }

func (c Checksum) write(w *Writer) {
	if c.Element != "" {
		w.Text(c.Element, c.Value)
	}
}

// ListAllMyBucketsResult answers ListBuckets.
type ListAllMyBucketsResult struct {
	Owner                     Owner
	Buckets                   []Bucket
	Prefix, ContinuationToken string // "": left out
}

// Bucket is a bucket of a ListAllMyBucketsResult.
type Bucket struct {
	Name, Region string
	Created      time.Time
}

// XML is the document.
func (d *ListAllMyBucketsResult) XML() []byte {
	var w Writer
	w.StartRoot("ListAllMyBucketsResult")
	d.Owner.write(&w, "Owner")
	w.Start("Buckets")
	for _, b := range d.Buckets {
		w.Start("Bucket")
		w.Text("Name", b.Name)
		w.Time("CreationDate", b.Created)
		w.Optional("BucketRegion", b.Region)
		w.End("Bucket")
	}
	w.End("Buckets")
	w.Optional("ContinuationToken", d.ContinuationToken)
	w.Optional("Prefix", d.Prefix)
	w.End("ListAllMyBucketsResult")
	return w.Bytes()
}

// LocationConstraint answers GetBucketLocation; "" stands for us-east-1.
func LocationConstraint(region string) []byte {
	var w Writer
	w.StartRoot("LocationConstraint")
	w.escape(region)
	w.End("LocationConstraint")
	return w.Bytes()
}

// CopyObjectResult answers CopyObject.
type CopyObjectResult struct {
	ETag         string // without quotes
	LastModified time.Time
	Checksum     Checksum
}

// XML is the document.
func (d *CopyObjectResult) XML() []byte {
	var w Writer
	w.StartRoot("CopyObjectResult")
	w.Time("LastModified", d.LastModified)
	w.ETag(d.ETag)
	w.Optional("ChecksumType", d.Checksum.Type)
	d.Checksum.write(&w)
	w.End("CopyObjectResult")
	return w.Bytes()
}

// DeleteResult answers DeleteObjects. Quiet leaves Deleted out.
type DeleteResult struct {
	Deleted []Deleted
	Errors  []DeleteError
}

// Deleted is a deletion that succeeded.
type Deleted struct {
	Key, VersionID        string
	DeleteMarker          bool
	DeleteMarkerVersionID string
}

// DeleteError is a deletion that failed.
type DeleteError struct{ Key, VersionID, Code, Message string }

// XML is the document.
func (d *DeleteResult) XML() []byte {
	var w Writer
	w.StartRoot("DeleteResult")
	for _, e := range d.Deleted {
		w.Start("Deleted")
		w.Text("Key", e.Key)
		w.Optional("VersionId", e.VersionID)
		if e.DeleteMarker {
			w.Bool("DeleteMarker", true)
		}
		w.Optional("DeleteMarkerVersionId", e.DeleteMarkerVersionID)
		w.End("Deleted")
	}
	for _, e := range d.Errors {
		w.Start("Error")
		w.Text("Key", e.Key)
		w.Optional("VersionId", e.VersionID)
		w.Text("Code", e.Code)
		w.Text("Message", e.Message)
		w.End("Error")
	}
	w.End("DeleteResult")
	return w.Bytes()
}
