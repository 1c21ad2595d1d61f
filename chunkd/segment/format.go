package segment

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/object"
)

// The format of docs/chunk-format.md. All numbers in segments are little-endian.
const (
	formatVersion = 1
	segmentMagic  = "STMPSEG1"
	segmentSuffix = ".seg"

	// alignment of records; also the length of both kinds of header.
	alignment   = 64
	headerBytes = 64
	sumBytes    = 4
	blocksMax   = object.ChunkMaxBytes / object.BlockBytes
	headMax     = headerBytes + blocksMax*sumBytes
	recordMax   = headMax + object.ChunkMaxBytes // a multiple of alignment
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordKind is what a record says.
type recordKind uint8

const (
	recordPut    recordKind = 1 // a chunk
	recordDelete recordKind = 2 // a chunk is gone
	recordFence  recordKind = 3 // a session's fence position
	recordMark   recordKind = 4 // nothing: ends what a failed write left behind
)

// flagCopied marks a put that compaction wrote: an older record of the same
// chunk may still be there.
const flagCopied = 1

// place is where a record begins. Places ascend with time.
type place struct {
	segment uint32
	offset  uint32
}

func (p place) before(q place) bool {
	return p.segment < q.segment || p.segment == q.segment && p.offset < q.offset
}

func (p place) String() string { return fmt.Sprintf("%08x:%d", p.segment, p.offset) }

// record is a record without its data.
type record struct {
	kind   recordKind
	copied bool
	// at is where the record is.
	at place
	// durable is the offset before which all of the segment had been synced
	// when this record was written.
	durable uint32
	// batch numbers the write that this record belongs to.
	batch uint64
	// id is the chunk; of a fence the session and, as sequence, its position.
	id object.ChunkID
	// length is the number of data bytes.
	length uint32
	sums   []uint32
	// killed is the put that a delete ends, and with it all before it.
	killed place
}

// headBytes is the length of header and block checksums.
func headBytes(blocks int) int64 { return headerBytes + int64(blocks)*sumBytes }

// bytes is the length of the record on disk.
func (r *record) bytes() int64 { return recordBytes(r.length, len(r.sums)) }

func recordBytes(length uint32, blocks int) int64 {
	return alignUp(headBytes(blocks)+int64(length), alignment)
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

// blocksOf is the number of blocks of a chunk.
func blocksOf(length int) int { return (length + object.BlockBytes - 1) / object.BlockBytes }

// appendHead appends header and block checksums.
func (r *record) appendHead(b []byte, nonce uint64) []byte {
	le := binary.LittleEndian
	start := len(b)
	var flags byte
	if r.copied {
		flags = flagCopied
	}
	b = append(b, 0, 0, 0, 0, byte(r.kind), flags)
	b = le.AppendUint16(b, uint16(len(r.sums)))
	b = le.AppendUint64(b, nonce)
	b = le.AppendUint32(b, r.at.offset)
	b = le.AppendUint32(b, r.durable)
	b = le.AppendUint64(b, r.batch)
	b = le.AppendUint64(b, uint64(r.id.Blob.Session))
	b = le.AppendUint64(b, r.id.Blob.Sequence)
	b = le.AppendUint32(b, r.id.Stripe)
	b = le.AppendUint16(b, r.id.Slot)
	b = le.AppendUint16(b, 0)
	if r.kind == recordDelete {
		b = le.AppendUint32(b, r.killed.segment)
		b = le.AppendUint32(b, r.killed.offset)
	} else {
		b = le.AppendUint32(b, r.length)
		b = le.AppendUint32(b, 0)
	}
	for _, s := range r.sums {
		b = le.AppendUint32(b, s)
	}
	le.PutUint32(b[start:], crc32.Checksum(b[start+4:], castagnoli))
	return b
}

var errNoRecord = errors.New("no record")

// parseHead decodes the head of the record at a place. b must hold headMax bytes, or what
// is left of the file.
func parseHead(b []byte, at place, nonce uint64) (record, error) {
	le := binary.LittleEndian
	if len(b) < headerBytes || le.Uint64(b[8:]) != nonce || le.Uint32(b[16:]) != at.offset {
		return record{}, errNoRecord
	}
	blocks := int(le.Uint16(b[6:]))
	n := headBytes(blocks)
	if blocks > blocksMax || int64(len(b)) < n || crc32.Checksum(b[4:n], castagnoli) != le.Uint32(b) {
		return record{}, errNoRecord
	}
	r := record{
		kind:    recordKind(b[4]),
		copied:  b[5]&flagCopied != 0,
		at:      at,
		durable: le.Uint32(b[20:]),
		batch:   le.Uint64(b[24:]),
		id: object.ChunkID{
			Blob:   object.BlobID{Session: object.SessionID(le.Uint64(b[32:])), Sequence: le.Uint64(b[40:])},
			Stripe: le.Uint32(b[48:]),
			Slot:   le.Uint16(b[52:]),
		},
	}
	switch r.kind {
	case recordPut:
		r.length = le.Uint32(b[56:])
		if r.length == 0 || r.length > object.ChunkMaxBytes || blocksOf(int(r.length)) != blocks {
			return record{}, errNoRecord
		}
		r.sums = make([]uint32, blocks)
		for i := range r.sums {
			r.sums[i] = le.Uint32(b[headerBytes+i*sumBytes:])
		}
		return r, nil
	case recordDelete:
		r.killed = place{segment: le.Uint32(b[56:]), offset: le.Uint32(b[60:])}
	case recordFence, recordMark:
	default:
		return record{}, errNoRecord
	}
	if blocks != 0 {
		return record{}, errNoRecord
	}
	return r, nil
}

// goodData reports whether data is what the checksums say.
func goodData(data []byte, sums []uint32) bool {
	if len(sums) != blocksOf(len(data)) {
		return false
	}
	for i, sum := range sums {
		block := data[i*object.BlockBytes : min((i+1)*object.BlockBytes, len(data))]
		if crc32.Checksum(block, castagnoli) != sum {
			return false
		}
	}
	return true
}

// segmentHeader begins every segment file.
type segmentHeader struct {
	number uint32
	store  storeID
	// previous is the segment written before this one, 0 for none, and proven the offset
	// before which all of it had been synced.
	previous, proven uint32
}

func (h segmentHeader) append(b []byte) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = append(b, segmentMagic...)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, formatVersion)
	b = append(b, h.store[:]...)
	b = le.AppendUint32(b, h.number)
	b = le.AppendUint32(b, h.previous)
	b = le.AppendUint32(b, h.proven)
	b = append(b, make([]byte, start+headerBytes-len(b))...)
	le.PutUint32(b[start+8:], crc32.Checksum(b[start+12:], castagnoli))
	return b
}

// parseSegmentHeader also returns the format version, which is readable in
// every version; the rest is only for formatVersion.
func parseSegmentHeader(b []byte) (h segmentHeader, version uint32, ok bool) {
	le := binary.LittleEndian
	if len(b) < headerBytes || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[12:headerBytes], castagnoli) != le.Uint32(b[8:]) {
		return h, 0, false
	}
	copy(h.store[:], b[16:32])
	h.number = le.Uint32(b[32:])
	h.previous = le.Uint32(b[36:])
	h.proven = le.Uint32(b[40:])
	return h, le.Uint32(b[12:]), true
}

// storeID is the random identity of a folder. It is not known outside, so nobody
// can make a chunk whose bytes would pass for records.
type storeID [16]byte

// nonce marks the records of one segment. It does not come from the segment's
// header, so that records are readable when the header is not.
func (s storeID) nonce(segment uint32) uint64 {
	h := sha256.Sum256(binary.LittleEndian.AppendUint32(s[:], segment))
	return binary.LittleEndian.Uint64(h[:])
}

func segmentName(number uint32) string { return fmt.Sprintf("%08x%s", number, segmentSuffix) }

func parseSegmentName(name string) (uint32, bool) {
	hex, found := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseUint(hex, 16, 32)
	return uint32(n), found && err == nil && n != 0 && segmentName(uint32(n)) == name
}
