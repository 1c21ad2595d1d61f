package store

import (
	"github.com/stampede-store/stampede/object"
)

// Range is what a Range header asks for, as in RFC 9110 §14.1.2: first-last,
// first- (Last is -1), or -suffix (First is -1, Last the suffix length). Headers that are no
// valid range are to be ignored by whoever parses them.
type Range struct {
	First, Last int64
}

// within is the bytes of an object of sizeBytes that r selects; false if it can't be satisfied.
// They are none only for a suffix of an empty object.
func (r Range) within(sizeBytes int64) (offset, length int64, ok bool) {
	switch {
	case r.First < 0 && r.Last <= 0, r.First >= 0 && r.Last >= 0 && r.Last < r.First:
		return 0, 0, false
	case r.First < 0:
		// A suffix longer than the object is all of it (RFC 9110 §14.1.2), also of an empty one.
		length = min(r.Last, sizeBytes)
		return sizeBytes - length, length, true
	case r.First >= sizeBytes:
		return 0, 0, false
	case r.Last < 0 || r.Last >= sizeBytes:
		return r.First, sizeBytes - r.First, true
	}
	return r.First, r.Last - r.First + 1, true
}

// partRange is where part number of v lies. An object that was not uploaded in parts has
// one part, number 1. count is the number of parts of a multipart object, else 0.
func partRange(v *object.Version, number int) (offset, length int64, count int, ok bool) {
	m := v.Content.Manifest
	if m == nil {
		return 0, v.SizeBytes, 0, number == 1
	}
	for _, p := range m.Parts {
		if p.Number == number {
			return offset, p.SizeBytes, len(m.Parts), true
		}
		offset += p.SizeBytes
	}
	return 0, 0, len(m.Parts), false
}
