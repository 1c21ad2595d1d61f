package keys

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// Space is all keys of one store: those with its prefix.
type Space struct {
	prefix []byte
}

// PrefixMaxBytes bounds a prefix, so that no key passes kv.KeyMaxBytes.
const PrefixMaxBytes = 1000

// NewSpace makes the space with a prefix, which may be empty. It panics if the
// prefix is longer than PrefixMaxBytes or begins with 0xff, where the database keeps its own rows.
func NewSpace(prefix []byte) Space {
	if len(prefix) > PrefixMaxBytes || len(prefix) > 0 && prefix[0] == 0xff {
		panic(fmt.Sprintf("keys: prefix %.20x of %d bytes can't be used", prefix, len(prefix)))
	}
	return Space{prefix: bytes.Clone(prefix)}
}

// All is the range of every row of the store.
func (s Space) All() kv.Range {
	// No tag sorts at or behind 0xff, the first byte of a tuple being a type code.
	return kv.Range{Begin: bytes.Clone(s.prefix), End: append(bytes.Clone(s.prefix), 0xff)}
}

// Relative is a key without the prefix, as entries of the config log name rows.
func (s Space) Relative(key []byte) []byte { return key[len(s.prefix):] }

// Pending is the place of a row in a commit that is yet to be made: the commit
// decides the rest of its stamp.
type Pending struct {
	Era uint32
	// Row numbers the rows of the commit that have a stamp; no two have the same.
	Row uint16
}

// Stamp is what the row's stamp became.
func (p Pending) Stamp(commit kv.Versionstamp) object.Stamp {
	return object.Stamp{Era: p.Era, Commit: commit, Row: p.Row}
}

// CommitOf is the commit of a stamp, as kv returns it.
func CommitOf(s object.Stamp) kv.Commit {
	return kv.Commit{Version: VersionOf(s), Stamp: s.Commit}
}

// VersionOf is the database's version in a stamp.
func VersionOf(s object.Stamp) kv.Version {
	return kv.Version(binary.BigEndian.Uint64(s.Commit[:8]))
}

// Only is the range of one key.
func Only(key []byte) kv.Range {
	return kv.Range{Begin: key[:len(key):len(key)], End: behind(key)}
}

// behind is the first key behind key.
func behind(key []byte) []byte { return append(key[:len(key):len(key)], 0) }

// under is the range of the tuples that begin with the elements of prefix and
// have more. The first byte of an element is a type code: above 0x00, which goes on with
// nothing here, and below 0xff, which escapes a zero byte in the element before.
func under(prefix []byte) kv.Range {
	return kv.Range{
		Begin: append(prefix[:len(prefix):len(prefix)], 0x00),
		End:   append(prefix[:len(prefix):len(prefix)], 0xff),
	}
}

// open is the range of the tuples whose last element begins as the last of
// prefix, a byte string or string, does.
func open(prefix []byte) kv.Range {
	begin := prefix[:len(prefix)-1] // without the end of the element
	return kv.Range{Begin: begin, End: strinc(begin)}
}

// strinc is the first key behind all that begin with b.
func strinc(b []byte) []byte {
	end, err := tuple.Strinc(b)
	if err != nil {
		panic("keys: " + err.Error()) // b holds a tag, so it isn't all 0xff
	}
	return end
}

// From is the part of r from key on.
func From(r kv.Range, key []byte) kv.Range {
	if bytes.Compare(key, r.Begin) > 0 {
		r.Begin = key
	}
	if bytes.Compare(r.Begin, r.End) > 0 { // an inverted range is an error of kv
		r.Begin = r.End
	}
	return r
}

// Before is the part of r before key.
func Before(r kv.Range, key []byte) kv.Range {
	if bytes.Compare(key, r.End) < 0 {
		r.End = key
	}
	if bytes.Compare(r.Begin, r.End) > 0 {
		r.End = r.Begin
	}
	return r
}

// keyRoom is the room made for a key beyond the prefix and its byte strings:
// more than any row's fixed elements take.
const keyRoom = 64

// key begins a key with a tag; room is for byte strings to come.
func (s Space) key(k Kind, room int) []byte {
	b := make([]byte, 0, len(s.prefix)+keyRoom+room)
	return tuple.AppendString(append(b, s.prefix...), string(k))
}

func appendStamp(b []byte, s object.Stamp) []byte {
	b = tuple.AppendUint(b, uint64(s.Era))
	raw := s.Bytes()
	return tuple.AppendVersionstamp(b, tuple.Versionstamp(raw[4:]))
}

// appendPending ends the operand of kv.SetVersionstampedKey.
func appendPending(b []byte, p Pending) []byte {
	b = tuple.AppendUint(b, uint64(p.Era))
	offset := len(b) + 1
	b = tuple.AppendVersionstamp(b, tuple.IncompleteVersionstamp(p.Row))
	return tuple.AppendStampOffset(b, offset)
}

// takeStamp is the inverse of appendStamp.
func takeStamp(d *tuple.Decoder) object.Stamp {
	era := takeUint32(d)
	v, _ := d.Versionstamp() // d keeps the first error
	return object.Stamp{Era: era, Commit: [10]byte(v[:10]), Row: binary.BigEndian.Uint16(v[10:])}
}

func takeBucket(d *tuple.Decoder) object.BucketID {
	id, _ := d.Uint()
	return object.BucketID(id)
}

func takeUint32(d *tuple.Decoder) uint32 { return uint32(takeBounded(d, 1<<32-1)) }

// takeBounded takes an integer up to max; a greater one fails the decoder by
// leaving it unfinished, see parse.
func takeBounded(d *tuple.Decoder, max uint64) uint64 {
	before := *d
	u, _ := d.Uint()
	if u > max {
		*d = before
		_, _ = d.Versionstamp() // not what is there: an error that sticks
		return 0
	}
	return u
}

// parse begins to take a key of kind k apart.
func (s Space) parse(k Kind, key []byte) (tuple.Decoder, error) {
	if !bytes.HasPrefix(key, s.prefix) {
		return tuple.Decoder{}, corrupt("parse key", fmt.Errorf("key %.80x is of another store", key))
	}
	d := tuple.NewDecoder(key[len(s.prefix):])
	tag, err := d.String()
	if err == nil && tag != string(k) {
		err = fmt.Errorf("tag %q, want %q", tag, string(k))
	}
	if err != nil {
		return d, corrupt("parse key", err)
	}
	return d, nil
}

// parsed ends it.
func parsed(d *tuple.Decoder) error {
	if err := d.Done(); err != nil {
		return corrupt("parse key", err)
	}
	return nil
}

func corrupt(op string, err error) error {
	return &object.Error{Op: "keys: " + op, Kind: object.Corrupt, Err: err}
}
