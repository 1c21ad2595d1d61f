package pebblekv

import (
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// history is what was written in the last seconds: for every key the version
// of its last write. The committer alone uses it.
type history struct {
	// points are single keys, ranges are cleared and declared ranges.
	points btree.Map[string, kv.Version]
	ranges stepMap[kv.Version]
	// log has the points in order of writing, for forgetting them.
	log []written
	// rangesLast is the newest version in ranges, rangesSwept its size after the last sweep.
	rangesLast  kv.Version
	rangesSwept int
	// floor: writes at it and below may have been forgotten.
	floor kv.Version
}

type written struct {
	version kv.Version
	keys    []string
}

// sweepSlack is how many steps may pile up before a sweep looks for old ones.
const sweepSlack = 1024

// span is a conflict range. A point is a single key, begin; its end is not kept.
type span struct {
	begin, end []byte
	point      bool
}

// asString views bytes that don't change as a string, without a copy.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// changed reports whether anything in the span was written after version v,
// which must not be below floor.
func (h *history) changed(s span, v kv.Version) bool {
	begin := asString(s.begin)
	if s.point {
		last, _ := h.points.Get(begin)
		return last > v || h.rangesLast > v && h.ranges.at(begin) > v
	}
	end := asString(s.end)
	found := false
	h.points.Ascend(begin, func(key string, last kv.Version) bool {
		if key >= end {
			return false
		}
		found = last > v
		return !found
	})
	if found || h.rangesLast <= v {
		return found
	}
	if h.ranges.at(begin) > v {
		return true
	}
	h.ranges.steps.Ascend(begin, func(key string, last kv.Version) bool {
		if key >= end {
			return false
		}
		found = last > v
		return !found
	})
	return found
}

// addPoints notes writes of single keys. The strings are kept.
func (h *history) addPoints(keys []string, v kv.Version) {
	for _, key := range keys {
		h.points.Set(key, v)
	}
	h.log = append(h.log, written{version: v, keys: keys})
}

// addRange notes a write of a whole range.
func (h *history) addRange(begin, end string, v kv.Version) {
	if begin >= end {
		return
	}
	h.ranges.set(begin, end, v)
	h.rangesLast = v
}

// forget drops writes at version floor and below.
func (h *history) forget(floor kv.Version) {
	if floor <= h.floor {
		return
	}
	h.floor = floor
	n := 0
	for ; n < len(h.log) && h.log[n].version <= floor; n++ {
		for _, key := range h.log[n].keys {
			if last, ok := h.points.Get(key); ok && last <= floor {
				h.points.Delete(key)
			}
		}
		h.log[n] = written{}
	}
	h.log = h.log[n:]
	if h.rangesLast <= floor {
		h.ranges = stepMap[kv.Version]{}
		h.rangesSwept = 0
	} else if h.ranges.steps.Len() > 2*h.rangesSwept+sweepSlack {
		h.sweepRanges()
	}
}

// sweepRanges joins steps that are too old to matter.
func (h *history) sweepRanges() {
	var kept stepMap[kv.Version]
	last := kv.Version(0)
	h.ranges.steps.Scan(func(key string, v kv.Version) bool {
		if v <= h.floor {
			v = 0
		}
		if v != last {
			kept.steps.Set(key, v)
			last = v
		}
		return true
	})
	h.ranges = kept
	h.rangesSwept = kept.steps.Len()
}
