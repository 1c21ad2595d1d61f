//go:build fdb

package fdbkv

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Commit tries to make the writes take effect.
func (t *transaction) Commit(ctx context.Context) (kv.Commit, error) {
	const op = "Commit"
	if err := ctx.Err(); err != nil {
		t.end(txCommitted)
		return kv.Commit{}, err
	}
	if err := t.readable(op); err != nil {
		t.end(txCommitted)
		return kv.Commit{}, err
	}
	if !t.writes {
		at, err := t.ReadVersion().Get(ctx)
		t.end(txCommitted)
		return kv.Commit{Version: at.Version}, err
	}
	if !t.enter() {
		t.end(txCommitted)
		return kv.Commit{}, fatal(op, kv.CodeTransactionCancelled)
	}
	defer t.end(txCommitted)
	defer t.leave()
	return t.commit(ctx)
}

// commit sends the writes and waits for the outcome. From here on only the client's answer
// says that nothing has happened.
func (t *transaction) commit(ctx context.Context) (kv.Commit, error) {
	const op = "Commit"
	stamp := t.tr.GetVersionstamp() // before the commit: nothing may be asked after
	committed := t.tr.Commit()
	stop := watch(ctx, t)
	err := committed.Get()
	stop()
	if err != nil {
		e := commitError(op, err)
		if ctx.Err() != nil && e.Kind.Unknown() {
			e.Err = fmt.Errorf("%w: %w", ctx.Err(), e.Err)
		}
		t.db.counters.failed(e.Kind)
		return kv.Commit{}, e
	}
	var c kv.Commit
	key, err := stamp.Get()
	if err == nil && len(key) != len(c.Stamp) {
		err = fmt.Errorf("the stamp has %d bytes", len(key))
	}
	if err != nil { // it took effect; where in the order, its evidence says
		t.db.counters.failed(kv.UnknownSettled)
		return kv.Commit{}, &kv.Error{Op: "fdbkv." + op, Kind: kv.UnknownSettled, Code: codeOf(err), Err: err}
	}
	copy(c.Stamp[:], key)
	c.Version = kv.Version(binary.BigEndian.Uint64(key))
	t.db.counters.committed(t.sizeBytes)
	return c, nil
}
