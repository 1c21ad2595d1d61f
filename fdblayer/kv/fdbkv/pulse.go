//go:build fdb

package fdbkv

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// pulse knows whether the cluster hands out read versions. The client keeps some kilobytes for every
// one that was asked for until the cluster answers, also when its transaction is long gone. So
// while the cluster is away only the pulse asks; everybody else is told Busy at once, and
// kv.Run waits and tries again.
type pulse struct {
	began    time.Time    // of the clock of the other two
	asked    atomic.Int64 // when the outstanding request was sent; 0: there is none
	answered atomic.Int64 // when the last one was answered
}

const (
	// awayAfter is more than a busy cluster takes for a read version, and less than most recoveries.
	awayAfter = 2 * time.Second
	// pulseEvery bounds the requests of the pulse; none is sent without work.
	pulseEvery = 200 * time.Millisecond
)

var errAway = errors.New("the cluster does not answer")

// versionNeeded is called before the client asks for a read version of the transaction's own.
func (t *transaction) versionNeeded(op string) error {
	if t.asksVersion {
		return nil
	}
	if !t.db.answers() {
		return &kv.Error{Op: "fdbkv." + op, Kind: kv.Busy, Err: errAway}
	}
	t.asksVersion = true
	return nil
}

// answers reports whether the cluster can be expected to answer, and keeps the pulse going.
func (db *DB) answers() bool {
	now := int64(time.Since(db.pulse.began))
	asked := db.pulse.asked.Load()
	if asked != 0 {
		return now-asked < int64(awayAfter)
	}
	if now-db.pulse.answered.Load() >= int64(pulseEvery) && db.pulse.asked.CompareAndSwap(0, now) {
		db.ask()
	}
	return true
}

// ask sends one request for a read version, and waits for it however long it takes; Close
// ends it.
func (db *DB) ask() {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return
	}
	db.pulses.Add(1)
	db.mu.Unlock()
	t := db.begin(kv.TxOptions{})
	t.asksVersion = true
	answer := t.ReadVersion() // an error is an answer
	go func() {
		defer db.pulses.Done()
		_, _ = answer.Get(context.Background())
		t.Cancel()
		db.pulse.answered.Store(int64(time.Since(db.pulse.began)))
		db.pulse.asked.Store(0)
	}()
}
