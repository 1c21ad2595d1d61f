package pebblekv

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// snapshotReader reads without declaring conflicts.
type snapshotReader struct{ tx *transaction }

func (r snapshotReader) Get(key []byte) kv.Future[[]byte] { return r.tx.get(key, true) }

func (r snapshotReader) GetRange(rg kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return r.tx.getRange(rg, o, true)
}

func (tx *transaction) Snapshot() kv.Reader { return snapshotReader{tx} }

func (tx *transaction) Get(key []byte) kv.Future[[]byte] { return tx.get(key, false) }

func (tx *transaction) GetRange(r kv.Range, o kv.RangeOptions) kv.Future[kv.Page] {
	return tx.getRange(r, o, false)
}

// enter begins a read: the database can't be closed until leave.
func (db *DB) enter(op string) error {
	db.reading.RLock()
	if db.isClosed.Load() {
		db.reading.RUnlock()
		return errClosed(op)
	}
	db.counters.reads.Add(1)
	return nil
}

func (db *DB) leave() { db.reading.RUnlock() }

func (tx *transaction) get(key []byte, snapshot bool) kv.Future[[]byte] {
	value, err := tx.read(key, snapshot)
	return ready[[]byte]{value: value, err: err}
}

func (tx *transaction) read(key []byte, snapshot bool) ([]byte, error) {
	if err := tx.readable("Get"); err != nil {
		return nil, err
	}
	if bytes.Compare(key, legalEnd) >= 0 {
		return nil, fatal("Get", kv.CodeKeyOutsideLegalRange)
	}
	if len(key) > kv.KeyMaxBytes {
		return nil, nil // there is none
	}
	var point *ownPoint
	if w := tx.ownWrites(); w != nil {
		p, ok := w.points.Get(asString(key))
		segment := ownSegment{}
		if !ok {
			segment = w.segments.at(asString(key))
		}
		switch {
		case ok && p.unreadable || segment.unreadable:
			return nil, tx.unreadable("Get")
		case ok && p.known:
			return bytes.Clone(p.value), nil
		case segment.cleared:
			return nil, nil
		}
		point = p
	}
	if !snapshot {
		tx.noteRead(key)
	}
	value, err := tx.readRow(key)
	if err != nil || point == nil {
		return value, err
	}
	return bytes.Clone(point.resolve(value)), nil
}

// noteRead declares the conflict of a point read whose answer depends on the database.
func (tx *transaction) noteRead(key []byte) {
	tx.readConflicts = append(tx.readConflicts, span{begin: tx.keep(key), point: true})
	tx.sizeBytes += rangeOverheadBytes + 2*len(key) + 1
}

func (tx *transaction) readRow(key []byte) ([]byte, error) {
	if err := tx.db.enter("Get"); err != nil {
		return nil, err
	}
	defer tx.db.leave()
	value, err := getCopy(tx.snapshot.rows, key)
	if err != nil {
		return nil, &kv.Error{Op: "pebblekv.Get", Kind: kv.Fatal, Err: err}
	}
	tx.db.counters.bytesRead.Add(uint64(len(value)))
	return value, nil
}

func (tx *transaction) getRange(r kv.Range, o kv.RangeOptions, snapshot bool) kv.Future[kv.Page] {
	page, err := tx.readRange(r, o, snapshot)
	return ready[kv.Page]{value: page, err: err}
}

func (tx *transaction) readRange(r kv.Range, o kv.RangeOptions, snapshot bool) (kv.Page, error) {
	const op = "GetRange"
	if err := tx.readable(op); err != nil {
		return kv.Page{}, err
	}
	switch {
	case bytes.Compare(r.Begin, r.End) > 0:
		return kv.Page{}, fatal(op, kv.CodeInvertedRange)
	case bytes.Compare(r.Begin, legalEnd) > 0 || bytes.Compare(r.End, legalEnd) > 0:
		return kv.Page{}, fatal(op, kv.CodeKeyOutsideLegalRange)
	case o.Limit < 0:
		return kv.Page{}, fatal(op, codeRangeLimitsInvalid)
	case bytes.Equal(r.Begin, r.End):
		return kv.Page{}, nil
	}
	if err := tx.db.enter(op); err != nil {
		return kv.Page{}, err
	}
	defer tx.db.leave()
	m := merger{tx: tx, r: r, o: o}
	if err := m.run(); err != nil {
		return kv.Page{}, err
	}
	tx.db.counters.bytesRead.Add(uint64(m.bytes))
	page := kv.Page{Rows: m.rows, More: m.full()}
	if !snapshot {
		tx.noteRange(r, o, page)
	}
	return page, nil
}

// codeRangeLimitsInvalid is FoundationDB's range_limits_invalid.
const codeRangeLimitsInvalid = 2012

// noteRange declares the conflict of a range read: as far as it has read.
func (tx *transaction) noteRange(r kv.Range, o kv.RangeOptions, page kv.Page) {
	begin, end := r.Begin, r.End
	if page.More {
		last := page.Rows[len(page.Rows)-1].Key
		if o.Reverse {
			begin = last
		} else {
			end = append(slices.Clone(last), 0)
		}
	}
	tx.addReadConflict(tx.keep(begin), tx.keep(end))
}

// merger reads a range: the rows of the snapshot and the transaction's own
// writes, in order.
type merger struct {
	tx    *transaction
	r     kv.Range
	o     kv.RangeOptions
	w     *ownWrites // nil: none
	rows  []kv.KeyValue
	iter  *pebble.Iterator
	chunk []byte // what rows are cut from
	bytes int
}

// full reports whether the limit is reached.
func (m *merger) full() bool { return m.o.Limit > 0 && len(m.rows) >= m.o.Limit }

func (m *merger) run() (err error) {
	defer func() {
		if m.iter == nil {
			return
		}
		if closeErr := m.iter.Close(); err == nil && closeErr != nil {
			err = &kv.Error{Op: "pebblekv.GetRange", Kind: kv.Fatal, Err: closeErr}
		}
	}()
	if m.w = m.tx.ownWrites(); m.w == nil {
		return m.readSegment(m.r.Begin, m.r.End, nil)
	}
	segments := m.w.segments.cut(string(m.r.Begin), string(m.r.End))
	if m.o.Reverse {
		slices.Reverse(segments)
	}
	for _, s := range segments {
		if m.full() {
			return nil
		}
		if s.value.unreadable {
			return m.tx.unreadable("GetRange")
		}
		keys := m.w.pointsIn(s.begin, s.end)
		if m.o.Reverse {
			slices.Reverse(keys)
		}
		if s.value.cleared {
			err = m.readCleared(keys)
		} else {
			err = m.readSegment([]byte(s.begin), []byte(s.end), keys)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readCleared reads a range of which nothing but own keys is left.
func (m *merger) readCleared(keys []string) error {
	for len(keys) > 0 && !m.full() {
		if err := m.addOwn(keys[0], nil); err != nil {
			return err
		}
		keys = keys[1:]
	}
	return nil
}

// readSegment merges the rows of a range with the transaction's own keys in it, both in
// reading order.
func (m *merger) readSegment(begin, end []byte, keys []string) error {
	valid, err := m.seek(begin, end)
	for err == nil {
		order := m.compare(keys, valid)
		switch {
		case order == nothingLeft:
			return nil
		case order == ownFirst:
			err = m.addOwn(keys[0], nil)
			keys = keys[1:]
		default:
			var value []byte
			if value, err = m.iter.ValueAndErr(); err != nil {
				break
			}
			if order == rowFirst {
				m.add(m.iter.Key(), value)
			} else {
				err = m.addOwn(keys[0], value)
				keys = keys[1:]
			}
			if !m.full() {
				valid = m.next(begin, end)
			}
		}
		if m.full() {
			break
		}
	}
	if err == nil {
		err = m.iter.Error()
	}
	if err != nil && kv.KindOf(err) == 0 {
		err = &kv.Error{Op: "pebblekv.GetRange", Kind: kv.Fatal, Err: err}
	}
	return err
}

// What comes next in reading order.
type mergeOrder uint8

const (
	nothingLeft mergeOrder = iota
	rowFirst
	ownFirst
	sameKey
)

func (m *merger) compare(keys []string, valid bool) mergeOrder {
	switch {
	case len(keys) == 0 && !valid:
		return nothingLeft
	case len(keys) == 0:
		return rowFirst
	case !valid:
		return ownFirst
	}
	c := strings.Compare(keys[0], asString(m.iter.Key()))
	if m.o.Reverse {
		c = -c
	}
	switch {
	case c < 0:
		return ownFirst
	case c > 0:
		return rowFirst
	default:
		return sameKey
	}
}

// seek goes to the first row of a segment in reading order.
func (m *merger) seek(begin, end []byte) (valid bool, err error) {
	if m.iter == nil {
		m.iter, err = m.tx.snapshot.rows.NewIter(&pebble.IterOptions{LowerBound: m.r.Begin, UpperBound: m.r.End})
		if err != nil {
			return false, err
		}
	}
	if m.o.Reverse {
		return m.iter.SeekLT(end) && bytes.Compare(m.iter.Key(), begin) >= 0, m.iter.Error()
	}
	if len(begin) == 0 { // there is no key before it, and Pebble's own checks don't like it
		return m.iter.First() && bytes.Compare(m.iter.Key(), end) < 0, m.iter.Error()
	}
	return m.iter.SeekGE(begin) && bytes.Compare(m.iter.Key(), end) < 0, m.iter.Error()
}

func (m *merger) next(begin, end []byte) bool {
	if m.o.Reverse {
		return m.iter.Prev() && bytes.Compare(m.iter.Key(), begin) >= 0
	}
	return m.iter.Next() && bytes.Compare(m.iter.Key(), end) < 0
}

// addOwn adds a row that the transaction has written, if it leaves one. old is
// its value in the database.
func (m *merger) addOwn(key string, old []byte) error {
	point, _ := m.w.points.Get(key)
	if point.unreadable {
		return m.tx.unreadable("GetRange")
	}
	if value := point.resolve(old); value != nil {
		m.add([]byte(key), value)
	}
	return nil
}

// add appends a copy of a row.
func (m *merger) add(key, value []byte) {
	n := len(key) + len(value)
	m.bytes += n
	if cap(m.chunk)-len(m.chunk) < n {
		size := n
		if m.o.Limit != 1 { // more rows may follow
			size = max(n, min(2*cap(m.chunk), 64<<10), 512)
		}
		m.chunk = make([]byte, 0, size)
	}
	from := len(m.chunk)
	m.chunk = append(append(m.chunk, key...), value...)
	mid, to := from+len(key), len(m.chunk)
	m.rows = append(m.rows, kv.KeyValue{Key: m.chunk[from:mid:mid], Value: m.chunk[mid:to:to]})
}
