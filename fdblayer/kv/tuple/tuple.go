package tuple

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Tuple is a list of elements of mixed types: nil, []byte, string, Tuple, int,
// int64, uint, uint64, bool, float32, float64, UUID and Versionstamp. Unpack
// gives int64 for integers that fit, and uint64 for larger ones.
type Tuple []any

// ErrUnencodable is the class of errors for an element that has no encoding here.
var ErrUnencodable = errors.New("unencodable element")

// Pack encodes a tuple.
func (t Tuple) Pack() ([]byte, error) { return t.Append(nil) }

// Append appends the elements of t to dst. After an error dst is returned as it was.
func (t Tuple) Append(dst []byte) ([]byte, error) {
	out := dst
	for i, e := range t {
		var err error
		if out, err = appendElement(out, e); err != nil {
			return dst, fmt.Errorf("tuple element %d: %w", i, err)
		}
	}
	return out, nil
}

// AppendNested appends t as one element. After an error dst is returned as it was.
func AppendNested(dst []byte, t Tuple) ([]byte, error) {
	out := append(dst, nestedCode)
	for i, e := range t {
		if e == nil { // distinguishes a null from the end of the nested tuple
			out = append(out, nilCode, escape)
			continue
		}
		var err error
		if out, err = appendElement(out, e); err != nil {
			return dst, fmt.Errorf("nested tuple element %d: %w", i, err)
		}
	}
	return append(out, nilCode), nil
}

func appendElement(dst []byte, e any) ([]byte, error) {
	switch e := e.(type) {
	case nil:
		return AppendNil(dst), nil
	case []byte:
		return AppendBytes(dst, e), nil
	case string:
		return AppendString(dst, e), nil
	case Tuple:
		return AppendNested(dst, e)
	case int:
		return AppendInt(dst, int64(e)), nil
	case int64:
		return AppendInt(dst, e), nil
	case uint:
		return AppendUint(dst, uint64(e)), nil
	case uint64:
		return AppendUint(dst, e), nil
	case bool:
		return AppendBool(dst, e), nil
	case float32:
		return AppendFloat32(dst, e), nil
	case float64:
		return AppendFloat64(dst, e), nil
	case UUID:
		return AppendUUID(dst, e), nil
	case Versionstamp:
		return AppendVersionstamp(dst, e), nil
	default:
		return dst, fmt.Errorf("%w: type %T", ErrUnencodable, e)
	}
}

// Unpack decodes a whole key. Errors are ErrMalformed.
func Unpack(b []byte) (Tuple, error) {
	d := NewDecoder(b)
	t := Tuple{}
	for d.More() {
		e, err := d.Any()
		if err != nil {
			return nil, err
		}
		t = append(t, e)
	}
	return t, d.Err()
}

// Strinc returns the first key that is behind all keys that begin with prefix.
// There is none, and an error, if prefix is empty or all 0xff.
func Strinc(prefix []byte) ([]byte, error) {
	trimmed := trimFF(prefix)
	if len(trimmed) == 0 {
		return nil, fmt.Errorf("no key is behind all that begin with %x", prefix)
	}
	end := bytes.Clone(trimmed)
	end[len(end)-1]++
	return end, nil
}

// PrefixRange is the range of all keys that begin with prefix, prefix itself
// included. It panics when Strinc fails: check a configured prefix with that once.
func PrefixRange(prefix []byte) kv.Range {
	end, err := Strinc(prefix)
	if err != nil {
		panic("tuple.PrefixRange: " + err.Error())
	}
	return kv.Range{Begin: bytes.Clone(prefix), End: end}
}

// trimFF is not bytes.TrimRight, whose cutset is of characters, not of bytes.
func trimFF(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	return b
}
