package pebblekv

import "github.com/tidwall/btree"

// stepMap gives every key a value, the zero value unless a range that holds it
// was set. It keeps the boundaries at which the value changes.
type stepMap[V comparable] struct {
	steps btree.Map[string, V]
}

// at is the value of one key.
func (s *stepMap[V]) at(key string) V {
	var value V
	s.steps.Descend(key, func(_ string, v V) bool {
		value = v
		return false
	})
	return value
}

// set gives all keys of [begin, end) a value; begin < end.
func (s *stepMap[V]) set(begin, end string, value V) {
	after := s.at(end)
	var inside []string
	s.steps.Ascend(begin, func(key string, _ V) bool {
		if key >= end {
			return false
		}
		inside = append(inside, key)
		return true
	})
	for _, key := range inside {
		s.steps.Delete(key)
	}
	s.steps.Set(begin, value)
	s.steps.Set(end, after)
}

// step is a range of keys with one value.
type step[V comparable] struct {
	begin, end string
	value      V
}

// cut returns the steps of [begin, end) in ascending order; together they
// cover it.
func (s *stepMap[V]) cut(begin, end string) []step[V] {
	if begin >= end {
		return nil
	}
	steps := []step[V]{{begin: begin, value: s.at(begin)}}
	s.steps.Ascend(begin, func(key string, v V) bool {
		if key >= end {
			return false
		}
		if key > begin {
			steps[len(steps)-1].end = key
			steps = append(steps, step[V]{begin: key, value: v})
		}
		return true
	})
	steps[len(steps)-1].end = end
	return steps
}
