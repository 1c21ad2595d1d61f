package pebblekv

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// batch collects accepted transactions in one Pebble batch. Only the committer uses it.
type batch struct {
	db      *DB
	version kv.Version
	rows    *pebble.Batch
	// cells are the keys on which an atomic operation of the batch works. They are
	// read once, changed in memory by all writes of the batch, and written at the end, so that many
	// additions to one counter are one write.
	cells map[string]*cell
}

// cell is one value as the batch leaves it; nil is absent.
type cell struct {
	value  []byte
	loaded bool // value is right
	dirty  bool // value must be written
}

// newBatch begins a batch that may hold any of the requests.
func newBatch(db *DB, version kv.Version, requests []*request) *batch {
	b := &batch{db: db, version: version, rows: db.rows.NewBatch()}
	for _, r := range requests {
		for i := range r.tx.mutations {
			if m := &r.tx.mutations[i]; m.op == opAtomic {
				if b.cells == nil {
					b.cells = make(map[string]*cell)
				}
				if b.cells[asString(m.key)] == nil {
					b.cells[asString(m.key)] = &cell{}
				}
			}
		}
	}
	return b
}

func (b *batch) close() { _ = b.rows.Close() } // what is not committed is dropped

// add writes one transaction. An error is one of reading; then nothing of it was added.
func (b *batch) add(r *request, stamp kv.Versionstamp) error {
	tx := r.tx
	if err := b.load(tx.mutations); err != nil {
		return err
	}
	h := &b.db.history
	for i := range tx.mutations {
		m := &tx.mutations[i]
		switch m.op {
		case opSet:
			b.set(m.key, m.param)
		case opStampKey:
			copy(m.key[m.stampAt:], stamp[:])
			b.set(m.key, m.param)
			r.keys = append(r.keys, string(m.key))
		case opStampValue:
			copy(m.param[m.stampAt:], stamp[:])
			b.set(m.key, m.param)
		case opClear:
			b.clear(m.key)
		case opClearRange:
			b.clearRange(m.key, m.param)
			h.addRange(string(m.key), string(m.param), b.version)
		case opAtomic:
			c := b.cells[asString(m.key)]
			c.value, c.dirty = applyAtomic(m.atomic, c.value, m.param), true
		}
	}
	for _, s := range tx.writeConflicts {
		if !s.point {
			h.addRange(string(s.begin), string(s.end), b.version)
		}
	}
	if tx.bump {
		b.db.metadata = stamp
		b.set(metadataVersionKey, stamp[:])
	}
	h.addPoints(r.keys, b.version)
	return nil
}

// load reads what the atomic operations work on. Earlier batches are in the
// rows, earlier transactions of this one in the cells.
func (b *batch) load(mutations []mutation) error {
	for i := range mutations {
		if mutations[i].op != opAtomic {
			continue
		}
		c := b.cells[asString(mutations[i].key)]
		if c.loaded {
			continue
		}
		value, err := b.db.getRow(mutations[i].key)
		if err != nil {
			return err
		}
		c.value, c.loaded = value, true
	}
	return nil
}

func (b *batch) set(key, value []byte) {
	if c := b.cells[asString(key)]; c != nil {
		*c = cell{value: value, loaded: true, dirty: true}
		return
	}
	_ = b.rows.Set(key, value, nil) // appends to memory
}

func (b *batch) clear(key []byte) {
	if c := b.cells[asString(key)]; c != nil {
		*c = cell{loaded: true, dirty: true}
		return
	}
	_ = b.rows.Delete(key, nil) // appends to memory
}

func (b *batch) clearRange(begin, end []byte) {
	for key, c := range b.cells {
		if key >= asString(begin) && key < asString(end) {
			*c = cell{loaded: true, dirty: true}
		}
	}
	_ = b.rows.DeleteRange(begin, end, nil) // appends to memory
}

// write makes the batch durable and frees it.
func (b *batch) write() error {
	defer b.close()
	for key, c := range b.cells {
		switch {
		case !c.dirty:
		case c.value == nil:
			_ = b.rows.Delete([]byte(key), nil) // appends to memory
		default:
			_ = b.rows.Set([]byte(key), c.value, nil) // appends to memory
		}
	}
	raised := b.db.versions.raise(b.version)
	if raised > 0 {
		writeNumber(b.rows, ceilingKey, uint64(raised))
	}
	if b.rows.Empty() { // nothing but conflicts
		return b.db.guard.failure()
	}
	b.db.counters.bytesWritten.Add(uint64(b.rows.Len()))
	b.db.counters.syncs.Add(1)
	err := b.rows.Commit(pebble.Sync)
	if err == nil {
		err = b.db.guard.failure()
	}
	if err == nil && raised > 0 {
		b.db.versions.raised(raised)
	}
	return err
}
