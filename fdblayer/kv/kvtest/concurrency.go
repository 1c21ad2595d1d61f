package kvtest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

const workers = 8

// rounds is how often each worker does something.
func rounds(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n
}

// parallel runs f in workers, and fails the test with the first error.
func (s *suite) parallel(f func(worker int) error) {
	s.Helper()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			if err := f(w); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

// many retries as often as contention needs.
var many = kv.RunOptions{AttemptsMax: 1000}

var concurrency = []test{
	{"counter by read and write", func(s *suite) {
		n := rounds(30)
		s.parallel(func(int) error {
			for range n {
				_, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) error {
					value, err := tx.Get(s.key("n")).Get(s.Context())
					if err != nil {
						return err
					}
					count := uint64(0)
					if value != nil {
						count = binary.BigEndian.Uint64(value)
					}
					tx.Set(s.key("n"), binary.BigEndian.AppendUint64(nil, count+1))
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if got := binary.BigEndian.Uint64([]byte(s.read("n"))); got != uint64(workers*n) {
			s.Fatalf("got %d, want %d", got, workers*n)
		}
	}},
	{"counter by addition", func(s *suite) {
		n := rounds(100)
		s.parallel(func(int) error {
			for range n {
				if _, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) error {
					tx.Atomic(kv.Add, s.key("n"), []byte{1, 0, 0, 0})
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if got := binary.LittleEndian.Uint32([]byte(s.read("n"))); got != uint32(workers*n) {
			s.Fatalf("got %d, want %d", got, workers*n)
		}
	}},
	{"commit storm with stamps", commitStorm},
	{"acknowledged writes are seen", func(s *suite) {
		n := rounds(50)
		s.parallel(func(w int) error {
			for i := range n {
				k, v := s.key(fmt.Sprintf("w%d", w)), fmt.Appendf(nil, "%d", i)
				if _, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) error { tx.Set(k, v); return nil }); err != nil {
					return err
				}
				tx := s.DB.Begin(kv.TxOptions{})
				got, err := tx.Get(k).Get(s.Context())
				tx.Cancel()
				if err != nil || !bytes.Equal(got, v) {
					return fmt.Errorf("worker %d: got %q, %v; want %q", w, got, err, v)
				}
			}
			return nil
		})
	}},
	{"money is conserved", bank},
	{"serializable in the order of stamps", serializable},
}

// commitStorm makes many blind commits at once. Every stamp must be unique and ascend for each
// worker, and the rows must be there in the order of stamps.
func commitStorm(s *suite) {
	n := rounds(100)
	var mu sync.Mutex
	byStamp := map[kv.Versionstamp]string{}
	s.parallel(func(w int) error {
		var last kv.Versionstamp
		for i := range n {
			name := fmt.Sprintf("%d.%d", w, i)
			c, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) error {
				tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte(name))
				return nil
			})
			if err != nil {
				return err
			}
			if bytes.Compare(c.Stamp[:], last[:]) <= 0 {
				return fmt.Errorf("worker %d: stamp %x after %x", w, c.Stamp, last)
			}
			last = c.Stamp
			mu.Lock()
			byStamp[c.Stamp] = name
			mu.Unlock()
		}
		return nil
	})
	if len(byStamp) != workers*n {
		s.Fatalf("%d stamps for %d commits", len(byStamp), workers*n)
	}
	tx := s.begin()
	page := await(s, tx.GetRange(s.span("q/", "q0"), kv.RangeOptions{}))
	if len(page.Rows) != workers*n {
		s.Fatalf("%d rows, want %d", len(page.Rows), workers*n)
	}
	for _, r := range page.Rows {
		stamp := kv.Versionstamp(r.Key[len(s.key("q/")):])
		if byStamp[stamp] != string(r.Value) {
			s.Fatalf("stamp %x: row %q, commit %q", stamp, r.Value, byStamp[stamp])
		}
	}
}

// bank moves money between accounts while readers add it up, by serializable and by snapshot reads.
func bank(s *suite) {
	const accounts, each = 6, 100
	n := rounds(40)
	account := func(i int) []byte { return s.key(fmt.Sprintf("account%d", i)) }
	s.write(func(tx kv.Tx) {
		for i := range accounts {
			tx.Set(account(i), binary.BigEndian.AppendUint64(nil, each))
		}
	})
	s.parallel(func(w int) error {
		rng := rand.New(rand.NewPCG(uint64(w), 1))
		for i := range n {
			from, to := rng.IntN(accounts), rng.IntN(accounts)
			_, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) error {
				if i%4 == 0 {
					return addUp(s, tx.Snapshot(), accounts*each)
				}
				a, b := tx.Get(account(from)), tx.Get(account(to))
				av, err := a.Get(s.Context())
				if err != nil {
					return err
				}
				bv, err := b.Get(s.Context())
				if err != nil || from == to || binary.BigEndian.Uint64(av) == 0 {
					return err
				}
				tx.Set(account(from), binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(av)-1))
				tx.Set(account(to), binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(bv)+1))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := addUp(s, s.begin(), accounts*each); err != nil {
		s.Fatal(err)
	}
}

func addUp(s *suite, r kv.Reader, want uint64) error {
	page, err := r.GetRange(s.span("account", "accounu"), kv.RangeOptions{}).Get(s.Context())
	if err != nil {
		return err
	}
	sum := uint64(0)
	for _, row := range page.Rows {
		sum += binary.BigEndian.Uint64(row.Value)
	}
	if sum != want {
		return fmt.Errorf("the accounts hold %d, want %d", sum, want)
	}
	return nil
}

// done is what one committed transaction read and wrote.
type done struct {
	stamp         kv.Versionstamp
	reads, writes map[string]string
	cleared       string // clears all keys from this one on
}

// serializable runs random transactions, then replays them in the order of their stamps: each
// must have read what the replay holds at its turn.
func serializable(s *suite) {
	n := rounds(60)
	seed := rand.Uint64()
	defer func() {
		if s.Failed() {
			s.Logf("seed %d", seed)
		}
	}()
	var mu sync.Mutex
	var all []done
	s.parallel(func(w int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		for i := range n {
			var d done
			c, err := kv.Run(s.Context(), s.DB, many, func(tx kv.Tx) (err error) {
				d, err = randomTx(s, tx, rng, fmt.Sprintf("%d.%d", w, i))
				return err
			})
			if err != nil {
				return err
			}
			d.stamp = c.Stamp
			mu.Lock()
			all = append(all, d)
			mu.Unlock()
		}
		return nil
	})
	slices.SortFunc(all, func(a, b done) int { return bytes.Compare(a.stamp[:], b.stamp[:]) })
	state := map[string]string{}
	for i, d := range all {
		for k, got := range d.reads {
			want, ok := state[k]
			if !ok {
				want = "<absent>"
			}
			if got != want {
				s.Fatalf("transaction %d (%x) read %q=%q; in the order of stamps it is %q", i, d.stamp, k, got, want)
			}
		}
		if d.cleared != "" {
			maps.DeleteFunc(state, func(k, _ string) bool { return k >= d.cleared })
		}
		maps.Copy(state, d.writes)
	}
	var want bytes.Buffer
	for i, k := range slices.SortedFunc(maps.Keys(state), cmp.Compare[string]) {
		if i > 0 {
			want.WriteByte(' ')
		}
		fmt.Fprintf(&want, "%s=%s", k, state[k])
	}
	s.all(want.String())
}

func randomTx(s *suite, tx kv.Tx, rng *rand.Rand, name string) (done, error) {
	d := done{reads: map[string]string{}, writes: map[string]string{}}
	keys := []string{"a", "b", "c", "d", "e", "f"}
	if rng.IntN(3) == 0 {
		page, err := tx.GetRange(s.span("a", "g"), kv.RangeOptions{Reverse: rng.IntN(2) == 0}).Get(s.Context())
		if err != nil {
			return d, err
		}
		for _, k := range keys {
			d.reads[k] = "<absent>"
		}
		for _, r := range page.Rows {
			d.reads[string(bytes.TrimPrefix(r.Key, s.Prefix))] = string(r.Value)
		}
	}
	for range 1 + rng.IntN(2) {
		k := keys[rng.IntN(len(keys))]
		value, err := tx.Get(s.key(k)).Get(s.Context())
		if err != nil {
			return d, err
		}
		d.reads[k] = text(value)
	}
	if rng.IntN(6) == 0 {
		d.cleared = keys[rng.IntN(len(keys))]
		tx.ClearRange(s.span(d.cleared, "g"))
	}
	for range 1 + rng.IntN(2) {
		k := keys[rng.IntN(len(keys))]
		tx.Set(s.key(k), []byte(name))
		d.writes[k] = name
	}
	return d, nil
}
