package checksum

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/minio/crc64nvme"

	"github.com/stampede-store/stampede/object"
)

// Combining rests on one identity. A CRC is the remainder of the message, read
// as a polynomial over GF(2), modulo P; appending n bytes multiplies it by
// x^(8n). The inversions at both ends that these CRCs have cancel out, so
//
//	crc(a ‖ b) = crc(a)·x^(8·len(b)) + crc(b)   (mod P)
//
// and x^(8n) comes from the precomputed x^(2^k) by square and multiply: some
// thousand steps whatever the length.

// FullObject combines the CRCs of consecutive pieces into that of the whole;
// no pieces give the CRC of no bytes. Errors: InvalidRequest for an algorithm
// that is not a CRC, InvalidArgument for a piece of the wrong shape.
func FullObject(a object.ChecksumAlgorithm, pieces []Piece) ([]byte, error) {
	const op = "checksum.FullObject"
	switch a {
	case object.CRC32, object.CRC32C, object.CRC64NVME:
	default:
		return nil, unsupported(op, a)
	}
	for i, p := range pieces {
		if err := p.check(op, a, i); err != nil {
			return nil, err
		}
	}
	switch a {
	case object.CRC32:
		return binary.BigEndian.AppendUint32(nil, combine(&ieeeField, pieces, binary.BigEndian.Uint32)), nil
	case object.CRC32C:
		return binary.BigEndian.AppendUint32(nil, combine(&castagnoliField, pieces, binary.BigEndian.Uint32)), nil
	default:
		return binary.BigEndian.AppendUint64(nil, combine(&nvmeField, pieces, binary.BigEndian.Uint64)), nil
	}
}

func combine[T uint32 | uint64](f *field[T], pieces []Piece, value func([]byte) T) T {
	var crc T
	// Parts of one upload are mostly of one size: the last power is kept.
	lastBytes, lastPower := int64(0), f.one()
	for _, p := range pieces {
		if p.SizeBytes != lastBytes {
			lastBytes, lastPower = p.SizeBytes, f.xToBytes(p.SizeBytes)
		}
		crc = f.times(crc, lastPower) ^ value(p.Value)
	}
	return crc
}

var (
	ieeeField       = newField[uint32](crc32.IEEE)
	castagnoliField = newField[uint32](crc32.Castagnoli)
	nvmeField       = newField[uint64](crc64nvme.NVME)
)

// exponentBits is enough for 8 times any int64.
const exponentBits = 63 + 3

// field is the polynomials over GF(2) modulo one of degree T's width. They are
// bit-reflected, as the CRCs are: the highest bit is the coefficient of x^0.
type field[T uint32 | uint64] struct {
	poly T
	// powers[k] is x^(2^k).
	powers [exponentBits]T
}

func newField[T uint32 | uint64](poly T) field[T] {
	f := field[T]{poly: poly}
	f.powers[0] = f.one() >> 1
	for k := 1; k < exponentBits; k++ {
		f.powers[k] = f.times(f.powers[k-1], f.powers[k-1])
	}
	return f
}

// one is x^0: the highest bit of T.
func (f *field[T]) one() T { return ^(^T(0) >> 1) }

// times is a·b modulo the polynomial.
func (f *field[T]) times(a, b T) T {
	var product T
	for bit := f.one(); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= f.poly
		}
	}
	return product
}

// xToBytes is x^(8·n), for n ≥ 0.
func (f *field[T]) xToBytes(n int64) T {
	power := f.one()
	for k := 3; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			power = f.times(power, f.powers[k])
		}
	}
	return power
}
