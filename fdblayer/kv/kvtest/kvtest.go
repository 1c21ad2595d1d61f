// Package kvtest is the conformance suite that every engine of kv passes: a kv.Database is
// what passes it. It asserts what FoundationDB does, and nothing that FoundationDB leaves
// open, so that it runs on a real cluster as well. Only tests import it.
//
// Concurrency: Run's subtests are sequential unless a test says otherwise; those
// on concurrency start and await their own goroutines.
//
//	func TestConformance(t *testing.T) {
//		kvtest.Run(t, func(t *testing.T) kvtest.Harness {
//			return kvtest.Harness{DB: open(t), Prefix: []byte("t/")}
//		})
//	}
package kvtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Harness is an engine under test, empty below Prefix.
type Harness struct {
	DB kv.Database
	// Prefix begins every key that the suite touches. It may be empty.
	Prefix []byte
	// Reopen, if set, closes the database and opens it again, as after a restart.
	Reopen func(t *testing.T) kv.Database
	// Age, if set, makes every version handed out so far this much older: it
	// moves the engine's clock, or waits.
	Age func(t *testing.T, d time.Duration)
	// Part says that DB is a part of a database (kvenv.WithPrefix): the limits of keys are not its own.
	Part bool
}

// Run runs the suite. open is called for every test; it registers what must be
// closed with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"basics", basics},
		{"ranges", ranges},
		{"own writes", ownWrites},
		{"atomic", atomics},
		{"stamps", stamps},
		{"conflicts", conflicts},
		{"versions", versions},
		{"limits", limits},
		{"concurrency", concurrency},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					s := &suite{T: t, Harness: open(t)}
					if s.Part && g.name == "limits" {
						t.Skip("the limits are those of the whole database")
					}
					c.run(s)
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(s *suite)
}

// suite is one test's engine, with helpers that fail the test.
type suite struct {
	*testing.T
	Harness
}

// key is a key below the prefix.
func (s *suite) key(k string) []byte { return append(bytes.Clone(s.Prefix), k...) }

// span is a range below the prefix.
func (s *suite) span(begin, end string) kv.Range {
	return kv.Range{Begin: s.key(begin), End: s.key(end)}
}

// begin starts a transaction that is cancelled when the test ends.
func (s *suite) begin() kv.Tx { return s.beginAt(0) }

func (s *suite) beginAt(v kv.Version) kv.Tx {
	tx := s.DB.Begin(kv.TxOptions{ReadVersion: v})
	s.Cleanup(tx.Cancel)
	return tx
}

func await[T any](s *suite, f kv.Future[T]) T {
	s.Helper()
	v, err := f.Get(s.Context())
	if err != nil {
		s.Fatalf("read: %v", err)
	}
	return v
}

// wantCode awaits a read that must fail for good with a code.
func wantCode[T any](s *suite, f kv.Future[T], code int) {
	s.Helper()
	v, err := f.Get(s.Context())
	wantError(s, err, kv.Fatal, code)
	if s.Failed() {
		s.Fatalf("the read returned %v", v)
	}
}

// wantError checks kind and code; code 0 is any.
func wantError(s *suite, err error, kind kv.ErrorKind, code int) {
	s.Helper()
	var e *kv.Error
	if !errors.As(err, &e) || e.Kind != kind || code != 0 && e.Code != code {
		s.Fatalf("got error %v, want %v (%d)", err, kind, code)
	}
}

func (s *suite) commit(tx kv.Tx) kv.Commit {
	s.Helper()
	c, err := tx.Commit(s.Context())
	if err != nil {
		s.Fatalf("commit: %v", err)
	}
	return c
}

func (s *suite) wantCommitError(tx kv.Tx, kind kv.ErrorKind, code int) {
	s.Helper()
	_, err := tx.Commit(s.Context())
	wantError(s, err, kind, code)
}

// write commits a blind transaction; it is repeated as kv.Run does.
func (s *suite) write(f func(tx kv.Tx)) kv.Commit {
	s.Helper()
	c, err := kv.Run(s.Context(), s.DB, kv.RunOptions{}, func(tx kv.Tx) error { f(tx); return nil })
	if err != nil {
		s.Fatalf("write: %v", err)
	}
	return c
}

func (s *suite) set(pairs ...string) kv.Commit {
	s.Helper()
	return s.write(func(tx kv.Tx) {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set(s.key(pairs[i]), []byte(pairs[i+1]))
		}
	})
}

// read gets a key outside any transaction of the test: absent is "<absent>".
func (s *suite) read(k string) string {
	s.Helper()
	tx := s.begin()
	defer tx.Cancel()
	return text(await(s, tx.Get(s.key(k))))
}

func text(value []byte) string {
	if value == nil {
		return "<absent>"
	}
	return string(value)
}

func (s *suite) wantRead(k, want string) {
	s.Helper()
	if got := s.read(k); got != want {
		s.Fatalf("%q: got %q, want %q", k, got, want)
	}
}

// rows gives a page as "k=v k=v", without the prefix.
func (s *suite) rows(p kv.Page) string {
	var b bytes.Buffer
	for i, r := range p.Rows {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", bytes.TrimPrefix(r.Key, s.Prefix), r.Value)
	}
	return b.String()
}

func (s *suite) wantRows(r kv.Reader, rg kv.Range, o kv.RangeOptions, want string) {
	s.Helper()
	if got := s.rows(await(s, r.GetRange(rg, o))); got != want {
		s.Fatalf("rows: got %q, want %q", got, want)
	}
}

// all reads every row of the test.
func (s *suite) all(want string) {
	s.Helper()
	tx := s.begin()
	defer tx.Cancel()
	s.wantRows(tx, s.span("", "\xfe"), kv.RangeOptions{}, want)
}

// stamped is a key or value that the commit stamps at the end.
func stamped(before []byte) []byte {
	b := append(bytes.Clone(before), make([]byte, len(kv.Versionstamp{}))...)
	return binary.LittleEndian.AppendUint32(b, uint32(len(before)))
}
