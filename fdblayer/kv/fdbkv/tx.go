//go:build fdb

package fdbkv

import (
	"bytes"
	"sync"

	"github.com/apple/foundationdb/bindings/go/src/fdb"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// transaction is one Tx.
type transaction struct {
	db      *DB
	tr      fdb.Transaction
	options kv.TxOptions

	// The owner's.
	err    error // the first bad argument
	writes bool  // there is something to commit
	bumped bool
	// asksVersion: the client has been allowed to ask for a read version, or needs none.
	asksVersion bool
	sizeBytes   int
	version     kv.Future[kv.ReadVersion]

	mu sync.Mutex
	// Guarded by mu. The client's transaction may be touched while state is txOpen, or by
	// those who wait, who are counted: then it goes to another transaction.
	state   txState
	aborted bool
	waiting int
}

type txState uint8

const (
	txOpen txState = iota
	txCommitted
	txCancelled
	txFailed // it never had a transaction of the client
)

// metadataVersionKey is the key whose value comes with every read version.
var metadataVersionKey = fdb.Key("\xff/metadataVersion")

// metadataVersionStamp is the only value that the key takes: a stamp at offset 0.
var metadataVersionStamp = make([]byte, len(kv.Versionstamp{})+4)

// What FoundationDB adds to the bytes of keys and values in its estimate.
const (
	mutationOverheadBytes = 48
	rangeOverheadBytes    = 32
)

// ended says why the transaction can't be used, nil if it can.
func (t *transaction) ended(op string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.state == txCommitted:
		return fatal(op, kv.CodeUsedDuringCommit)
	case t.state == txCancelled || t.aborted:
		return fatal(op, kv.CodeTransactionCancelled)
	}
	return nil
}

// usable reports whether a write may be added; otherwise why not is kept for Commit.
func (t *transaction) usable(op string) bool {
	if t.err == nil {
		t.err = t.ended(op)
	}
	return t.err == nil
}

// fail notes a bad argument for Commit and for every read from now on. Those that are not noted in here the
// client notes in the same way.
func (t *transaction) fail(op string, code int) {
	if t.err == nil {
		t.err = fatal(op, code)
	}
}

// Set writes a row.
func (t *transaction) Set(key, value []byte) {
	if t.usable("Set") {
		t.tr.Set(fdb.Key(key), value)
		t.wrote(len(key), len(value))
	}
}

// Clear clears a row.
func (t *transaction) Clear(key []byte) {
	if t.usable("Clear") {
		t.tr.Clear(fdb.Key(key))
		t.wrote(len(key), len(key)+1)
	}
}

// ClearRange clears rows.
func (t *transaction) ClearRange(r kv.Range) {
	if t.usable("ClearRange") && t.ordered("ClearRange", r) {
		t.tr.ClearRange(keyRange(r))
		t.wrote(len(r.Begin), len(r.End))
	}
}

// ordered checks that a range is not inverted: the client's library ends the process over some.
func (t *transaction) ordered(op string, r kv.Range) bool {
	if bytes.Compare(r.Begin, r.End) > 0 {
		t.fail(op, kv.CodeInvertedRange)
		return false
	}
	return true
}

func keyRange(r kv.Range) fdb.KeyRange {
	return fdb.KeyRange{Begin: fdb.Key(r.Begin), End: fdb.Key(r.End)}
}

// Atomic applies an operation at commit.
func (t *transaction) Atomic(op kv.AtomicOp, key, operand []byte) {
	if !t.usable("Atomic") {
		return
	}
	k := fdb.Key(key)
	switch op {
	case kv.Add:
		t.tr.Add(k, operand)
	case kv.Min:
		t.tr.Min(k, operand)
	case kv.Max:
		t.tr.Max(k, operand)
	case kv.CompareAndClear:
		t.tr.CompareAndClear(k, operand)
	case kv.SetVersionstampedKey:
		t.tr.SetVersionstampedKey(k, operand)
	case kv.SetVersionstampedValue:
		t.tr.SetVersionstampedValue(k, operand)
	default:
		t.fail("Atomic", kv.CodeClientInvalidOperation)
		return
	}
	t.wrote(len(key), len(operand))
}

// wrote counts a mutation of the two lengths, and the conflict range of its key.
func (t *transaction) wrote(first, second int) {
	t.writes = true
	t.sizeBytes += mutationOverheadBytes + first + second + rangeOverheadBytes + 2*first + 1
}

// AddReadConflict declares a read.
func (t *transaction) AddReadConflict(r kv.Range) {
	if t.usable("AddReadConflict") && t.ordered("AddReadConflict", r) {
		if err := t.tr.AddReadConflictRange(keyRange(r)); err != nil {
			t.fail("AddReadConflict", codeOf(err))
		}
		t.declared(r)
	}
}

// AddWriteConflict declares a write.
func (t *transaction) AddWriteConflict(r kv.Range) {
	if t.usable("AddWriteConflict") && t.ordered("AddWriteConflict", r) {
		if err := t.tr.AddWriteConflictRange(keyRange(r)); err != nil {
			t.fail("AddWriteConflict", codeOf(err))
		}
		t.writes = true
		t.declared(r)
	}
}

func (t *transaction) declared(r kv.Range) {
	t.sizeBytes += rangeOverheadBytes + len(r.Begin) + len(r.End)
}

// BumpMetadataVersion sets the metadata version to the commit's stamp.
func (t *transaction) BumpMetadataVersion() {
	if t.usable("BumpMetadataVersion") {
		t.bumped = true
		t.tr.SetVersionstampedValue(metadataVersionKey, metadataVersionStamp)
		t.wrote(len(metadataVersionKey), len(metadataVersionStamp))
	}
}

// SizeBytes is computed here; asking the client would wait for its thread.
func (t *transaction) SizeBytes() int { return t.sizeBytes }

// Cancel drops the transaction.
func (t *transaction) Cancel() { t.end(txCancelled) }

// abort makes everything that is waited for fail, and the transaction useless. It is
// called when a context ends and when the database closes, by any goroutine.
func (t *transaction) abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == txOpen {
		t.interrupt()
	}
}

// interrupt ends what the client does for the transaction. It is called with mu held. Reset alone
// ends what waits for a cluster that was never reached; Cancel keeps a range
// read from going on with its next page.
func (t *transaction) interrupt() {
	if !t.aborted {
		t.aborted = true
		t.tr.Reset()
		t.tr.Cancel()
	}
}

// end ends the transaction; its owner does not use it after.
func (t *transaction) end(s txState) {
	t.mu.Lock()
	if t.state != txOpen {
		t.mu.Unlock()
		return
	}
	t.state = s
	free := t.waiting == 0
	if !free {
		t.interrupt()
	}
	t.mu.Unlock()
	if free {
		t.db.release(t)
	}
}

// enter is called before waiting for the client, leave after.
func (t *transaction) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != txOpen || t.aborted {
		return false
	}
	t.waiting++
	return true
}

// leave reports whether the transaction was not aborted in the meantime, so that what was waited for counts.
func (t *transaction) leave() bool {
	t.mu.Lock()
	t.waiting--
	free := t.waiting == 0 && t.state != txOpen
	good := !t.aborted
	t.mu.Unlock()
	if free {
		t.db.release(t)
	}
	return good
}

var _ kv.Tx = (*transaction)(nil)
