package pebblekv

import (
	"cmp"
	"context"
	"encoding/binary"
	"runtime"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// stampOf is the stamp of a commit: its version, and its order in the batch.
func stampOf(v kv.Version, order uint16) (s kv.Versionstamp) {
	binary.BigEndian.PutUint64(s[:], uint64(v))
	binary.BigEndian.PutUint16(s[8:], order)
	return s
}

// Commit waits for the committer. A context that ends while the transaction
// still waits takes it back, and its error is returned: nothing happened.
func (tx *transaction) Commit(ctx context.Context) (kv.Commit, error) {
	switch tx.state {
	case txCancelled:
		return kv.Commit{}, fatal("Commit", kv.CodeTransactionCancelled)
	case txCommitted:
		return kv.Commit{}, fatal("Commit", kv.CodeUsedDuringCommit)
	}
	defer tx.end(txCommitted)
	if err := tx.checkCommit(ctx); err != nil {
		return kv.Commit{}, err
	}
	if len(tx.mutations) == 0 && len(tx.writeConflicts) == 0 && !tx.bump {
		if err := tx.begin(); err != nil {
			return kv.Commit{}, err
		}
		return kv.Commit{Version: tx.readVersion()}, nil
	}
	release, err := tx.db.queue.acquire(ctx, tx)
	if err != nil {
		return kv.Commit{}, err
	}
	defer release()
	r := tx.request()
	if !tx.db.queue.put(r) {
		return kv.Commit{}, errClosed("Commit")
	}
	select {
	case <-r.done:
		return r.commit, r.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(commitQueued, commitAbandoned) {
		tx.db.queue.drop(r)
		return kv.Commit{}, ctx.Err()
	}
	select {
	case <-r.done: // it may have been decided in the same moment
		return r.commit, r.err
	default:
		return kv.Commit{}, &kv.Error{Op: "pebblekv.Commit", Kind: kv.MayStillLand, Code: kv.CodeTransactionCancelled, Err: ctx.Err()}
	}
}

// checkCommit finds what needs no committer to be refused.
func (tx *transaction) checkCommit(ctx context.Context) error {
	if err := cmp.Or(tx.err, tx.readErr); err != nil {
		return err
	}
	if tx.sizeBytes > kv.TransactionMaxBytes {
		return fatal("Commit", kv.CodeTransactionTooLarge)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(tx.readConflicts) == 0 {
		return nil
	}
	if err := tx.begin(); err != nil {
		return err
	}
	if tx.db.versions.clock() > tx.until {
		return errTooOld("Commit")
	}
	return nil
}

// request prepares what can be prepared outside the committer.
func (tx *transaction) request() *request {
	r := &request{tx: tx, done: make(chan struct{})}
	if tx.snapshot != nil {
		r.version = tx.readVersion()
	}
	points, size := 0, 0
	each := func(f func(key []byte)) {
		for i := range tx.mutations {
			if m := &tx.mutations[i]; m.op != opClearRange && m.op != opStampKey {
				f(m.key)
			}
		}
		for i := range tx.writeConflicts {
			if tx.writeConflicts[i].point {
				f(tx.writeConflicts[i].begin)
			}
		}
	}
	each(func(key []byte) { points++; size += len(key) })
	// One copy for all keys: the history keeps them when the arena is long gone.
	all := make([]byte, 0, size)
	r.keys = make([]string, 0, points+1)
	each(func(key []byte) {
		from := len(all)
		all = append(all, key...)
		r.keys = append(r.keys, asString(all[from:]))
	})
	return r
}

// commitLoop is the committer.
func (db *DB) commitLoop() {
	for {
		// Callers that were just answered put their next transaction in
		// now, and it joins this batch.
		runtime.Gosched()
		requests, ok := db.queue.take()
		if !ok {
			return
		}
		db.commitBatch(requests)
	}
}

// refusal is the error for every commit, if none can be taken now.
func (db *DB) refusal() error {
	if err := db.guard.failure(); err != nil {
		return &kv.Error{Op: "pebblekv.Commit", Kind: kv.Fatal, Err: withFull(err)}
	}
	return db.space.check()
}

// commitBatch decides about requests, writes the accepted ones with one sync, and answers.
func (db *DB) commitBatch(requests []*request) {
	if err := db.refusal(); err != nil {
		for _, r := range requests {
			if r.state.CompareAndSwap(commitQueued, commitTaken) {
				db.counters.refused.Add(1)
				r.finish(kv.Commit{}, err)
			}
		}
		return
	}
	version := db.versions.begin()
	b := newBatch(db, version, requests)
	accepted := requests[:0]
	for _, r := range requests {
		if !r.state.CompareAndSwap(commitQueued, commitTaken) {
			continue
		}
		if err := db.decide(r); err != nil {
			r.finish(kv.Commit{}, err)
			continue
		}
		stamp := stampOf(version, uint16(len(accepted)))
		if err := b.add(r, stamp); err != nil {
			r.finish(kv.Commit{}, &kv.Error{Op: "pebblekv.Commit", Kind: kv.Fatal, Err: err})
			continue
		}
		r.commit = kv.Commit{Version: version, Stamp: stamp}
		accepted = append(accepted, r)
	}
	if len(accepted) == 0 {
		b.close()
		db.versions.end()
		return
	}
	if err := b.write(); err != nil {
		db.answerUnknown(accepted, err)
		return
	}
	db.counters.batches.Add(1)
	db.counters.commits.Add(uint64(len(accepted)))
	db.history.forget(db.versions.publish(version, db.metadata))
	for _, r := range accepted {
		r.finish(r.commit, nil)
	}
}

// decide checks a request against everything committed since its read version.
func (db *DB) decide(r *request) error {
	tx := r.tx
	if len(tx.readConflicts) == 0 {
		return nil
	}
	if r.version < db.history.floor {
		db.counters.tooOld.Add(1)
		return errTooOld("Commit")
	}
	for _, s := range tx.readConflicts {
		if db.history.changed(s, r.version) {
			db.counters.conflicts.Add(1)
			return &kv.Error{Op: "pebblekv.Commit", Kind: kv.Conflict, Code: kv.CodeNotCommitted}
		}
	}
	return nil
}

// answerUnknown ends a batch whose write failed: it is in memory, perhaps on
// disk, and a restart will show. The guard lets nothing be written after it.
func (db *DB) answerUnknown(accepted []*request, err error) {
	db.counters.unknown.Add(uint64(len(accepted)))
	db.log.Error("metadata: commits with an unknown result", zap.Int("commits", len(accepted)), zap.String("error", err.Error()))
	for _, r := range accepted {
		r.finish(kv.Commit{}, &kv.Error{Op: "pebblekv.Commit", Kind: kv.MayStillLand, Err: withFull(err)})
	}
}
