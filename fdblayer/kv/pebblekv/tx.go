package pebblekv

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// transaction is one Tx. Writes are noted in order; nothing is looked up for them.
type transaction struct {
	db      *DB
	options kv.TxOptions

	snapshot *snapshot     // nil until the first read or Commit needs it
	until    time.Duration // when it becomes too old

	mutations      []mutation
	readConflicts  []span
	writeConflicts []span // declared ones; those of mutations follow from them
	writes         *ownWrites
	bump           bool
	versionAsked   bool // by ReadVersion
	arena          []byte
	sizeBytes      int
	err            error // the first bad argument
	readErr        error // the first read of what can't be read
	state          txState
}

type txState uint8

const (
	txOpen txState = iota
	txCommitted
	txCancelled
)

// What FoundationDB adds to the bytes of keys and values in its estimate.
const (
	mutationOverheadBytes = 48
	rangeOverheadBytes    = 32
)

const arenaBytes = 1024

// keep copies b into the arena.
func (tx *transaction) keep(b []byte) []byte {
	if cap(tx.arena)-len(tx.arena) < len(b) {
		tx.arena = make([]byte, 0, max(arenaBytes, len(b)))
	}
	from := len(tx.arena)
	tx.arena = append(tx.arena, b...)
	return tx.arena[from:len(tx.arena):len(tx.arena)]
}

// usable reports whether a write may be added; otherwise why not is kept for Commit.
func (tx *transaction) usable(op string) bool {
	if tx.state != txOpen {
		tx.fail(op, kv.CodeUsedDuringCommit)
	}
	return tx.state == txOpen
}

// fail notes a bad argument. Commit, and every read from now on, return it, as in FoundationDB.
func (tx *transaction) fail(op string, code int) {
	if tx.err == nil {
		tx.err = fatal(op, code)
	}
}

// unreadable is the error of a read of what only the commit decides. As in FoundationDB, whose commit waits for the reads, the
// transaction can go on reading, but not commit.
func (tx *transaction) unreadable(op string) error {
	err := fatal(op, kv.CodeAccessedUnreadable)
	if tx.readErr == nil {
		tx.readErr = err
	}
	return err
}

func (tx *transaction) checkKey(op string, key []byte) bool {
	switch {
	case bytes.Compare(key, legalEnd) >= 0:
		tx.fail(op, kv.CodeKeyOutsideLegalRange)
	case len(key) > kv.KeyMaxBytes:
		tx.fail(op, kv.CodeKeyTooLarge)
	default:
		return true
	}
	return false
}

func (tx *transaction) checkValue(op string, value []byte) bool {
	if len(value) > kv.ValueMaxBytes {
		tx.fail(op, kv.CodeValueTooLarge)
		return false
	}
	return true
}

// checkRange returns a range cut to the longest keys there can be, and whether
// anything is left of it.
func (tx *transaction) checkRange(op string, r kv.Range) (kv.Range, bool) {
	switch {
	case bytes.Compare(r.Begin, r.End) > 0:
		tx.fail(op, kv.CodeInvertedRange)
		return r, false
	case bytes.Compare(r.Begin, legalEnd) > 0 || bytes.Compare(r.End, legalEnd) > 0:
		tx.fail(op, kv.CodeKeyOutsideLegalRange)
		return r, false
	}
	r = kv.Range{Begin: cutKey(r.Begin), End: cutKey(r.End)}
	return r, bytes.Compare(r.Begin, r.End) < 0
}

func cutKey(key []byte) []byte { return key[:min(len(key), kv.KeyMaxBytes+1)] }

func (tx *transaction) Set(key, value []byte) {
	if tx.usable("Set") && tx.checkKey("Set", key) && tx.checkValue("Set", value) {
		tx.add(mutation{op: opSet, key: tx.keep(key), param: tx.keep(value)})
	}
}

func (tx *transaction) Clear(key []byte) {
	if !tx.usable("Clear") {
		return
	}
	if bytes.Compare(key, legalEnd) >= 0 {
		tx.fail("Clear", kv.CodeKeyOutsideLegalRange)
		return
	}
	if len(key) <= kv.KeyMaxBytes { // there is no longer one to clear
		tx.add(mutation{op: opClear, key: tx.keep(key)})
	}
}

func (tx *transaction) ClearRange(r kv.Range) {
	if !tx.usable("ClearRange") {
		return
	}
	if r, ok := tx.checkRange("ClearRange", r); ok {
		tx.add(mutation{op: opClearRange, key: tx.keep(r.Begin), param: tx.keep(r.End)})
	}
}

func (tx *transaction) Atomic(op kv.AtomicOp, key, operand []byte) {
	if !tx.usable("Atomic") || !tx.checkKey("Atomic", key) || !tx.checkValue("Atomic", operand) {
		return
	}
	m := mutation{op: opAtomic, atomic: op}
	ok := true
	switch op {
	case kv.Add, kv.Min, kv.Max, kv.CompareAndClear:
	case kv.SetVersionstampedKey:
		m.op = opStampKey
		if tx.options.ReadVersion != 0 || tx.snapshot != nil {
			m.readBefore = tx.readVersion()
		}
		key, m.stampAt, ok = stampOffset(key)
	case kv.SetVersionstampedValue:
		m.op = opStampValue
		operand, m.stampAt, ok = stampOffset(operand)
	default:
		ok = false
	}
	if !ok {
		tx.fail("Atomic", kv.CodeClientInvalidOperation)
		return
	}
	m.key, m.param = tx.keep(key), tx.keep(operand)
	tx.add(m)
}

// stampOffset takes the offset off the end, and checks it.
func stampOffset(b []byte) (rest []byte, at int32, ok bool) {
	const offsetBytes = 4
	if len(b) < offsetBytes {
		return nil, 0, false
	}
	rest = b[:len(b)-offsetBytes]
	at = int32(binary.LittleEndian.Uint32(b[len(rest):]))
	return rest, at, at >= 0 && int(at)+len(kv.Versionstamp{}) <= len(rest)
}

func (tx *transaction) add(m mutation) {
	if tx.mutations == nil {
		tx.mutations = make([]mutation, 0, 8)
	}
	tx.mutations = append(tx.mutations, m)
	tx.sizeBytes += mutationOverheadBytes + len(m.key) + len(m.param) + rangeOverheadBytes + 2*len(m.key) + 1
}

func (tx *transaction) AddReadConflict(r kv.Range) {
	if !tx.usable("AddReadConflict") {
		return
	}
	if r, ok := tx.checkRange("AddReadConflict", r); ok {
		tx.addReadConflict(tx.keep(r.Begin), tx.keep(r.End))
	}
}

// addReadConflict declares what a read depends on. The slices are kept.
func (tx *transaction) addReadConflict(begin, end []byte) {
	if tx.readConflicts == nil {
		tx.readConflicts = make([]span, 0, 8)
	}
	from := len(tx.readConflicts)
	if w := tx.ownWrites(); w != nil {
		tx.readConflicts = w.conflictSpans(tx.readConflicts, string(begin), string(end))
	} else {
		tx.readConflicts = append(tx.readConflicts, span{begin: begin, end: end, point: isPoint(begin, end)})
	}
	for _, s := range tx.readConflicts[from:] {
		tx.sizeBytes += rangeOverheadBytes + len(s.begin) + len(s.end)
	}
}

// isPoint reports whether the range holds a single key.
func isPoint(begin, end []byte) bool {
	return len(end) == len(begin)+1 && end[len(begin)] == 0 && bytes.HasPrefix(end, begin)
}

func (tx *transaction) AddWriteConflict(r kv.Range) {
	if !tx.usable("AddWriteConflict") {
		return
	}
	if r, ok := tx.checkRange("AddWriteConflict", r); ok {
		tx.writeConflicts = append(tx.writeConflicts, span{begin: tx.keep(r.Begin), end: tx.keep(r.End), point: isPoint(r.Begin, r.End)})
		tx.sizeBytes += rangeOverheadBytes + len(r.Begin) + len(r.End)
	}
}

func (tx *transaction) BumpMetadataVersion() {
	if tx.usable("BumpMetadataVersion") {
		tx.bump = true
		tx.sizeBytes += mutationOverheadBytes + len(metadataVersionKey) + len(kv.Versionstamp{})
	}
}

func (tx *transaction) SizeBytes() int { return tx.sizeBytes }

// ownWrites returns what reads must see of the writes so far, nil if there are none.
func (tx *transaction) ownWrites() *ownWrites {
	if len(tx.mutations) == 0 {
		return nil
	}
	if tx.writes == nil {
		tx.writes = &ownWrites{}
	}
	for ; tx.writes.applied < len(tx.mutations); tx.writes.applied++ {
		tx.writes.apply(tx.mutations[tx.writes.applied])
	}
	return tx.writes
}

// begin fixes the read version.
func (tx *transaction) begin() error {
	if tx.snapshot != nil {
		return nil
	}
	var err error
	if tx.options.ReadVersion != 0 {
		tx.snapshot, tx.until, err = tx.db.versions.at(tx.options.ReadVersion)
	} else {
		tx.snapshot, tx.until, err = tx.db.versions.newest()
		tx.db.counters.readVersions.Add(1)
	}
	return err
}

// readVersion is the version that reads are at; the given one may lie between two commits.
func (tx *transaction) readVersion() kv.Version {
	if tx.options.ReadVersion != 0 {
		return tx.options.ReadVersion
	}
	return tx.snapshot.version
}

func (tx *transaction) ReadVersion() kv.Future[kv.ReadVersion] {
	if err := tx.readable("ReadVersion"); err != nil {
		return ready[kv.ReadVersion]{err: err}
	}
	if tx.bump && !tx.versionAsked {
		return ready[kv.ReadVersion]{err: tx.unreadable("ReadVersion")}
	}
	tx.versionAsked = true
	return ready[kv.ReadVersion]{value: kv.ReadVersion{Version: tx.readVersion(), Metadata: tx.snapshot.metadata}}
}

// readable fixes the read version and checks that the transaction may read now.
func (tx *transaction) readable(op string) error {
	switch {
	case tx.err != nil:
		return tx.err
	case tx.state == txCancelled:
		return fatal(op, kv.CodeTransactionCancelled)
	case tx.state == txCommitted:
		return fatal(op, kv.CodeUsedDuringCommit)
	}
	if err := tx.begin(); err != nil {
		return err
	}
	if tx.db.versions.clock() > tx.until {
		return errTooOld(op)
	}
	return nil
}

func (tx *transaction) Cancel() {
	if tx.state == txOpen {
		tx.end(txCancelled)
	}
}

func (tx *transaction) end(s txState) {
	tx.state = s
	if tx.snapshot != nil {
		tx.snapshot.release()
		tx.snapshot = nil
	}
}

// ready is a future whose answer is there.
type ready[T any] struct {
	value T
	err   error
}

func (r ready[T]) Get(context.Context) (T, error) { return r.value, r.err }
