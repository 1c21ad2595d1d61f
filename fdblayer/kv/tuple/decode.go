package tuple

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is the class of all errors of a Decoder: the bytes are not a
// tuple of this package, or the next element is not of the type asked for.
var ErrMalformed = errors.New("malformed tuple")

// nestingMax bounds recursion in tuples from outside.
const nestingMax = 64

// Decoder takes elements off the front of an encoded tuple, one by one. The
// first error sticks: every later take returns it and a zero value, so that a
// caller may look at Done's result alone. The zero value decodes nothing.
type Decoder struct {
	rest    []byte
	size    int // of the whole input, for error texts
	nesting int
	err     error
}

// NewDecoder decodes b, which must not change meanwhile.
func NewDecoder(b []byte) Decoder { return Decoder{rest: b, size: len(b)} }

// More reports whether something is left and no error has occurred.
func (d *Decoder) More() bool { return d.err == nil && len(d.rest) > 0 }

// Rest is what has not been decoded. It shares memory with the input.
func (d *Decoder) Rest() []byte { return d.rest }

// Err is the first error.
func (d *Decoder) Err() error { return d.err }

// Done returns the first error, and an error if elements are left.
func (d *Decoder) Done() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("%d bytes left over", len(d.rest))
	}
	return d.err
}

func (d *Decoder) fail(format string, args ...any) error {
	if d.err == nil {
		d.err = fmt.Errorf("%w at byte %d: %s", ErrMalformed, d.size-len(d.rest), fmt.Sprintf(format, args...))
	}
	return d.err
}

// code returns the next type code without taking it.
func (d *Decoder) code() (byte, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(d.rest) == 0 {
		return 0, d.fail("no element left")
	}
	return d.rest[0], nil
}

// fixed takes an element of one type code and n bytes.
func (d *Decoder) fixed(code byte, n int, name string) ([]byte, error) {
	c, err := d.code()
	if err != nil {
		return nil, err
	}
	if c != code {
		return nil, d.fail("type code 0x%02x, want %s", c, name)
	}
	if len(d.rest) < 1+n {
		return nil, d.fail("%s cut short", name)
	}
	b := d.rest[1 : 1+n]
	d.rest = d.rest[1+n:]
	return b, nil
}

// Nil takes a null.
func (d *Decoder) Nil() error {
	_, err := d.fixed(nilCode, 0, "null")
	return err
}

// Bytes takes a byte string. The result may share memory with the input; it
// has no spare capacity.
func (d *Decoder) Bytes() ([]byte, error) { return d.escaped(bytesCode, "byte string") }

// String takes a Unicode string.
func (d *Decoder) String() (string, error) {
	b, err := d.escaped(stringCode, "string")
	return string(b), err
}

func (d *Decoder) escaped(code byte, name string) ([]byte, error) {
	c, err := d.code()
	if err != nil {
		return nil, err
	}
	if c != code {
		return nil, d.fail("type code 0x%02x, want %s", c, name)
	}
	body := d.rest[1:]
	var unescaped []byte
	for at := 0; ; {
		i := bytes.IndexByte(body[at:], 0)
		if i < 0 {
			return nil, d.fail("%s without end", name)
		}
		end := at + i
		if end+1 == len(body) || body[end+1] != escape {
			d.rest = body[end+1:]
			if at == 0 {
				return body[:end:end], nil
			}
			return append(unescaped, body[at:end]...), nil
		}
		unescaped = append(unescaped, body[at:end+1]...)
		at = end + 2
	}
}

// Int takes an integer that fits.
func (d *Decoder) Int() (int64, error) {
	negative, magnitude, err := d.integer(math.MaxInt64, 1<<63)
	if err != nil {
		return 0, err
	}
	if negative {
		return -int64(magnitude), nil // right for 1<<63 too
	}
	return int64(magnitude), nil
}

// Uint takes an integer that is not negative.
func (d *Decoder) Uint() (uint64, error) {
	_, magnitude, err := d.integer(math.MaxUint64, 0)
	return magnitude, err
}

// integer takes an integer from -negativeMax to positiveMax.
func (d *Decoder) integer(positiveMax, negativeMax uint64) (negative bool, magnitude uint64, err error) {
	c, err := d.code()
	if err != nil {
		return false, 0, err
	}
	if c == negativeBigCode || c == positiveBigCode {
		return false, 0, d.fail("integer of more than 8 bytes")
	}
	if c < negative8Code || c > positive8Code {
		return false, 0, d.fail("type code 0x%02x, want integer", c)
	}
	n := int(c) - zeroCode
	if negative = n < 0; negative {
		n = -n
	}
	if len(d.rest) < 1+n {
		return false, 0, d.fail("integer cut short")
	}
	for _, b := range d.rest[1 : 1+n] {
		if negative {
			b = ^b
		}
		magnitude = magnitude<<8 | uint64(b)
	}
	if n > 0 && magnitude>>(8*(n-1)) == 0 {
		return false, 0, d.fail("integer with leading zeros")
	}
	if !negative && magnitude > positiveMax || negative && magnitude > negativeMax {
		return false, 0, d.fail("integer out of range")
	}
	d.rest = d.rest[1+n:]
	return negative, magnitude, nil
}

// Bool takes a boolean.
func (d *Decoder) Bool() (bool, error) {
	c, err := d.code()
	if err != nil {
		return false, err
	}
	if c != falseCode && c != trueCode {
		return false, d.fail("type code 0x%02x, want boolean", c)
	}
	d.rest = d.rest[1:]
	return c == trueCode, nil
}

// Float32 takes a 32 bit floating point number.
func (d *Decoder) Float32() (float32, error) {
	b, err := d.fixed(float32Code, 4, "32 bit float")
	if err != nil {
		return 0, err
	}
	u := binary.BigEndian.Uint32(b)
	if u>>31 != 0 {
		u &^= 1 << 31
	} else {
		u = ^u
	}
	return math.Float32frombits(u), nil
}

// Float64 takes a 64 bit floating point number.
func (d *Decoder) Float64() (float64, error) {
	b, err := d.fixed(float64Code, 8, "64 bit float")
	if err != nil {
		return 0, err
	}
	u := binary.BigEndian.Uint64(b)
	if u>>63 != 0 {
		u &^= 1 << 63
	} else {
		u = ^u
	}
	return math.Float64frombits(u), nil
}

// UUID takes a UUID.
func (d *Decoder) UUID() (UUID, error) {
	b, err := d.fixed(uuidCode, len(UUID{}), "UUID")
	if err != nil {
		return UUID{}, err
	}
	return UUID(b), nil
}

// Versionstamp takes a 96 bit versionstamp.
func (d *Decoder) Versionstamp() (Versionstamp, error) {
	b, err := d.fixed(versionstampCode, VersionstampBytes, "versionstamp")
	if err != nil {
		return Versionstamp{}, err
	}
	return Versionstamp(b), nil
}

// Nested takes a nested tuple.
func (d *Decoder) Nested() (Tuple, error) {
	if _, err := d.fixed(nestedCode, 0, "nested tuple"); err != nil {
		return nil, err
	}
	if d.nesting++; d.nesting > nestingMax {
		return nil, d.fail("more than %d nested tuples", nestingMax)
	}
	t := Tuple{}
	for {
		c, err := d.code()
		if err != nil {
			return nil, err
		}
		if c != nilCode {
			e, err := d.Any()
			if err != nil {
				return nil, err
			}
			t = append(t, e)
			continue
		}
		if len(d.rest) < 2 || d.rest[1] != escape {
			d.rest = d.rest[1:]
			d.nesting--
			return t, nil
		}
		t = append(t, nil)
		d.rest = d.rest[2:]
	}
}

// Any takes an element of whatever type is next: as Tuple describes.
func (d *Decoder) Any() (any, error) {
	c, err := d.code()
	if err != nil {
		return nil, err
	}
	switch {
	case c == nilCode:
		return nil, d.Nil()
	case c == bytesCode:
		b, err := d.Bytes()
		return bytes.Clone(b), err
	case c == stringCode:
		return d.String()
	case c == nestedCode:
		return d.Nested()
	case c == positive8Code:
		u, err := d.Uint()
		if u > math.MaxInt64 {
			return u, err
		}
		return int64(u), err
	case c >= negativeBigCode && c <= positiveBigCode:
		return d.Int()
	case c == falseCode || c == trueCode:
		return d.Bool()
	case c == float32Code:
		return d.Float32()
	case c == float64Code:
		return d.Float64()
	case c == uuidCode:
		return d.UUID()
	case c == versionstampCode:
		return d.Versionstamp()
	default:
		return nil, d.fail("unknown type code 0x%02x", c)
	}
}
