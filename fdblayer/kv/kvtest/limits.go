package kvtest

import (
	"bytes"
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

var limits = []test{
	{"longest key and value", func(s *suite) {
		key := s.key("")
		key = append(key, bytes.Repeat([]byte("k"), kv.KeyMaxBytes-len(key))...)
		s.write(func(tx kv.Tx) { tx.Set(key, bytes.Repeat([]byte("v"), kv.ValueMaxBytes)) })
		tx := s.begin()
		if got := await(s, tx.Get(key)); len(got) != kv.ValueMaxBytes {
			s.Fatalf("got %d bytes", len(got))
		}
		if got := await(s, tx.Get(append(key, 'k'))); got != nil {
			s.Fatal("there is no longer key")
		}
		s.write(func(tx kv.Tx) {
			tx.Clear(append(key, 'k')) // nothing
			tx.ClearRange(kv.Range{Begin: append(key, 'k'), End: append(key, 'l')})
		})
		tx = s.begin()
		if got := await(s, tx.Get(key)); got == nil {
			s.Fatal("cleared with a longer key")
		}
	}},
	{"bad arguments fail the commit, and reads from then on", func(s *suite) {
		long := append(s.key(""), bytes.Repeat([]byte("k"), kv.KeyMaxBytes+1)...)
		big := make([]byte, kv.ValueMaxBytes+1)
		high := []byte("\xffa")
		legal := s.key("a")
		for name, r := range map[string]struct {
			f    func(tx kv.Tx)
			code int
		}{
			"long key":           {func(tx kv.Tx) { tx.Set(long, nil) }, kv.CodeKeyTooLarge},
			"long key, atomic":   {func(tx kv.Tx) { tx.Atomic(kv.Add, long, []byte{1}) }, kv.CodeKeyTooLarge},
			"long key, stamped":  {func(tx kv.Tx) { tx.Atomic(kv.SetVersionstampedKey, stamped(long), nil) }, kv.CodeKeyTooLarge},
			"big value":          {func(tx kv.Tx) { tx.Set(legal, big) }, kv.CodeValueTooLarge},
			"big operand":        {func(tx kv.Tx) { tx.Atomic(kv.Max, legal, big) }, kv.CodeValueTooLarge},
			"set above":          {func(tx kv.Tx) { tx.Set(high, nil) }, kv.CodeKeyOutsideLegalRange},
			"set at the end":     {func(tx kv.Tx) { tx.Set([]byte{0xff}, nil) }, kv.CodeKeyOutsideLegalRange},
			"clear above":        {func(tx kv.Tx) { tx.Clear(high) }, kv.CodeKeyOutsideLegalRange},
			"atomic above":       {func(tx kv.Tx) { tx.Atomic(kv.Add, high, []byte{1}) }, kv.CodeKeyOutsideLegalRange},
			"clear range above":  {func(tx kv.Tx) { tx.ClearRange(kv.Range{Begin: legal, End: high}) }, kv.CodeKeyOutsideLegalRange},
			"read conflict":      {func(tx kv.Tx) { tx.AddReadConflict(kv.Range{Begin: legal, End: high}) }, kv.CodeKeyOutsideLegalRange},
			"write conflict":     {func(tx kv.Tx) { tx.AddWriteConflict(kv.Range{Begin: legal, End: high}) }, kv.CodeKeyOutsideLegalRange},
			"the first one told": {func(tx kv.Tx) { tx.Set(legal, big); tx.Set(high, nil) }, kv.CodeValueTooLarge},
		} {
			tx := s.begin()
			tx.Set(s.key("z"), []byte("1"))
			r.f(tx)
			_, err := tx.Get(legal).Get(s.Context())
			if kv.KindOf(err) != kv.Fatal {
				s.Errorf("%s: a read got %v, want %d", name, err, r.code)
			}
			_, err = tx.Commit(s.Context())
			if err == nil {
				s.Fatalf("%s: committed", name)
			}
			wantError(s, err, kv.Fatal, r.code)
			tx.Cancel()
		}
		s.all("")
	}},
	{"reads outside the legal range", func(s *suite) {
		tx := s.begin()
		wantCode(s, tx.Get([]byte("\xffa")), kv.CodeKeyOutsideLegalRange)
		wantCode(s, tx.GetRange(kv.Range{Begin: s.key("a"), End: []byte("\xffa")}, kv.RangeOptions{}), kv.CodeKeyOutsideLegalRange)
		await(s, tx.GetRange(kv.Range{Begin: s.key("a"), End: []byte("\xff")}, kv.RangeOptions{Limit: 1}))
	}},
	{"transaction size", func(s *suite) {
		fill := func(tx kv.Tx, n int) {
			for i := range n {
				tx.Set(s.key(fmt.Sprintf("%03d", i)), make([]byte, kv.ValueMaxBytes))
			}
		}
		tx := s.begin()
		fill(tx, 80)
		if got := tx.SizeBytes(); got < 80*kv.ValueMaxBytes || got > kv.TransactionMaxBytes {
			s.Fatalf("estimated %d", got)
		}
		s.commit(tx)
		tx = s.begin()
		fill(tx, 101)
		s.wantCommitError(tx, kv.Fatal, kv.CodeTransactionTooLarge)
	}},
}
