package store

import (
	"testing"

	"github.com/stampede-store/stampede/object"
)

func TestRangeWithin(t *testing.T) {
	for _, row := range []struct {
		name           string
		r              Range
		size           int64
		offset, length int64
		ok             bool
	}{
		{"first byte", Range{0, 0}, 10, 0, 1, true},
		{"middle", Range{3, 5}, 10, 3, 3, true},
		{"all", Range{0, 9}, 10, 0, 10, true},
		{"end cut", Range{5, 99}, 10, 5, 5, true},
		{"open end", Range{4, -1}, 10, 4, 6, true},
		{"last byte, open end", Range{9, -1}, 10, 9, 1, true},
		{"suffix", Range{-1, 3}, 10, 7, 3, true},
		{"suffix of all", Range{-1, 10}, 10, 0, 10, true},
		{"suffix beyond", Range{-1, 11}, 10, 0, 10, true},
		{"largest end", Range{1, 1<<63 - 1}, 10, 1, 9, true},
		{"begin at the end", Range{10, 10}, 10, 0, 0, false},
		{"begin beyond", Range{11, -1}, 10, 0, 0, false},
		{"suffix of none", Range{-1, 0}, 10, 0, 0, false},
		{"empty object", Range{0, 0}, 0, 0, 0, false},
		{"empty object, open end", Range{0, -1}, 0, 0, 0, false},
		{"empty object, suffix", Range{-1, 5}, 0, 0, 0, true},
		{"empty object, suffix of none", Range{-1, 0}, 0, 0, 0, false},
		{"backwards", Range{5, 4}, 10, 0, 0, false},
		{"negative suffix", Range{-1, -1}, 10, 0, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			offset, length, ok := row.r.within(row.size)
			if ok != row.ok || ok && (offset != row.offset || length != row.length) {
				t.Errorf("got %d+%d, %v; want %d+%d, %v", offset, length, ok, row.offset, row.length, row.ok)
			}
		})
	}
}

func TestPartRange(t *testing.T) {
	multi := &object.Version{SizeBytes: 60, Content: object.Content{Manifest: &object.Manifest{
		Parts: []object.ManifestPart{{Number: 2, SizeBytes: 10}, {Number: 3, SizeBytes: 20}, {Number: 7, SizeBytes: 30}},
	}}}
	single := &object.Version{SizeBytes: 5}
	for _, row := range []struct {
		name           string
		v              *object.Version
		number         int
		offset, length int64
		count          int
		ok             bool
	}{
		{"first", multi, 2, 0, 10, 3, true},
		{"middle", multi, 3, 10, 20, 3, true},
		{"last", multi, 7, 30, 30, 3, true},
		{"gap", multi, 4, 0, 0, 3, false},
		{"below", multi, 1, 0, 0, 3, false},
		{"beyond", multi, 8, 0, 0, 3, false},
		{"not in parts", single, 1, 0, 5, 0, true},
		{"not in parts, second", single, 2, 0, 0, 0, false},
		{"negative", single, -1, 0, 0, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			offset, length, count, ok := partRange(row.v, row.number)
			if ok != row.ok || ok && (offset != row.offset || length != row.length || count != row.count) {
				t.Errorf("got %d+%d of %d, %v", offset, length, count, ok)
			}
		})
	}
}
