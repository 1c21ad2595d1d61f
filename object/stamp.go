package object

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"fmt"
)

// Stamp is where a row stands in the order of all commits: the era of the
// database, the 10 bytes that the database gave the commit, and the number of
// the row in that commit. Stamps of later commits are greater.
type Stamp struct {
	// Era is raised by a migration, an import or a restore, so that stamps
	// keep growing when a database starts over.
	Era uint32
	// Commit is the database's commit version (8 bytes, big-endian) and the
	// order in its batch (2 bytes), as FoundationDB's versionstamps are.
	Commit [10]byte
	// Row numbers the rows of one commit.
	Row uint16
}

// StampBytes is the length of a stamp's binary form.
const StampBytes = 4 + 10 + 2

// stampText sorts like the bytes it encodes and needs no escaping in URLs.
var stampText = base32.HexEncoding.WithPadding(base32.NoPadding)

// IsZero reports whether s is the zero stamp, which no commit has.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// Compare orders stamps as their commits were ordered.
func (s Stamp) Compare(t Stamp) int {
	a, b := s.Bytes(), t.Bytes()
	return bytes.Compare(a[:], b[:])
}

// Bytes is the binary form: era, commit, row, all big-endian; it sorts like
// Compare.
func (s Stamp) Bytes() (b [StampBytes]byte) {
	binary.BigEndian.PutUint32(b[:4], s.Era)
	copy(b[4:14], s.Commit[:])
	binary.BigEndian.PutUint16(b[14:], s.Row)
	return b
}

// StampFromBytes is the inverse of Bytes.
func StampFromBytes(b [StampBytes]byte) Stamp {
	return Stamp{
		Era:    binary.BigEndian.Uint32(b[:4]),
		Commit: [10]byte(b[4:14]),
		Row:    binary.BigEndian.Uint16(b[14:]),
	}
}

// String is the text form, 26 characters of 0-9 and A-V that sort like
// Compare. Version ids and upload ids are this.
func (s Stamp) String() string {
	b := s.Bytes()
	return stampText.EncodeToString(b[:])
}

// ParseStamp is the inverse of String. It accepts the exact form only.
func ParseStamp(text string) (Stamp, error) {
	raw, err := stampText.DecodeString(text)
	if err != nil || len(raw) != StampBytes {
		return Stamp{}, fmt.Errorf("stamp %q is malformed", text)
	}
	s := StampFromBytes([StampBytes]byte(raw))
	if s.String() != text {
		return Stamp{}, fmt.Errorf("stamp %q is malformed", text)
	}
	return s, nil
}

// Token is what every response carries as x-stampede-version: a state of one
// cluster that the response reflects.
type Token struct {
	Cluster string
	Era     uint32
	// Version is the database's commit version. It is not a clock: it may jump.
	Version int64
}

// String is the token's text form: cluster id, era and version, as
// "c-e-v" with era and version in decimal.
func (t Token) String() string {
	return fmt.Sprintf("%s-%d-%d", t.Cluster, t.Era, t.Version)
}
