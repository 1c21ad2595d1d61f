// Package kvfault wraps any kv.Database and makes its faults happen: every typed
// error, both kinds of unknown result (with and without effect), commits that land later, reads
// that are slow, versions that jump. Which and how often follows from a seed, or from a
// script. With no rates and no script the wrapper passes everything through, and so passes kvtest.
//
// What it makes happen a real database could do: a commit that lands late has its read version
// from before the call that gave it up returned, so a conflicting write committed since keeps it out.
//
// A DB is safe for concurrent use. With one goroutine a seed gives the same faults
// again, except when a late commit lands in the background.
//
//	db := kvfault.New(engine, kvfault.Storm(seed))
//	db.OnCommit(3, kvfault.Late) // the third commit from now
//
// Only tests and experiments use it.
package kvfault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Fault is what happens to one commit or read.
type Fault uint8

// The faults. Commits of transactions without writes have none; reads have TooOld, Busy, Fatal
// and Slow.
const (
	None Fault = iota
	// Conflict, TooOld, Busy and Fatal are the errors of those kinds; the commit has no effect.
	Conflict
	TooOld
	Busy
	Fatal
	// SettledCommitted and SettledAbsent are kv.UnknownSettled, with and without effect.
	SettledCommitted
	SettledAbsent
	// Landed, Lost and Late are kv.MayStillLand: it has taken effect; it never will; it is
	// tried later, at one of the next operations or in the background.
	Landed
	Lost
	Late
	// Slow is a read whose answer takes up to Options.SlowMax.
	Slow
	// Jump is a commit before which the database's version jumps ahead.
	Jump
	faultsEnd
)

var faultNames = [faultsEnd]string{
	"none", "conflict", "too old", "busy", "fatal", "unknown, committed", "unknown, absent",
	"may still land, landed", "may still land, lost", "may still land, late", "slow", "version jump",
}

func (f Fault) String() string {
	if f < faultsEnd {
		return faultNames[f]
	}
	return fmt.Sprintf("fault %d", uint8(f))
}

// Rates are probabilities from 0 to 1, of which at most one fault happens: their sum is at most 1.
type Rates map[Fault]float64

// Options are the choices of a DB. The zero value injects nothing.
type Options struct {
	// Seed decides everything that is random.
	Seed uint64
	// Commit and Read are how often faults happen to each.
	Commit, Read Rates
	// SlowMax bounds a slow read. Default: 1 ms.
	SlowMax time.Duration
	// LateOperationsMax bounds how many operations a late commit waits. Default: 4.
	LateOperationsMax int
}

// Storm is a mixture in which every fault but Fatal happens often.
func Storm(seed uint64) Options {
	return Options{
		Seed: seed,
		Commit: Rates{
			Conflict: 0.05, TooOld: 0.03, Busy: 0.03, SettledCommitted: 0.06, SettledAbsent: 0.06,
			Landed: 0.06, Lost: 0.06, Late: 0.08, Jump: 0.05,
		},
		Read: Rates{TooOld: 0.02, Busy: 0.02, Slow: 0.02},
	}
}

const (
	defaultSlowMax           = time.Millisecond
	defaultLateOperationsMax = 4
	jumpMax                  = 8 // commits by which a version jumps
)

// jumpKey is what a jump declares a write conflict on; nothing is written there.
var jumpKey = []byte("\xfe\xfe/kvfault/jump")

// DB is a database with faults.
type DB struct {
	inner   kv.Database
	options Options

	mu         sync.Mutex
	rng        *rand.Rand
	operations int
	commits    int
	reads      int
	onCommit   map[int]Fault
	onRead     map[int]Fault
	late       []lateCommit
	counts     [faultsEnd]int
	background sync.WaitGroup
}

// lateCommit is a transaction that was given up and has not been tried yet.
type lateCommit struct {
	tx kv.Tx
	at int // operation before which it is tried
}

// New wraps a database.
func New(inner kv.Database, o Options) *DB {
	if o.SlowMax <= 0 {
		o.SlowMax = defaultSlowMax
	}
	if o.LateOperationsMax <= 0 {
		o.LateOperationsMax = defaultLateOperationsMax
	}
	return &DB{
		inner: inner, options: o, rng: rand.New(rand.NewPCG(o.Seed, 0)),
		onCommit: map[int]Fault{}, onRead: map[int]Fault{},
	}
}

// Unwrap returns the database without faults.
func (db *DB) Unwrap() kv.Database { return db.inner }

// OnCommit makes the nth commit with writes from now (the next is 1) meet a fault, whatever the rates are.
func (db *DB) OnCommit(n int, f Fault) {
	db.mu.Lock()
	db.onCommit[db.commits+n] = f
	db.mu.Unlock()
}

// OnRead does the same for the nth read from now. Asking for a read version is a read.
func (db *DB) OnRead(n int, f Fault) {
	db.mu.Lock()
	db.onRead[db.reads+n] = f
	db.mu.Unlock()
}

// Count is how often a fault has happened.
func (db *DB) Count(f Fault) int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.counts[f]
}

// Land tries all late commits now, and waits for those in the background.
func (db *DB) Land() {
	db.mu.Lock()
	late := db.late
	db.late = nil
	db.mu.Unlock()
	for _, l := range late {
		land(l.tx)
	}
	db.background.Wait()
}

// land tries a commit that was given up. Nobody waits for its result.
func land(tx kv.Tx) {
	_, _ = tx.Commit(context.Background())
	tx.Cancel()
}

// step counts an operation and tries the late commits whose turn it is.
func (db *DB) step() {
	db.mu.Lock()
	db.operations++
	var due []kv.Tx
	kept := db.late[:0]
	for _, l := range db.late {
		if l.at <= db.operations {
			due = append(due, l.tx)
		} else {
			kept = append(kept, l)
		}
	}
	db.late = kept
	db.mu.Unlock()
	for _, tx := range due {
		land(tx)
	}
}

// putOff keeps a commit for later. Its read version is fixed first, as a client's is
// when it sends its commit.
func (db *DB) putOff(ctx context.Context, tx kv.Tx) {
	if _, err := tx.ReadVersion().Get(ctx); err != nil {
		tx.Cancel()
		return
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.rng.IntN(2) == 0 {
		db.background.Go(func() { land(tx) })
		return
	}
	db.late = append(db.late, lateCommit{tx: tx, at: db.operations + 1 + db.rng.IntN(db.options.LateOperationsMax)})
}

// chooseCommit decides what happens to a commit.
func (db *DB) chooseCommit() Fault {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.commits++
	return db.chooseLocked(db.onCommit, db.commits, db.options.Commit)
}

// chooseRead decides what happens to a read, and how long it takes.
func (db *DB) chooseRead() (Fault, time.Duration) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.reads++
	f := db.chooseLocked(db.onRead, db.reads, db.options.Read)
	if f == Slow {
		return f, time.Duration(db.rng.Int64N(int64(db.options.SlowMax)) + 1)
	}
	return f, 0
}

func (db *DB) chooseLocked(script map[int]Fault, n int, rates Rates) Fault {
	f, ok := script[n]
	delete(script, n)
	if !ok && len(rates) > 0 {
		dice := db.rng.Float64()
		for candidate := None + 1; candidate < faultsEnd; candidate++ {
			if dice -= rates[candidate]; dice < 0 {
				f = candidate
				break
			}
		}
	}
	db.counts[f]++
	return f
}

// jump makes the database's version go ahead.
func (db *DB) jump(ctx context.Context) {
	db.mu.Lock()
	n := 1 + db.rng.IntN(jumpMax)
	db.mu.Unlock()
	for range n {
		tx := db.inner.Begin(kv.TxOptions{})
		tx.AddWriteConflict(kv.Range{Begin: jumpKey, End: append(jumpKey[:len(jumpKey):len(jumpKey)], 0)})
		_, _ = tx.Commit(ctx) // a jump that fails is a shorter one
		tx.Cancel()
	}
}

// Begin starts a transaction.
func (db *DB) Begin(o kv.TxOptions) kv.Tx {
	db.step()
	return &tx{Tx: db.inner.Begin(o), db: db}
}

// SplitPoints has no faults.
func (db *DB) SplitPoints(ctx context.Context, r kv.Range, sizeBytes int64) ([][]byte, error) {
	return db.inner.SplitPoints(ctx, r, sizeBytes)
}

// EstimatedSizeBytes has no faults.
func (db *DB) EstimatedSizeBytes(ctx context.Context, r kv.Range) (int64, error) {
	return db.inner.EstimatedSizeBytes(ctx, r)
}

// Close tries the late commits and closes the wrapped database.
func (db *DB) Close() error {
	db.Land()
	return db.inner.Close()
}

var _ kv.Database = (*DB)(nil)
