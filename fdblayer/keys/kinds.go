package keys

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
)

// Kind is a kind of row. Its text is the tag, the first element of the key.
type Kind string

// The tags. One is never used again for something else.
const (
	MetaRow        Kind = "m"
	LogRow         Kind = "M"
	BucketNameRow  Kind = "N"
	BucketRow      Kind = "K"
	GuardRow       Kind = "A"
	ListRow        Kind = "L"
	VersionRow     Kind = "V"
	BlobRefRow     Kind = "B"
	UploadRow      Kind = "U"
	PartRow        Kind = "P"
	ManifestRefRow Kind = "D"
	CounterRow     Kind = "Z"
	QueueRow       Kind = "Q"
	SessionRow     Kind = "S"
	HeartbeatRow   Kind = "H"
	EvidenceRow    Kind = "F"
	FencedRow      Kind = "C"
	NodeRow        Kind = "O"
	GroupRow       Kind = "G"
	HoldRow        Kind = "hold"
	LeaseRow       Kind = "W"
)

// ElementType is the type of an element of a key, as the tuple layer names it.
type ElementType string

// The types in use.
const (
	Uint         ElementType = "uint"
	Bytes        ElementType = "bytes"
	String       ElementType = "string"
	Versionstamp ElementType = "versionstamp"
)

// Element is one element of a key behind the tag.
type Element struct {
	Name string
	Type ElementType
	// Constant, if set, is the only value of a String.
	Constant string
}

func (e Element) String() string {
	if e.Constant != "" {
		return fmt.Sprintf("%q", e.Constant)
	}
	return e.Name + " " + string(e.Type)
}

// Layout is what the rows of a kind look like. Some kinds have several, told
// apart by the number of elements or by a constant.
type Layout struct {
	Kind Kind
	Name string
	Key  []Element // behind the tag
	// Message is the name of the protobuf message in the value; "" is a counter's
	// bare integer.
	Message string
	// Stamped: a stamp stands between the format byte and the message.
	Stamped bool
}

// KeyText is the key as docs/key-schema.md writes it.
func (l Layout) KeyText() string {
	elements := []string{fmt.Sprintf("%q", string(l.Kind))}
	for _, e := range l.Key {
		elements = append(elements, e.String())
	}
	return "(" + strings.Join(elements, ", ") + ")"
}

// ValueText is the value as docs/key-schema.md writes it.
func (l Layout) ValueText() string {
	switch {
	case l.Message == "":
		return "int64 LE"
	case l.Stamped:
		return fmt.Sprintf("%02x, stamp, %s", format, l.Message)
	}
	return fmt.Sprintf("%02x, %s", format, l.Message)
}

// Layouts is the registry: every kind of row, in the order of docs/key-schema.md.
func Layouts() []Layout {
	number := func(name string) Element { return Element{Name: name, Type: Uint} }
	text := func(name string) Element { return Element{Name: name, Type: String} }
	constant := func(q Queue) Element { return Element{Type: String, Constant: string(q)} }
	bid, key, sid := number("bid"), Element{Name: "key", Type: Bytes}, number("sid")
	// A stamp is two elements.
	stamp := func(name string, before ...Element) []Element {
		return append(before, number(name+".era"), Element{Name: name, Type: Versionstamp})
	}
	return []Layout{
		{Kind: MetaRow, Name: "meta", Key: []Element{text("name")}, Message: "Meta"},
		{Kind: LogRow, Name: "config log", Key: stamp("stamp"), Message: "Change"},
		{Kind: BucketNameRow, Name: "bucket name", Key: []Element{text("name")}, Message: "BucketName"},
		{Kind: BucketRow, Name: "bucket", Key: []Element{bid}, Message: "Bucket"},
		{Kind: BucketRow, Name: "bucket document", Key: []Element{bid, text("name")}, Message: "Document"},
		{Kind: GuardRow, Name: "identities' guard", Message: "Empty"},
		{Kind: ListRow, Name: "list row", Key: []Element{bid, key}, Message: "List", Stamped: true},
		{Kind: VersionRow, Name: "version row", Key: stamp("stamp", bid, key), Message: "Version"},
		{Kind: BlobRefRow, Name: "blob reference", Key: stamp("ref", sid, number("seq")), Message: "Blob"},
		{Kind: UploadRow, Name: "upload", Key: stamp("uid", bid, key), Message: "Upload", Stamped: true},
		{Kind: PartRow, Name: "part", Key: append(stamp("uid"), number("part")), Message: "Part", Stamped: true},
		{Kind: ManifestRefRow, Name: "manifest reference", Key: stamp("ref", stamp("uid")...), Message: "Empty"},
		{Kind: CounterRow, Name: "counter", Key: []Element{number("slice"), bid, text("what")}},
		{Kind: QueueRow, Name: "event", Key: stamp("stamp", number("shard"), constant(Events)), Message: "Event"},
		{Kind: QueueRow, Name: "trash", Key: stamp("stamp", number("shard"), constant(Trashes)), Message: "Trash"},
		{Kind: QueueRow, Name: "tombstone", Key: stamp("stamp", number("shard"), constant(Tombstones)), Message: "Tombstone"},
		{Kind: SessionRow, Name: "session", Key: []Element{sid}, Message: "Session"},
		{Kind: HeartbeatRow, Name: "heartbeat", Key: []Element{sid}, Message: "Heartbeat"},
		{Kind: EvidenceRow, Name: "evidence", Key: []Element{sid, number("n")}, Message: "Empty", Stamped: true},
		{Kind: FencedRow, Name: "fenced session", Key: []Element{sid}, Message: "Fenced"},
		{Kind: NodeRow, Name: "node", Key: []Element{number("nid")}, Message: "Node"},
		{Kind: GroupRow, Name: "group", Key: []Element{number("gid")}, Message: "Group"},
		{Kind: LeaseRow, Name: "lease", Key: []Element{text("task")}, Message: "Lease"},
		{Kind: HoldRow, Name: "hold", Message: "Hold"},
	}
}

// Identify finds the layout of a key, and its elements behind the tag, for
// tools that show or check rows of every kind.
func (s Space) Identify(key []byte) (Layout, tuple.Tuple, error) {
	if !bytes.HasPrefix(key, s.prefix) {
		return Layout{}, nil, corrupt("identify", fmt.Errorf("key %.80x is of another store", key))
	}
	t, err := tuple.Unpack(key[len(s.prefix):])
	if err != nil {
		return Layout{}, nil, corrupt("identify", err)
	}
	for _, l := range Layouts() {
		if len(t) > 0 && t[0] == string(l.Kind) && l.fits(t[1:]) {
			return l, t[1:], nil
		}
	}
	return Layout{}, nil, corrupt("identify", fmt.Errorf("key %.80x is of no known kind", key))
}

func (l Layout) fits(t tuple.Tuple) bool {
	if len(t) != len(l.Key) {
		return false
	}
	for i, e := range l.Key {
		fits := false
		switch x := t[i].(type) {
		case int64:
			fits = e.Type == Uint && x >= 0
		case uint64:
			fits = e.Type == Uint
		case []byte:
			fits = e.Type == Bytes
		case string:
			fits = e.Type == String && (e.Constant == "" || e.Constant == x)
		case tuple.Versionstamp:
			fits = e.Type == Versionstamp
		}
		if !fits {
			return false
		}
	}
	return true
}
