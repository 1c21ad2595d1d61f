package s3xml

import "time"

// Listing is what both versions of ListObjects answer with. Strings that
// encoding-type=url concerns are already encoded. Optional strings are left out
// when nil, and written, perhaps empty, when set.
type Listing struct {
	Name, Prefix   string
	Delimiter      string // "": left out
	EncodingType   string // "": left out
	MaxKeys        int
	IsTruncated    bool
	Contents       []ListedObject
	CommonPrefixes []string

	// Version 1.
	Marker     string
	NextMarker string // "": left out

	// Version 2.
	ContinuationToken     *string
	NextContinuationToken string // "": left out
	StartAfter            *string
}

// ListedObject is a key of a Listing.
type ListedObject struct {
	Key          string
	LastModified time.Time
	ETag         string // without quotes
	SizeBytes    int64
	StorageClass string
	// ChecksumAlgorithm and ChecksumType are left out when "".
	ChecksumAlgorithm, ChecksumType string
	Owner                           *Owner
}

func (o *ListedObject) write(w *Writer) {
	w.Start("Contents")
	w.Text("Key", o.Key)
	w.Time("LastModified", o.LastModified)
	w.ETag(o.ETag)
	w.Optional("ChecksumAlgorithm", o.ChecksumAlgorithm)
	w.Optional("ChecksumType", o.ChecksumType)
	w.Int("Size", o.SizeBytes)
	if o.Owner != nil {
		o.Owner.write(w, "Owner")
	}
	w.Text("StorageClass", o.StorageClass)
	w.End("Contents")
}

// XMLVersion1 is the answer to ListObjects.
func (d *Listing) XMLVersion1() []byte {
	w := d.start()
	w.Text("Marker", d.Marker)
	w.Optional("NextMarker", d.NextMarker)
	return d.finish(w)
}

// XMLVersion2 is the answer to ListObjectsV2.
func (d *Listing) XMLVersion2() []byte {
	w := d.start()
	if d.ContinuationToken != nil {
		w.Text("ContinuationToken", *d.ContinuationToken)
	}
	w.Optional("NextContinuationToken", d.NextContinuationToken)
	w.Int("KeyCount", int64(len(d.Contents)+len(d.CommonPrefixes)))
	if d.StartAfter != nil {
		w.Text("StartAfter", *d.StartAfter)
	}
	return d.finish(w)
}

func (d *Listing) start() *Writer {
	// Some 300 bytes a key, so that the buffer hardly ever grows.
	w := &Writer{buf: make([]byte, 0, 512+320*len(d.Contents)+64*len(d.CommonPrefixes))}
	w.StartRoot("ListBucketResult")
	w.Text("Name", d.Name)
	w.Text("Prefix", d.Prefix)
	return w
}

func (d *Listing) finish(w *Writer) []byte {
	w.Int("MaxKeys", int64(d.MaxKeys))
	w.Optional("Delimiter", d.Delimiter)
	w.Optional("EncodingType", d.EncodingType)
	w.Bool("IsTruncated", d.IsTruncated)
	for i := range d.Contents {
		d.Contents[i].write(w)
	}
	writePrefixes(w, d.CommonPrefixes)
	w.End("ListBucketResult")
	return w.Bytes()
}

func writePrefixes(w *Writer, prefixes []string) {
	for _, p := range prefixes {
		w.Start("CommonPrefixes")
		w.Text("Prefix", p)
		w.End("CommonPrefixes")
	}
}
