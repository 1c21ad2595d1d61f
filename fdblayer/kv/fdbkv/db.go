//go:build fdb

package fdbkv

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apple/foundationdb/bindings/go/src/fdb"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// DB is a FoundationDB cluster. It is safe for concurrent use.
type DB struct {
	handles []handle
	turn    atomic.Uint32 // whose handle is next

	mu     sync.Mutex
	closed bool                      // guarded by mu, as all below
	open   map[*transaction]struct{} // begun and not ended
	idle   []idle                    // reset, to be used again

	pulse  pulse
	pulses sync.WaitGroup

	counters counters
}

// idle is a transaction of the client that may be used again.
type idle struct{ tr fdb.Transaction }

// idleMax bounds the transactions kept for use; one takes some kilobytes.
const idleMax = 1024

var errClosed = errors.New("the database is closed")

// Open starts the client, if this is the process's first, and returns a handle of a
// cluster. It does not wait for the cluster: while that is away reads and
// commits wait, until their contexts end.
func Open(o Options) (*DB, error) {
	o = o.withDefaults()
	err := o.validate()
	var handles []handle
	if err == nil {
		handles, err = openDatabases(o)
	}
	if err != nil {
		return nil, &kv.Error{Op: "fdbkv.Open", Kind: kv.Fatal, Err: err}
	}
	o.Log.Info("FoundationDB", zap.String("clusterFile", o.ClusterFile), zap.Int("apiVersion", apiVersion),
		zap.Int("clientThreads", o.ClientThreads), zap.Bool("tls", o.TLSCertFile != ""))
	return &DB{handles: handles, open: map[*transaction]struct{}{}, pulse: pulse{began: time.Now().Add(-pulseEvery)}}, nil
}

// Begin starts a transaction.
func (db *DB) Begin(o kv.TxOptions) kv.Tx { return db.begin(o) }

func (db *DB) begin(o kv.TxOptions) *transaction {
	t := &transaction{db: db, options: o, asksVersion: o.ReadVersion != 0}
	var err error
	if t.tr, err = db.take(t); err != nil {
		t.state = txFailed
		t.err = &kv.Error{Op: "fdbkv.Begin", Kind: kv.Fatal, Code: codeOf(err), Err: err}
		return t
	}
	if o.Priority == kv.Batch {
		if err := t.tr.Options().SetPriorityBatch(); err != nil {
			t.fail("Begin", codeOf(err))
		}
	}
	if o.ReadVersion != 0 {
		t.tr.SetReadVersion(int64(o.ReadVersion))
	}
	return t
}

// take finds or makes a transaction of the client for t.
func (db *DB) take(t *transaction) (fdb.Transaction, error) {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return fdb.Transaction{}, errClosed
	}
	db.open[t] = struct{}{}
	if n := len(db.idle) - 1; n >= 0 {
		tr := db.idle[n].tr
		db.idle[n] = idle{}
		db.idle = db.idle[:n]
		db.mu.Unlock()
		return tr, nil
	}
	db.mu.Unlock()
	tr, err := db.handles[db.turn.Add(1)%uint32(len(db.handles))].CreateTransaction()
	if err != nil {
		db.mu.Lock()
		delete(db.open, t)
		db.mu.Unlock()
	}
	return tr, err
}

// release takes back what take gave. Nobody uses or waits for it any more.
func (db *DB) release(t *transaction) {
	t.tr.Reset() // frees what it holds
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.open, t)
	if !db.closed && len(db.idle) < idleMax {
		db.idle = append(db.idle, idle{t.tr})
	}
}

// Close ends the transactions under way and lets go of the cluster. The client goes on
// running: it can't be started a second time in a process.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.idle = nil
	under := make([]*transaction, 0, len(db.open))
	for t := range db.open {
		under = append(under, t)
	}
	db.mu.Unlock()
	for _, t := range under {
		t.abort()
	}
	db.pulses.Wait()
	client.mu.Lock()
	defer client.mu.Unlock()
	closeDatabases(db.handles)
	return nil
}

// SplitPoints asks the storage servers for keys that cut the range.
func (db *DB) SplitPoints(ctx context.Context, r kv.Range, sizeBytes int64) ([][]byte, error) {
	var points [][]byte
	_, err := kv.Run(ctx, db, kv.RunOptions{}, func(tx kv.Tx) (err error) {
		points, err = tx.(*transaction).splitPoints(r, sizeBytes).Get(ctx)
		return err
	})
	return points, err
}

// EstimatedSizeBytes asks the storage servers, which sample the sizes of rows: below some
// megabytes the answer is rough.
func (db *DB) EstimatedSizeBytes(ctx context.Context, r kv.Range) (int64, error) {
	var size int64
	_, err := kv.Run(ctx, db, kv.RunOptions{}, func(tx kv.Tx) (err error) {
		size, err = tx.(*transaction).estimatedSize(r).Get(ctx)
		return err
	})
	return size, err
}

var _ kv.Database = (*DB)(nil)
