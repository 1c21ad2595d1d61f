package pebblekv

import (
	"github.com/tidwall/btree"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// mutationOp is what a mutation does.
type mutationOp uint8

const (
	opSet mutationOp = iota
	opClear
	opClearRange // key to param
	opAtomic     // Add, Min, Max, CompareAndClear
	opStampKey
	opStampValue
)

// mutation is one write, in the order of the calls. Its slices are in the transaction's arena.
type mutation struct {
	op         mutationOp
	atomic     kv.AtomicOp
	stampAt    int32      // where the 10 bytes go: in key (opStampKey) or param (opStampValue)
	readBefore kv.Version // opStampKey: the read version if it was known, else 0
	key, param []byte
}

// ownWrites is what a transaction's reads must see of its writes: FoundationDB's
// WriteMap. It is built when a read first needs it; blind transactions never do.
type ownWrites struct {
	points   btree.Map[string, *ownPoint]
	segments stepMap[ownSegment]
	applied  int // how many of the mutations are in here
}

// ownSegment is what was done to all keys of a range that have no point.
type ownSegment struct {
	cleared    bool
	unreadable bool // a versionstamped key may come to lie here
}

// ownPoint is what was done to one key. A value that depends on the database has
// operations to apply; otherwise it is known (nil: cleared).
type ownPoint struct {
	known      bool
	value      []byte
	pending    []mutation
	unreadable bool // it holds a versionstamp that is not known yet
}

// apply takes over one mutation.
func (w *ownWrites) apply(m mutation) {
	switch m.op {
	case opClear:
		w.clear(string(m.key), string(m.key)+"\x00")
	case opClearRange:
		w.clear(string(m.key), string(m.param))
	case opStampKey:
		begin, end := stampKeyRange(m)
		w.remove(begin, end)
		w.segments.set(begin, end, ownSegment{unreadable: true})
	default:
		w.applyPoint(string(m.key), m)
	}
}

func (w *ownWrites) applyPoint(key string, m mutation) {
	p, ok := w.points.Get(key)
	if !ok {
		segment := w.segments.at(key)
		p = &ownPoint{known: segment.cleared, unreadable: segment.unreadable}
		w.points.Set(key, p)
	}
	switch {
	case m.op == opStampValue:
		p.unreadable = true
		p.known, p.pending = true, nil
	case m.op == opSet:
		// What was unreadable stays so until it is cleared, as in FoundationDB.
		p.known, p.value, p.pending = true, present(m.param), nil
	case p.known:
		p.value = applyAtomic(m.atomic, p.value, m.param)
	default:
		p.pending = append(p.pending, m)
	}
}

func (w *ownWrites) clear(begin, end string) {
	w.remove(begin, end)
	w.segments.set(begin, end, ownSegment{cleared: true})
}

func (w *ownWrites) remove(begin, end string) {
	for _, key := range w.pointsIn(begin, end) {
		w.points.Delete(key)
	}
}

func (w *ownWrites) pointsIn(begin, end string) []string {
	var keys []string
	w.points.Ascend(begin, func(key string, _ *ownPoint) bool {
		if key >= end {
			return false
		}
		keys = append(keys, key)
		return true
	})
	return keys
}

// resolve returns the value of a key whose value in the database is old.
func (p *ownPoint) resolve(old []byte) []byte {
	if p.known {
		return p.value
	}
	for _, m := range p.pending {
		old = applyAtomic(m.atomic, old, m.param)
	}
	return old
}

// conflictSpans appends the parts of [begin, end) whose answer depends on the database: all
// but the keys that this transaction has set or cleared itself.
func (w *ownWrites) conflictSpans(to []span, begin, end string) []span {
	add := func(from, until string) {
		if from < until {
			to = append(to, span{begin: []byte(from), end: []byte(until), point: until == from+"\x00"})
		}
	}
	for _, s := range w.segments.cut(begin, end) {
		if s.value.cleared {
			continue // its points are known, too
		}
		from := s.begin
		for _, key := range w.pointsIn(s.begin, s.end) {
			if p, _ := w.points.Get(key); p.known {
				add(from, key)
				from = key + "\x00"
			}
		}
		add(from, s.end)
	}
	return to
}

// stampKeyRange is where a versionstamped key may come to lie: from the first
// stamp behind the read version, if that was known, to the last stamp.
func stampKeyRange(m mutation) (begin, end string) {
	first := append([]byte(nil), m.key...)
	stamp := stampOf(m.readBefore, 0)
	copy(first[m.stampAt:], stamp[:])
	last := append(append([]byte(nil), m.key...), 0)
	for i := range stamp {
		last[int(m.stampAt)+i] = 0xff
	}
	return string(first), min(string(last), string(legalEnd))
}
