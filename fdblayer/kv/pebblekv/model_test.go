package pebblekv_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// TestAgainstModel keeps several random transactions open at once, at fresh, older and too old versions,
// and holds every read and every commit against a model: a read sees the state of its version with the
// transaction's own writes; a commit that succeeds would have read the same at its place in the order; one
// that conflicts has met a write of another.
func TestAgainstModel(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 15
	}
	outcomes := map[kv.ErrorKind]int{}
	for seed := range uint64(seeds) {
		m := newModelRun(t, seed)
		for range 300 {
			m.step()
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(m.log, "\n"))
			}
		}
		for kind, n := range m.outcomes {
			outcomes[kind] += n
		}
	}
	for _, kind := range []kv.ErrorKind{0, kv.Conflict, kv.TooOld} {
		if outcomes[kind] < seeds {
			t.Errorf("outcomes %v: too few of %v", outcomes, kind)
		}
	}
}

// modelKeys are all keys there are; a boundary of a range is one of them or legal 0xff.
var modelKeys = []string{"a", "a\x00", "b", "ba", "c", "d", "e", "f"}

type modelState map[string]string

// modelRange is the keys from an index to another, excluded.
type modelRange struct{ from, to int }

func (r modelRange) keys() []string { return modelKeys[r.from:r.to] }

func (r modelRange) kv() kv.Range {
	bound := func(i int) []byte {
		if i == len(modelKeys) {
			return []byte{0xff}
		}
		return []byte(modelKeys[i])
	}
	return kv.Range{Begin: bound(r.from), End: bound(r.to)}
}

// modelCommit is a commit as the model knows it.
type modelCommit struct {
	version kv.Version
	state   modelState      // after it
	touched map[string]bool // keys that others conflict with
}

// modelTx is an open transaction. Its program is what it did, to be done again elsewhere.
type modelTx struct {
	tx      kv.Tx
	name    string
	version kv.Version    // 0: not fixed
	fixedAt time.Duration // when the version was
	program []modelOp
	reads   bool
	own     map[string]bool // keys whose value follows from own writes alone
	touched map[string]bool
	pinned  map[string]bool // explicit read conflicts that count
}

// modelOp changes a state, or reads it and returns what it saw.
type modelOp struct {
	change func(modelState)
	read   func(modelState) string
	saw    string
}

type modelRun struct {
	t        *testing.T
	rng      *rand.Rand
	clock    clock
	db       *pebblekv.DB
	commits  []modelCommit
	open     []*modelTx
	outcomes map[kv.ErrorKind]int
	log      []string
	names    int
}

func newModelRun(t *testing.T, seed uint64) *modelRun {
	m := &modelRun{t: t, rng: rand.New(rand.NewPCG(seed, 3)), outcomes: map[kv.ErrorKind]int{}}
	m.db = open(t, pebblekv.Options{Dir: "db", FS: vfs.NewMem(), Clock: m.clock.read})
	m.commits = []modelCommit{{state: modelState{}}}
	return m
}

func (m *modelRun) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *modelRun) key() string { return modelKeys[m.rng.IntN(len(modelKeys))] }

func (m *modelRun) span() modelRange {
	a, b := m.rng.IntN(len(modelKeys)+1), m.rng.IntN(len(modelKeys)+1)
	return modelRange{min(a, b), max(a, b)}
}

// at is the last commit not behind a version.
func (m *modelRun) at(v kv.Version) modelCommit {
	i := len(m.commits) - 1
	for i > 0 && m.commits[i].version > v {
		i--
	}
	return m.commits[i]
}

func (m *modelRun) step() {
	if m.rng.IntN(25) == 0 {
		d := time.Duration(m.rng.IntN(4000)) * time.Millisecond
		m.clock.now.Add(int64(d))
		m.note("%v pass", d)
	}
	if len(m.open) < 4 {
		m.begin()
	}
	i := m.rng.IntN(len(m.open))
	x := m.open[i]
	var err error
	switch n := m.rng.IntN(20); {
	case n < 4:
		err = m.get(x)
	case n < 7:
		err = m.getRange(x)
	case n < 14:
		m.write(x)
	case n < 16:
		m.declare(x)
	default:
		m.commit(x)
		m.open = slices.Delete(m.open, i, i+1)
		return
	}
	if err != nil {
		m.refused(x, err)
		x.tx.Cancel()
		m.open = slices.Delete(m.open, i, i+1)
	}
}

func (m *modelRun) begin() {
	x := &modelTx{name: fmt.Sprint("tx", m.names), own: map[string]bool{}, touched: map[string]bool{}, pinned: map[string]bool{}}
	m.names++
	if m.rng.IntN(3) == 0 {
		x.version = m.commits[m.rng.IntN(len(m.commits))].version
	}
	x.tx = m.db.Begin(kv.TxOptions{ReadVersion: x.version})
	m.note("%s begins at %d", x.name, x.version)
	m.open = append(m.open, x)
}

// fix asks for the read version, as the first read would.
func (m *modelRun) fix(x *modelTx) error {
	if x.fixedAt != 0 {
		return nil
	}
	v, err := x.tx.ReadVersion().Get(m.t.Context())
	if err != nil {
		return err
	}
	if newest := m.commits[len(m.commits)-1].version; x.version == 0 && v.Version < newest {
		m.t.Errorf("%s: fresh version %d, %d was committed", x.name, v.Version, newest)
	}
	given := x.version != 0
	x.version, x.fixedAt = v.Version, m.clock.read()+1
	if given {
		x.fixedAt = -1 // how old it was is not known here
	}
	return nil
}

// refused holds that an error is one of age, and that there is a reason for it.
func (m *modelRun) refused(x *modelTx, err error) {
	m.note("%s: %v", x.name, err)
	m.outcomes[kv.KindOf(err)]++
	if kv.KindOf(err) != kv.TooOld || x.fixedAt > 0 && m.clock.read()-x.fixedAt < 4*time.Second {
		m.t.Errorf("%s: %v at %v, version of %v", x.name, err, m.clock.read(), x.fixedAt)
	}
}

// run does a program again on a state; check compares what it reads.
func (x *modelTx) run(s modelState, check func(modelOp, string)) modelState {
	s = maps.Clone(s)
	for _, op := range x.program {
		if op.change != nil {
			op.change(s)
		} else if got := op.read(s); check != nil {
			check(op, got)
		}
	}
	return s
}

// addRead notes a read, and holds it against the model.
func (m *modelRun) addRead(x *modelTx, snapshot bool, saw string, read func(modelState) string) {
	m.note("%s reads %s (snapshot %v)", x.name, saw, snapshot)
	if want := read(x.run(m.at(x.version).state, nil)); saw != want {
		m.t.Errorf("%s at %d: read %s, want %s", x.name, x.version, saw, want)
	}
	if !snapshot {
		x.reads = true
		x.program = append(x.program, modelOp{read: read, saw: saw})
	}
}

func (m *modelRun) get(x *modelTx) error {
	if err := m.fix(x); err != nil {
		return err
	}
	key, snapshot := m.key(), m.rng.IntN(4) == 0
	r := kv.Reader(x.tx)
	if snapshot {
		r = x.tx.Snapshot()
	}
	value, err := r.Get([]byte(key)).Get(m.t.Context())
	if err != nil {
		return err
	}
	saw := fmt.Sprintf("%q=%q", key, value)
	if value == nil {
		saw = fmt.Sprintf("%q absent", key)
	}
	m.addRead(x, snapshot, saw, func(s modelState) string {
		if v, ok := s[key]; ok {
			return fmt.Sprintf("%q=%q", key, v)
		}
		return fmt.Sprintf("%q absent", key)
	})
	return nil
}

func (m *modelRun) getRange(x *modelTx) error {
	if err := m.fix(x); err != nil {
		return err
	}
	span, snapshot := m.span(), m.rng.IntN(4) == 0
	o := kv.RangeOptions{Limit: m.rng.IntN(4), Reverse: m.rng.IntN(2) == 0}
	r := kv.Reader(x.tx)
	if snapshot {
		r = x.tx.Snapshot()
	}
	page, err := r.GetRange(span.kv(), o).Get(m.t.Context())
	if err != nil {
		return err
	}
	saw := fmt.Sprintf("%v %v:", span, o)
	for _, row := range page.Rows {
		saw += fmt.Sprintf(" %q=%q", row.Key, row.Value)
	}
	m.addRead(x, snapshot, saw, func(s modelState) string {
		text, n := fmt.Sprintf("%v %v:", span, o), 0
		keys := slices.Clone(span.keys())
		if o.Reverse {
			slices.Reverse(keys)
		}
		for _, key := range keys {
			if v, ok := s[key]; ok && (o.Limit == 0 || n < o.Limit) {
				text += fmt.Sprintf(" %q=%q", key, v)
				n++
			}
		}
		return text
	})
	return nil
}

func (x *modelTx) change(keys []string, known bool, f func(modelState)) {
	for _, key := range keys {
		x.touched[key] = true
		if known {
			x.own[key] = true
		}
	}
	x.program = append(x.program, modelOp{change: f})
}

func (m *modelRun) write(x *modelTx) {
	key := m.key()
	switch m.rng.IntN(7) {
	case 0:
		m.note("%s clears %q", x.name, key)
		x.tx.Clear([]byte(key))
		x.change([]string{key}, true, func(s modelState) { delete(s, key) })
	case 1:
		span := m.span()
		m.note("%s clears %v", x.name, span)
		x.tx.ClearRange(span.kv())
		x.change(span.keys(), true, func(s modelState) {
			for _, key := range span.keys() {
				delete(s, key)
			}
		})
	case 2, 3:
		m.note("%s adds to %q", x.name, key)
		x.tx.Atomic(kv.Add, []byte(key), []byte{1})
		x.change([]string{key}, false, func(s modelState) {
			first := byte(0)
			if v := s[key]; v != "" {
				first = v[0]
			}
			s[key] = string([]byte{first + 1})
		})
	case 4:
		m.note("%s clears %q if it is 1", x.name, key)
		x.tx.Atomic(kv.CompareAndClear, []byte(key), []byte{1})
		x.change([]string{key}, false, func(s modelState) {
			if s[key] == "\x01" {
				delete(s, key)
			}
		})
	default:
		value := string([]byte{byte(m.rng.IntN(3))})
		m.note("%s sets %q=%q", x.name, key, value)
		x.tx.Set([]byte(key), []byte(value))
		x.change([]string{key}, true, func(s modelState) { s[key] = value })
	}
}

func (m *modelRun) declare(x *modelTx) {
	span := m.span()
	if m.rng.IntN(2) == 0 {
		m.note("%s declares a write of %v", x.name, span)
		x.tx.AddWriteConflict(span.kv())
		for _, key := range span.keys() {
			x.touched[key] = true
		}
		return
	}
	m.note("%s declares a read of %v", x.name, span)
	x.tx.AddReadConflict(span.kv())
	x.reads = x.reads || len(span.keys()) > 0
	for _, key := range span.keys() {
		if !x.own[key] {
			x.pinned[key] = true
		}
	}
}

// touchedSince is what others have written since the transaction's version.
func (m *modelRun) touchedSince(v kv.Version) map[string]bool {
	touched := map[string]bool{}
	for _, c := range m.commits {
		if c.version > v {
			maps.Copy(touched, c.touched)
		}
	}
	return touched
}

func (m *modelRun) commit(x *modelTx) {
	if x.version == 0 && x.reads { // nothing but declared conflicts: at the newest state
		x.version = m.commits[len(m.commits)-1].version
	}
	c, err := x.tx.Commit(m.t.Context())
	m.note("%s commits: %d, %v", x.name, c.Version, err)
	others := m.touchedSince(x.version)
	switch kv.KindOf(err) {
	case kv.Conflict:
		m.outcomes[kv.Conflict]++
		if len(others) == 0 {
			m.t.Errorf("%s conflicts, and nothing was written since %d", x.name, x.version)
		}
		return
	case kv.TooOld:
		m.refused(x, err)
		return
	}
	if err != nil {
		m.t.Errorf("%s: %v", x.name, err)
		return
	}
	m.outcomes[0]++
	if c.Stamp == (kv.Versionstamp{}) {
		return // it has only read, at one version
	}
	newest := m.commits[len(m.commits)-1]
	if c.Version <= newest.version {
		m.t.Errorf("%s: version %d after %d", x.name, c.Version, newest.version)
	}
	for key := range x.pinned {
		if others[key] {
			m.t.Errorf("%s commits, though %q was written since %d", x.name, key, x.version)
		}
	}
	state := x.run(newest.state, func(op modelOp, got string) {
		if got != op.saw {
			m.t.Errorf("%s commits: read %s, at its place it is %s", x.name, op.saw, got)
		}
	})
	m.commits = append(m.commits, modelCommit{version: c.Version, state: state, touched: x.touched})
}
