package kvtest

import (
	"context"
	"errors"
	"strings"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

var basics = []test{
	{"absent, empty and present values", func(s *suite) {
		s.set("a", "1", "empty", "")
		s.wantRead("a", "1")
		s.wantRead("empty", "")
		s.wantRead("none", "<absent>")
	}},
	{"set again, clear, clear range", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3", "d", "4")
		s.write(func(tx kv.Tx) {
			tx.Set(s.key("a"), []byte("one"))
			tx.Clear(s.key("b"))
			tx.Clear(s.key("never there"))
			tx.ClearRange(s.span("c", "d"))
			tx.ClearRange(s.span("x", "x")) // empty
		})
		s.all("a=one d=4")
	}},
	{"order of writes within a transaction", func(s *suite) {
		s.set("a", "old", "b", "old", "c", "old")
		s.write(func(tx kv.Tx) {
			tx.Set(s.key("a"), []byte("1"))
			tx.ClearRange(s.span("a", "c"))
			tx.Set(s.key("b"), []byte("2"))
			tx.Set(s.key("c"), []byte("3"))
			tx.Clear(s.key("c"))
		})
		s.all("b=2")
	}},
	{"arguments and results belong to their owners", func(s *suite) {
		tx := s.begin()
		key, value := s.key("a"), []byte("1")
		tx.Set(key, value)
		key[len(key)-1], value[0] = 'z', 'z'
		got := await(s, tx.Get(s.key("a")))
		if string(got) != "1" {
			s.Fatalf("got %q", got)
		}
		got[0] = 'z'
		page := await(s, tx.GetRange(s.span("a", "b"), kv.RangeOptions{}))
		copy(page.Rows[0].Value, "y")
		s.commit(tx)
		s.wantRead("a", "1")
		s.wantRead("z", "<absent>")
	}},
	{"cancelled", func(s *suite) {
		tx := s.begin()
		tx.Set(s.key("a"), []byte("1"))
		tx.Cancel()
		tx.Cancel()
		s.wantCommitError(tx, kv.Fatal, kv.CodeTransactionCancelled)
		wantCode(s, tx.Get(s.key("a")), kv.CodeTransactionCancelled)
		s.wantRead("a", "<absent>")
	}},
	{"used up by commit", func(s *suite) {
		tx := s.begin()
		tx.Set(s.key("a"), []byte("1"))
		s.commit(tx)
		tx.Cancel()
		s.wantRead("a", "1")
		s.wantCommitError(tx, kv.Fatal, 0)
	}},
	{"context over before commit", func(s *suite) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		tx := s.begin()
		tx.Set(s.key("a"), []byte("1"))
		if _, err := tx.Commit(ctx); !errors.Is(err, context.Canceled) {
			s.Fatalf("got %v, want context.Canceled", err)
		}
	}},
	{"read only", func(s *suite) {
		c := s.set("a", "1")
		tx := s.begin()
		await(s, tx.Get(s.key("a")))
		v := await(s, tx.ReadVersion())
		s.set("a", "2") // no conflict for those who write nothing
		got := s.commit(tx)
		if got.Version != v.Version || got.Version < c.Version || got.Stamp != (kv.Versionstamp{}) {
			s.Fatalf("got %v, read version %v", got, v)
		}
	}},
	{"futures may be waited for again", func(s *suite) {
		s.set("a", "1", "b", "2")
		tx := s.begin()
		a, b := tx.Get(s.key("a")), tx.Get(s.key("b"))
		for range 2 {
			if got := text(await(s, b)) + text(await(s, a)); got != "21" {
				s.Fatalf("got %q", got)
			}
		}
	}},
	{"keys with every byte", func(s *suite) {
		keys := []string{"\x00", "\x00\x00", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "aa", "\xfd\xff"}
		s.write(func(tx kv.Tx) {
			for _, k := range keys {
				tx.Set(s.key(k), []byte(k))
			}
		})
		tx := s.begin()
		page := await(s, tx.GetRange(s.span("", "\xfe"), kv.RangeOptions{}))
		var got []string
		for _, r := range page.Rows {
			got = append(got, string(r.Value))
		}
		if strings.Join(got, "|") != strings.Join(keys, "|") {
			s.Fatalf("got %q, want %q", got, keys)
		}
	}},
	{"estimates and split points", func(s *suite) {
		value := strings.Repeat("v", 1000)
		s.write(func(tx kv.Tx) {
			for i := range 200 {
				tx.Set(s.key("a"+string(rune('A'+i/26))+string(rune('a'+i%26))), []byte(value))
			}
		})
		r := s.span("a", "b")
		size, err := s.DB.EstimatedSizeBytes(s.Context(), r)
		if err != nil || size < 0 {
			s.Fatalf("got %d, %v", size, err)
		}
		points, err := s.DB.SplitPoints(s.Context(), r, 50_000)
		if err != nil || len(points) < 2 || string(points[0]) != string(r.Begin) || string(points[len(points)-1]) != string(r.End) {
			s.Fatalf("got %q, %v", points, err)
		}
		for i := 1; i < len(points); i++ {
			if string(points[i-1]) >= string(points[i]) {
				s.Fatalf("not ascending: %q", points)
			}
		}
	}},
}

var ranges = []test{
	{"forward, reverse, limits", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3", "d", "4")
		tx := s.begin()
		rows := []struct {
			begin, end string
			o          kv.RangeOptions
			want       string
		}{
			{"a", "d", kv.RangeOptions{}, "a=1 b=2 c=3"},
			{"a", "e", kv.RangeOptions{Reverse: true}, "d=4 c=3 b=2 a=1"},
			{"a", "e", kv.RangeOptions{Limit: 2}, "a=1 b=2"},
			{"a", "d", kv.RangeOptions{Limit: 2, Reverse: true}, "c=3 b=2"},
			{"a", "d", kv.RangeOptions{Limit: 1, Reverse: true}, "c=3"},
			{"b\x00", "c", kv.RangeOptions{}, ""},
			{"b", "b\x00", kv.RangeOptions{}, "b=2"},
			{"x", "y", kv.RangeOptions{Reverse: true, Limit: 1}, ""},
			{"b", "b", kv.RangeOptions{}, ""},
		}
		for _, r := range rows {
			s.wantRows(tx, s.span(r.begin, r.end), r.o, r.want)
			s.wantRows(tx.Snapshot(), s.span(r.begin, r.end), r.o, r.want)
		}
	}},
	{"more", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3")
		tx := s.begin()
		if p := await(s, tx.GetRange(s.span("a", "d"), kv.RangeOptions{Limit: 2})); !p.More {
			s.Fatal("a row is left, More is false")
		}
		if p := await(s, tx.GetRange(s.span("a", "d"), kv.RangeOptions{Limit: 4})); p.More {
			s.Fatal("no row is left, and the limit was not reached; More is true")
		}
		if p := await(s, tx.GetRange(s.span("a", "d"), kv.RangeOptions{})); p.More {
			s.Fatal("there was no limit; More is true")
		}
	}},
	{"many rows without a limit", func(s *suite) {
		const n = 3000
		value := strings.Repeat("v", 100)
		s.write(func(tx kv.Tx) {
			for i := range n {
				tx.Set(s.key("m"+string([]byte{byte(i >> 8), byte(i)})), []byte(value))
			}
		})
		tx := s.begin()
		for _, reverse := range []bool{false, true} {
			p := await(s, tx.GetRange(s.span("m", "n"), kv.RangeOptions{Reverse: reverse}))
			if len(p.Rows) != n || p.More {
				s.Fatalf("got %d rows, more %v; want %d", len(p.Rows), p.More, n)
			}
		}
	}},
	{"inverted", func(s *suite) {
		tx := s.begin()
		wantCode(s, tx.GetRange(s.span("b", "a"), kv.RangeOptions{}), kv.CodeInvertedRange)
		for name, f := range map[string]func(tx kv.Tx){
			"clear":          func(tx kv.Tx) { tx.ClearRange(s.span("b", "a")) },
			"read conflict":  func(tx kv.Tx) { tx.AddReadConflict(s.span("b", "a")) },
			"write conflict": func(tx kv.Tx) { tx.AddWriteConflict(s.span("b", "a")) },
		} {
			tx := s.begin()
			tx.Set(s.key(name), []byte("1"))
			f(tx)
			s.wantCommitError(tx, kv.Fatal, kv.CodeInvertedRange)
			s.wantRead(name, "<absent>")
		}
	}},
}
