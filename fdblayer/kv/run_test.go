package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// script is a database whose commits end as it says, one after the other.
type script struct {
	kv.Database
	commits []error
	onBegin func(o kv.TxOptions)
	onEnd   func() // before a commit returns
	begun   int
	open    int
}

type scriptTx struct {
	kv.Tx
	s    *script
	done bool
}

func (s *script) Begin(o kv.TxOptions) kv.Tx {
	s.begun++
	s.open++
	if s.onBegin != nil {
		s.onBegin(o)
	}
	return &scriptTx{s: s}
}

func (tx *scriptTx) Cancel() {
	if !tx.done {
		tx.done = true
		tx.s.open--
	}
}

func (tx *scriptTx) Commit(ctx context.Context) (kv.Commit, error) {
	if tx.s.onEnd != nil {
		tx.s.onEnd()
	}
	err := tx.s.commits[0]
	tx.s.commits = tx.s.commits[1:]
	if err != nil {
		return kv.Commit{}, err
	}
	return kv.Commit{Version: 7}, nil
}

// evidence answers Settle as it says.
type evidence struct {
	marked, settled int
	landed          bool
	err             error
	ctxErr          error
	deadline        bool
}

func (e *evidence) Mark(kv.Tx) { e.marked++ }

func (e *evidence) Settle(ctx context.Context, cause error) (kv.Commit, bool, error) {
	e.settled++
	e.ctxErr = ctx.Err()
	_, e.deadline = ctx.Deadline()
	return kv.Commit{Version: 9}, e.landed, e.err
}

func failed(k kv.ErrorKind) error { return &kv.Error{Op: "test", Kind: k, Code: 1} }

func wrapped(k kv.ErrorKind) error { return fmt.Errorf("reading a row: %w", failed(k)) }

// TestRun gives every kind of failure at every place, and looks at what comes
// out and how often it was tried. Time is faked: pauses cost nothing.
func TestRun(t *testing.T) {
	other := errors.New("other")
	rows := []struct {
		name     string
		commits  []error
		f        []error // of the attempts; nil behind the end
		evidence *evidence
		attempts int
		want     kv.ErrorKind // 0: success
		wantIs   error
		begun    int
		version  kv.Version
		settled  int
	}{
		{name: "success", commits: []error{nil}, begun: 1, version: 7},
		{name: "conflict, then success", commits: []error{failed(kv.Conflict), nil}, begun: 2, version: 7},
		{name: "too old and busy, then success", commits: []error{failed(kv.TooOld), failed(kv.Busy), nil}, begun: 3, version: 7},
		{name: "fatal", commits: []error{failed(kv.Fatal)}, begun: 1, want: kv.Fatal},
		{name: "full", commits: []error{&kv.Error{Kind: kv.Busy, Err: kv.ErrFull}}, begun: 1, want: kv.Busy, wantIs: kv.ErrFull},
		{name: "conflicts for ever", commits: []error{failed(kv.Conflict), failed(kv.Conflict)}, attempts: 2, begun: 2, want: kv.Conflict},
		{name: "error of f", f: []error{other}, begun: 1, wantIs: other},
		{name: "read error in f", f: []error{failed(kv.TooOld)}, commits: []error{nil}, begun: 2, version: 7},
		{name: "wrapped read error in f", f: []error{wrapped(kv.Busy), wrapped(kv.TooOld)}, commits: []error{nil}, begun: 3, version: 7},
		{name: "fatal read error in f", f: []error{wrapped(kv.Fatal)}, begun: 1, want: kv.Fatal},
		{name: "unknown inside f is no reason to run again", f: []error{errors.Join(failed(kv.Conflict), failed(kv.MayStillLand))}, begun: 1, want: kv.MayStillLand},
		{name: "unknown without evidence", commits: []error{failed(kv.UnknownSettled)}, begun: 1, want: kv.UnknownSettled},
		{name: "may still land without evidence", commits: []error{failed(kv.MayStillLand)}, begun: 1, want: kv.MayStillLand},
		{name: "untyped error of commit", commits: []error{other}, begun: 1, want: kv.MayStillLand, wantIs: other},
		{name: "unknown, landed", commits: []error{failed(kv.UnknownSettled)}, evidence: &evidence{landed: true}, begun: 1, version: 9, settled: 1},
		{name: "may still land, landed", commits: []error{failed(kv.MayStillLand)}, evidence: &evidence{landed: true}, begun: 1, version: 9, settled: 1},
		{name: "unknown, absent, then success", commits: []error{failed(kv.UnknownSettled), nil}, evidence: &evidence{}, begun: 2, version: 7, settled: 1},
		{name: "unknown, can't settle", commits: []error{failed(kv.UnknownSettled)}, evidence: &evidence{err: failed(kv.Conflict)}, begun: 1, want: kv.UnknownSettled, settled: 1},
		{name: "untyped error of commit, can't settle", commits: []error{other}, evidence: &evidence{err: other}, begun: 1, want: kv.MayStillLand, settled: 1},
		{name: "absent again and again", commits: []error{failed(kv.MayStillLand), failed(kv.MayStillLand)}, attempts: 2, evidence: &evidence{}, begun: 2, want: kv.Busy, settled: 2},
		{name: "conflict needs no settling", commits: []error{failed(kv.Conflict), nil}, evidence: &evidence{landed: true}, begun: 2, version: 7},
		{name: "context error of commit", commits: []error{context.Canceled}, evidence: &evidence{landed: true}, begun: 1, wantIs: context.Canceled},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{commits: r.commits}
				o := kv.RunOptions{AttemptsMax: r.attempts}
				if r.evidence != nil {
					o.Evidence = r.evidence
				}
				calls := 0
				commit, err := kv.Run(t.Context(), s, o, func(kv.Tx) error {
					calls++
					if calls <= len(r.f) {
						return r.f[calls-1]
					}
					return nil
				})
				if (err == nil) != (r.want == 0 && r.wantIs == nil) || kv.KindOf(err) != r.want || r.wantIs != nil && !errors.Is(err, r.wantIs) {
					t.Fatalf("got %v, want kind %v, error %v", err, r.want, r.wantIs)
				}
				if commit.Version != r.version || s.begun != r.begun || s.open != 0 {
					t.Fatalf("got version %d, %d attempts, %d transactions not ended; want %d, %d, 0", commit.Version, s.begun, s.open, r.version, r.begun)
				}
				if r.evidence != nil && (r.evidence.settled != r.settled || r.evidence.marked != s.begun) {
					t.Fatalf("settled %d times, marked %d; want %d, %d", r.evidence.settled, r.evidence.marked, r.settled, s.begun)
				}
			})
		})
	}
}

// TestRunContext ends the context before an attempt, in a pause, and during a
// commit, whose result must be settled all the same.
func TestRunContext(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := &script{}
		if _, err := kv.Run(ctx, s, kv.RunOptions{}, func(kv.Tx) error { return nil }); err != context.Canceled || s.begun != 0 {
			t.Fatalf("got %v, %d attempts; want context.Canceled, 0", err, s.begun)
		}
	})
	t.Run("in a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := kv.Run(ctx, &script{commits: make([]error, 100)}, kv.RunOptions{AttemptsMax: 100}, func(kv.Tx) error { return failed(kv.Busy) })
			if err != context.DeadlineExceeded || time.Since(began) != 50*time.Millisecond {
				t.Fatalf("got %v after %v; want the deadline after 50 ms", err, time.Since(began))
			}
		})
	})
	t.Run("during a commit that landed", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &script{commits: []error{&kv.Error{Kind: kv.MayStillLand, Err: context.Canceled}}, onEnd: cancel}
		e := &evidence{landed: true}
		commit, err := kv.Run(ctx, s, kv.RunOptions{Evidence: e}, func(kv.Tx) error { return nil })
		if err != nil || commit.Version != 9 || e.ctxErr != nil || !e.deadline {
			t.Fatalf("got %v, %v; settled under context error %v, deadline %v", commit, err, e.ctxErr, e.deadline)
		}
	})
	t.Run("during a commit that did not land", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &script{commits: []error{&kv.Error{Kind: kv.MayStillLand, Err: context.Canceled}}, onEnd: cancel}
		_, err := kv.Run(ctx, s, kv.RunOptions{Evidence: &evidence{}}, func(kv.Tx) error { return nil })
		if err != context.Canceled || s.begun != 1 {
			t.Fatalf("got %v, %d attempts; want context.Canceled, 1", err, s.begun)
		}
	})
}

// TestRunBegin wants every attempt to ask for its version and to be told why.
func TestRunBegin(t *testing.T) {
	var got []kv.Version
	s := &script{commits: []error{failed(kv.Conflict), nil}, onBegin: func(o kv.TxOptions) { got = append(got, o.ReadVersion) }}
	var lasts []error
	_, err := kv.Run(t.Context(), s, kv.RunOptions{Begin: func(_ context.Context, last error) (kv.Version, error) {
		lasts = append(lasts, last)
		return kv.Version(10 + len(lasts)), nil
	}}, func(kv.Tx) error { return nil })
	if err != nil || len(got) != 2 || got[0] != 11 || got[1] != 12 || lasts[0] != nil || !errors.Is(lasts[1], kv.Conflict) {
		t.Fatalf("got %v, versions %v, errors %v", err, got, lasts)
	}
	other := errors.New("other")
	_, err = kv.Run(t.Context(), s, kv.RunOptions{Begin: func(context.Context, error) (kv.Version, error) { return 0, other }}, func(kv.Tx) error { return nil })
	if !errors.Is(err, other) {
		t.Fatalf("got %v, want Begin's error", err)
	}
}
