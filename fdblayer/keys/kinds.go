package keys

// Kind is a kind of row. Its text is the tag, the first element of the key.
type Kind string

// The kinds of rows. A tag is never used again for something else.
const (
	MetaRow        Kind = "m"
	LogRow         Kind = "M"
	BucketNameRow  Kind = "N"
	BucketRow      Kind = "K" // with a name behind the bucket id: DocumentRow
	GuardRow       Kind = "A"
	ListRow        Kind = "L"
	VersionRow     Kind = "V"
	BlobRefRow     Kind = "B"
	UploadRow      Kind = "U"
	PartRow        Kind = "P"
	ManifestRefRow Kind = "D"
	CounterRow     Kind = "Z"
	QueueRow       Kind = "Q" // one kind for each Queue
	SessionRow     Kind = "S"
	HeartbeatRow   Kind = "H"
	EvidenceRow    Kind = "F"
	FencedRow      Kind = "C"
	NodeRow        Kind = "O"
	GroupRow       Kind = "G"
	HoldRow        Kind = "hold"
	LeaseRow       Kind = "W"
)
