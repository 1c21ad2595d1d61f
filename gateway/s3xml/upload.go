package s3xml

import "time"

// InitiateMultipartUploadResult answers CreateMultipartUpload.
type InitiateMultipartUploadResult struct{ Bucket, Key, UploadID string }

// XML is the document.
func (d *InitiateMultipartUploadResult) XML() []byte {
	var w Writer
	w.StartRoot("InitiateMultipartUploadResult")
	w.Text("Bucket", d.Bucket)
	w.Text("Key", d.Key)
	w.Text("UploadId", d.UploadID)
	w.End("InitiateMultipartUploadResult")
	return w.Bytes()
}

// CompleteMultipartUploadResult answers CompleteMultipartUpload.
type CompleteMultipartUploadResult struct {
	Location, Bucket, Key string
	ETag                  string // without quotes
	Checksum              Checksum
}

// XML is the document.
func (d *CompleteMultipartUploadResult) XML() []byte {
	var w Writer
	w.StartRoot("CompleteMultipartUploadResult")
	w.Text("Location", d.Location)
	w.Text("Bucket", d.Bucket)
	w.Text("Key", d.Key)
	w.ETag(d.ETag)
	d.Checksum.write(&w)
	w.Optional("ChecksumType", d.Checksum.Type)
	w.End("CompleteMultipartUploadResult")
	return w.Bytes()
}

// ListPartsResult answers ListParts.
type ListPartsResult struct {
	Bucket, Key, UploadID           string
	PartNumberMarker                int
	NextPartNumberMarker            int
	MaxParts                        int
	IsTruncated                     bool
	Parts                           []Part
	Owner                           Owner
	StorageClass                    string
	ChecksumAlgorithm, ChecksumType string // "": left out
}

// Part is a part of a ListPartsResult.
type Part struct {
	Number       int
	LastModified time.Time
	ETag         string // without quotes
	SizeBytes    int64
	Checksum     Checksum
}

// XML is the document.
func (d *ListPartsResult) XML() []byte {
	var w Writer
	w.StartRoot("ListPartsResult")
	w.Text("Bucket", d.Bucket)
	w.Text("Key", d.Key)
	w.Text("UploadId", d.UploadID)
	w.Int("PartNumberMarker", int64(d.PartNumberMarker))
	w.Int("NextPartNumberMarker", int64(d.NextPartNumberMarker))
	w.Int("MaxParts", int64(d.MaxParts))
	w.Bool("IsTruncated", d.IsTruncated)
	for _, p := range d.Parts {
		w.Start("Part")
		w.Int("PartNumber", int64(p.Number))
		w.Time("LastModified", p.LastModified)
		w.ETag(p.ETag)
		w.Int("Size", p.SizeBytes)
		p.Checksum.write(&w)
		w.End("Part")
	}
	d.Owner.write(&w, "Initiator")
	d.Owner.write(&w, "Owner")
	w.Text("StorageClass", d.StorageClass)
	w.Optional("ChecksumAlgorithm", d.ChecksumAlgorithm)
	w.Optional("ChecksumType", d.ChecksumType)
	w.End("ListPartsResult")
	return w.Bytes()
}

// ListMultipartUploadsResult answers ListMultipartUploads. Strings that
// encoding-type=url concerns are already encoded.
type ListMultipartUploadsResult struct {
	Bucket, Prefix                    string
	KeyMarker, UploadIDMarker         string
	NextKeyMarker, NextUploadIDMarker string // written when IsTruncated
	Delimiter, EncodingType           string // "": left out
	MaxUploads                        int
	IsTruncated                       bool
	Uploads                           []Upload
	CommonPrefixes                    []string
	Owner                             Owner
}

// Upload is an upload of a ListMultipartUploadsResult.
type Upload struct {
	Key, UploadID, StorageClass     string
	Initiated                       time.Time
	ChecksumAlgorithm, ChecksumType string // "": left out
}

// XML is the document.
func (d *ListMultipartUploadsResult) XML() []byte {
	var w Writer
	w.StartRoot("ListMultipartUploadsResult")
	w.Text("Bucket", d.Bucket)
	w.Text("KeyMarker", d.KeyMarker)
	w.Text("UploadIdMarker", d.UploadIDMarker)
	if d.IsTruncated {
		w.Text("NextKeyMarker", d.NextKeyMarker)
		w.Text("NextUploadIdMarker", d.NextUploadIDMarker)
	}
	w.Text("Prefix", d.Prefix)
	w.Optional("Delimiter", d.Delimiter)
	w.Optional("EncodingType", d.EncodingType)
	w.Int("MaxUploads", int64(d.MaxUploads))
	w.Bool("IsTruncated", d.IsTruncated)
	for i := range d.Uploads {
		u := &d.Uploads[i]
		w.Start("Upload")
		w.Text("Key", u.Key)
		w.Text("UploadId", u.UploadID)
		d.Owner.write(&w, "Initiator")
		d.Owner.write(&w, "Owner")
		w.Text("StorageClass", u.StorageClass)
		w.Time("Initiated", u.Initiated)
		w.Optional("ChecksumAlgorithm", u.ChecksumAlgorithm)
		w.Optional("ChecksumType", u.ChecksumType)
		w.End("Upload")
	}
	writePrefixes(&w, d.CommonPrefixes)
	w.End("ListMultipartUploadsResult")
	return w.Bytes()
}
