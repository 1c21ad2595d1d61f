package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

var ownWrites = []test{
	{"get", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3")
		tx := s.begin()
		tx.Set(s.key("a"), []byte("own"))
		tx.Clear(s.key("b"))
		tx.ClearRange(s.span("c", "e"))
		tx.Set(s.key("d"), []byte("own"))
		for k, want := range map[string]string{"a": "own", "b": "<absent>", "c": "<absent>", "d": "own", "e": "<absent>"} {
			if got := text(await(s, tx.Get(s.key(k)))); got != want {
				s.Errorf("%q: got %q, want %q", k, got, want)
			}
			if got := text(await(s, tx.Snapshot().Get(s.key(k)))); got != want {
				s.Errorf("%q in the snapshot: got %q, want %q", k, got, want)
			}
		}
		s.wantRead("a", "1")
	}},
	{"reads see the writes before them only", func(s *suite) {
		s.set("a", "1")
		tx := s.begin()
		before := tx.Get(s.key("a"))
		beforeRange := tx.GetRange(s.span("a", "b"), kv.RangeOptions{})
		tx.Set(s.key("a"), []byte("2"))
		if got := text(await(s, before)); got != "1" {
			s.Fatalf("got %q", got)
		}
		if got := s.rows(await(s, beforeRange)); got != "a=1" {
			s.Fatalf("got %q", got)
		}
		if got := text(await(s, tx.Get(s.key("a")))); got != "2" {
			s.Fatalf("got %q", got)
		}
	}},
	{"ranges, merged", func(s *suite) {
		s.set("a", "1", "c", "3", "e", "5", "g", "7")
		tx := s.begin()
		tx.Set(s.key("b"), []byte("own"))
		tx.Set(s.key("c"), []byte("own"))
		tx.Clear(s.key("e"))
		tx.Set(s.key("f"), []byte("own"))
		tx.Set(s.key("z"), []byte("own"))
		for _, r := range []kv.Reader{tx, tx.Snapshot()} {
			s.wantRows(r, s.span("a", "h"), kv.RangeOptions{}, "a=1 b=own c=own f=own g=7")
			s.wantRows(r, s.span("a", "h"), kv.RangeOptions{Reverse: true}, "g=7 f=own c=own b=own a=1")
			s.wantRows(r, s.span("a", "h"), kv.RangeOptions{Limit: 2}, "a=1 b=own")
			s.wantRows(r, s.span("a", "f"), kv.RangeOptions{Limit: 2, Reverse: true}, "c=own b=own")
			s.wantRows(r, s.span("d", "f"), kv.RangeOptions{}, "")
		}
		tx.ClearRange(s.span("b", "g"))
		tx.Set(s.key("d"), []byte("again"))
		for _, r := range []kv.Reader{tx, tx.Snapshot()} {
			s.wantRows(r, s.span("a", "h"), kv.RangeOptions{}, "a=1 d=again g=7")
			s.wantRows(r, s.span("a", "h"), kv.RangeOptions{Limit: 2, Reverse: true}, "g=7 d=again")
		}
		s.commit(tx)
		s.all("a=1 d=again g=7 z=own")
	}},
	{"atomic operations", func(s *suite) {
		s.set("n", "\x05\x00", "same", "x", "other", "y")
		tx := s.begin()
		tx.Atomic(kv.Add, s.key("n"), []byte{1, 0})
		tx.Atomic(kv.Add, s.key("n"), []byte{2, 0})
		tx.Atomic(kv.Add, s.key("new"), []byte{9})
		tx.Atomic(kv.CompareAndClear, s.key("same"), []byte("x"))
		tx.Atomic(kv.CompareAndClear, s.key("other"), []byte("x"))
		tx.Set(s.key("set"), []byte{1})
		tx.Atomic(kv.Add, s.key("set"), []byte{1})
		tx.Clear(s.key("cleared"))
		tx.Atomic(kv.Max, s.key("cleared"), []byte{3})
		want := "cleared=\x03 n=\x08\x00 new=\x09 other=y set=\x02"
		s.wantRows(tx, s.span("", "\xfe"), kv.RangeOptions{}, want)
		if got := text(await(s, tx.Get(s.key("n")))); got != "\x08\x00" {
			s.Fatalf("got %q", got)
		}
		if got := text(await(s, tx.Get(s.key("same")))); got != "<absent>" {
			s.Fatalf("got %q", got)
		}
		s.commit(tx)
		s.all(want)
	}},
	{"random writes against a model", randomOwnWrites},
}

// randomOwnWrites makes random writes in one transaction and compares every
// read with a plain map, then the committed state with it.
func randomOwnWrites(s *suite) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if s.Failed() {
			s.Logf("seed %d", seed)
		}
	}()
	model := map[string]string{}
	name := func() string { return fmt.Sprintf("%c%c", 'a'+rng.IntN(4), 'a'+rng.IntN(4)) }
	for range 20 {
		tx := s.begin()
		for range 30 {
			k := name()
			switch rng.IntN(8) {
			case 0, 1:
				v := fmt.Sprint(rng.IntN(100))
				tx.Set(s.key(k), []byte(v))
				model[k] = v
			case 2:
				tx.Clear(s.key(k))
				delete(model, k)
			case 3:
				end := name()
				if end < k {
					k, end = end, k
				}
				tx.ClearRange(s.span(k, end))
				for m := range model {
					if m >= k && m < end {
						delete(model, m)
					}
				}
			case 4:
				operand := []byte{byte(rng.IntN(256)), byte(rng.IntN(256))}
				tx.Atomic(kv.Add, s.key(k), operand)
				var old [2]byte
				copy(old[:], model[k])
				sum := int(old[0]) + int(old[1])<<8 + int(operand[0]) + int(operand[1])<<8
				model[k] = string([]byte{byte(sum), byte(sum >> 8)})
			case 5:
				want, ok := model[k]
				if !ok {
					want = "<absent>"
				}
				if got := text(await(s, tx.Get(s.key(k)))); got != want {
					s.Fatalf("get %q: got %q, want %q", k, got, want)
				}
			default:
				compareRange(s, tx, rng, model, name)
			}
		}
		s.commit(tx)
		tx = s.begin()
		compareRange(s, tx, rng, model, func() string { return "" })
		compareRange(s, tx, rng, model, name)
	}
}

func compareRange(s *suite, r kv.Reader, rng *rand.Rand, model map[string]string, name func() string) {
	s.Helper()
	begin, end := name(), name()
	if end == "" {
		end = "~"
	}
	if end < begin {
		begin, end = end, begin
	}
	o := kv.RangeOptions{Limit: rng.IntN(4), Reverse: rng.IntN(2) == 0}
	var keys []string
	for k := range model {
		if k >= begin && k < end {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if o.Reverse {
		slices.Reverse(keys)
	}
	if o.Limit > 0 {
		keys = keys[:min(len(keys), o.Limit)]
	}
	var want bytes.Buffer
	for i, k := range keys {
		if i > 0 {
			want.WriteByte(' ')
		}
		fmt.Fprintf(&want, "%s=%s", k, model[k])
	}
	if got := s.rows(await(s, r.GetRange(s.span(begin, end), o))); got != want.String() {
		s.Fatalf("range %q to %q %+v: got %q, want %q", begin, end, o, got, want.String())
	}
}

var atomics = []test{
	{"operations, absent values and lengths", func(s *suite) {
		const absent = "<absent>"
		rows := []struct {
			name         string
			op           kv.AtomicOp
			old, operand string
			want         string
		}{
			{"add", kv.Add, "\x01\x02", "\x02\x01", "\x03\x03"},
			{"add carries", kv.Add, "\xff\x00", "\x01\x00", "\x00\x01"},
			{"add overflows", kv.Add, "\xff\xff", "\x01\x00", "\x00\x00"},
			{"add minus one", kv.Add, "\x05\x00", "\xff\xff", "\x04\x00"},
			{"add to absent", kv.Add, absent, "\x07\x00", "\x07\x00"},
			{"add to empty", kv.Add, "", "\x07\x00", "\x07\x00"},
			{"add to a shorter value", kv.Add, "\xff", "\x01\x00\x00", "\x00\x01\x00"},
			{"add to a longer value", kv.Add, "\xff\x01\x01", "\x01", "\x00"},
			{"min takes the old", kv.Min, "\x01\x00", "\x00\x01", "\x01\x00"},
			{"min takes the operand", kv.Min, "\x00\x02", "\xff\x01", "\xff\x01"},
			{"min of absent", kv.Min, absent, "\x07", "\x07"},
			{"min extends a shorter value", kv.Min, "\x05", "\x06\x00\x00", "\x05\x00\x00"},
			{"min with a shorter value and high bytes", kv.Min, "\x05", "\x01\x01", "\x05\x00"},
			{"min truncates a longer value", kv.Min, "\x05\x01", "\x06", "\x05"},
			{"min of an empty value", kv.Min, "", "\x06", "\x00"},
			{"max takes the old", kv.Max, "\x00\x02", "\xff\x01", "\x00\x02"},
			{"max takes the operand", kv.Max, "\x01\x00", "\x00\x01", "\x00\x01"},
			{"max of absent", kv.Max, absent, "\x07", "\x07"},
			{"max extends a shorter value", kv.Max, "\x07", "\x06\x00\x00", "\x07\x00\x00"},
			{"max truncates a longer value", kv.Max, "\x07\x09", "\x06", "\x07"},
			{"max drops a longer value's high bytes", kv.Max, "\x05\x09", "\x06", "\x06"},
			{"compare and clear, same", kv.CompareAndClear, "x", "x", absent},
			{"compare and clear, other", kv.CompareAndClear, "x", "y", "x"},
			{"compare and clear, prefix", kv.CompareAndClear, "xy", "x", "xy"},
			{"compare and clear, absent", kv.CompareAndClear, absent, "x", absent},
			{"compare and clear, both empty", kv.CompareAndClear, "", "", absent},
		}
		for i, r := range rows {
			k := fmt.Sprint("k", i)
			if r.old != absent {
				s.set(k, r.old)
			}
			tx := s.begin()
			tx.Atomic(r.op, s.key(k), []byte(r.operand))
			if got := text(await(s, tx.Get(s.key(k)))); got != r.want {
				s.Errorf("%s, as own write: got %q, want %q", r.name, got, r.want)
			}
			s.write(func(tx kv.Tx) { tx.Atomic(r.op, s.key(k), []byte(r.operand)) })
			if got := s.read(k); got != r.want {
				s.Errorf("%s: got %q, want %q", r.name, got, r.want)
			}
		}
	}},
	{"together with sets and clears", func(s *suite) {
		s.set("a", "\x01", "b", "\x01", "c", "\x01")
		s.write(func(tx kv.Tx) {
			tx.Atomic(kv.Add, s.key("a"), []byte{1})
			tx.Set(s.key("a"), []byte{9})
			tx.Atomic(kv.Add, s.key("a"), []byte{1})
			tx.Clear(s.key("b"))
			tx.Atomic(kv.Add, s.key("b"), []byte{5})
			tx.Atomic(kv.Add, s.key("c"), []byte{5})
			tx.ClearRange(s.span("c", "d"))
			tx.Atomic(kv.Max, s.key("d"), []byte{5})
			tx.Atomic(kv.Min, s.key("d"), []byte{4})
		})
		s.all("a=\x0a b=\x05 d=\x04")
	}},
	{"no read conflict", func(s *suite) {
		s.set("n", "\x00")
		tx := s.begin()
		await(s, tx.ReadVersion())
		tx.Atomic(kv.Add, s.key("n"), []byte{1})
		s.write(func(tx kv.Tx) { tx.Atomic(kv.Add, s.key("n"), []byte{2}) })
		s.commit(tx)
		s.wantRead("n", "\x03")
	}},
	{"write conflict", func(s *suite) {
		for _, op := range []kv.AtomicOp{kv.Add, kv.Min, kv.Max, kv.CompareAndClear} {
			tx := s.begin()
			await(s, tx.Get(s.key("n")))
			s.write(func(tx kv.Tx) { tx.Atomic(op, s.key("n"), []byte{1}) })
			tx.Set(s.key("other"), nil)
			s.wantCommitError(tx, kv.Conflict, 0)
		}
	}},
	{"unknown operation", func(s *suite) {
		tx := s.begin()
		tx.Atomic(200, s.key("n"), []byte{1})
		s.wantCommitError(tx, kv.Fatal, 0)
	}},
}
