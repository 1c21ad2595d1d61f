package tuple

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// Type codes of the specification.
const (
	nilCode          = 0x00
	bytesCode        = 0x01
	stringCode       = 0x02
	nestedCode       = 0x05
	negativeBigCode  = 0x0b
	negative8Code    = 0x0c
	zeroCode         = 0x14
	positive8Code    = 0x1c
	positiveBigCode  = 0x1d
	float32Code      = 0x20
	float64Code      = 0x21
	falseCode        = 0x26
	trueCode         = 0x27
	uuidCode         = 0x30
	versionstampCode = 0x33
)

// escape follows a zero byte that does not end its element.
const escape = 0xff

// AppendNil appends a null, which sorts before every other element. Inside of
// a nested tuple a null is written otherwise: use AppendNested.
func AppendNil(dst []byte) []byte { return append(dst, nilCode) }

// AppendBytes appends a byte string.
func AppendBytes(dst, b []byte) []byte {
	dst = append(dst, bytesCode)
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			break
		}
		dst = append(append(dst, b[:i+1]...), escape)
		b = b[i+1:]
	}
	return append(append(dst, b...), 0)
}

// AppendString appends a Unicode string. As in FoundationDB's Go binding it is
// not checked to be UTF-8.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, stringCode)
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(append(dst, s[from:i+1]...), escape)
			from = i + 1
		}
	}
	return append(append(dst, s[from:]...), 0)
}

// AppendUint appends an integer. Integers sort by value, whichever function
// appended them.
func AppendUint(dst []byte, u uint64) []byte {
	n := (bits.Len64(u) + 7) / 8
	dst = append(dst, byte(zeroCode+n))
	return appendLowBytes(dst, u, n)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, i int64) []byte {
	if i >= 0 {
		return AppendUint(dst, uint64(i))
	}
	magnitude := -uint64(i) // right for math.MinInt64 too
	n := (bits.Len64(magnitude) + 7) / 8
	dst = append(dst, byte(zeroCode-n))
	return appendLowBytes(dst, ^magnitude, n)
}

func appendLowBytes(dst []byte, u uint64, n int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], u)
	return append(dst, b[8-n:]...)
}

// AppendBool appends a boolean; false sorts first.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, trueCode)
	}
	return append(dst, falseCode)
}

// AppendFloat32 appends a 32 bit floating point number. The order is IEEE 754's total order.
func AppendFloat32(dst []byte, f float32) []byte {
	u := math.Float32bits(f)
	if u>>31 != 0 {
		u = ^u
	} else {
		u |= 1 << 31
	}
	return binary.BigEndian.AppendUint32(append(dst, float32Code), u)
}

// AppendFloat64 appends a 64 bit floating point number. The order is IEEE 754's total order;
// all of them sort after all 32 bit ones.
func AppendFloat64(dst []byte, f float64) []byte {
	u := math.Float64bits(f)
	if u>>63 != 0 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(append(dst, float64Code), u)
}

// UUID is an RFC 4122 UUID in network byte order.
type UUID [16]byte

// AppendUUID appends a UUID.
func AppendUUID(dst []byte, u UUID) []byte {
	return append(append(dst, uuidCode), u[:]...)
}

// VersionstampBytes is the length of a Versionstamp.
const VersionstampBytes = 12

// Versionstamp is a 96 bit versionstamp: the 10 bytes that the database gave a
// commit, then a big-endian number chosen by the client.
type Versionstamp [VersionstampBytes]byte

// IncompleteVersionstamp is the placeholder for the stamp of the commit under
// way: ten 0xff bytes and the client's number.
func IncompleteVersionstamp(number uint16) Versionstamp {
	v := Versionstamp{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	binary.BigEndian.PutUint16(v[10:], number)
	return v
}

// AppendVersionstamp appends a versionstamp. Its 10 database bytes begin one
// byte behind len(dst), which is what AppendStampOffset needs for an incomplete one.
func AppendVersionstamp(dst []byte, v Versionstamp) []byte {
	return append(append(dst, versionstampCode), v[:]...)
}

// AppendStampOffset appends what kv.SetVersionstampedKey and
// kv.SetVersionstampedValue want at the end: the offset at which the commit puts its 10 bytes.
func AppendStampOffset(dst []byte, offset int) []byte {
	return binary.LittleEndian.AppendUint32(dst, uint32(offset))
}
