package object

import "fmt"

// SessionID names a session: 64 random bits, never reused.
type SessionID uint64

func (s SessionID) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// BlobID names a blob. Sequences of a session only ascend and ids are never
// reused, whatever became of the blob.
type BlobID struct {
	Session  SessionID
	Sequence uint64
}

func (b BlobID) String() string { return fmt.Sprintf("%s.%d", b.Session, b.Sequence) }

// ChunkID names what one node stores of a blob.
type ChunkID struct {
	Blob   BlobID
	Stripe uint32
	// Slot is the slot of the blob's group that this chunk belongs to.
	Slot uint16
}

func (c ChunkID) String() string { return fmt.Sprintf("%s.%d.%d", c.Blob, c.Stripe, c.Slot) }

// Compare orders chunk ids by session, sequence, stripe, slot.
func (c ChunkID) Compare(d ChunkID) int {
	for _, p := range [...][2]uint64{
		{uint64(c.Blob.Session), uint64(d.Blob.Session)},
		{c.Blob.Sequence, d.Blob.Sequence},
		{uint64(c.Stripe), uint64(d.Stripe)},
		{uint64(c.Slot), uint64(d.Slot)},
	} {
		switch {
		case p[0] < p[1]:
			return -1
		case p[0] > p[1]:
			return 1
		}
	}
	return 0
}

// GroupID names a group of slots.
type GroupID uint32

// NodeID names a node.
type NodeID uint32

// Blob says where the bytes of an object or part are. It is immutable.
type Blob struct {
	ID    BlobID
	Group GroupID
	// SizeBytes is the length of the blob.
	SizeBytes int64
	// StripeBytes is the length of every stripe but the last.
	StripeBytes int32
	// Copies is the number of replicas of each stripe; each slot holds one.
	Copies uint8
}

// Stripes is the number of stripes of the blob.
func (b Blob) Stripes() int64 {
	return (b.SizeBytes + int64(b.StripeBytes) - 1) / int64(b.StripeBytes)
}
