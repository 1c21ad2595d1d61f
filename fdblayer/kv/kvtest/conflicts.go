package kvtest

import (
	"github.com/stampede-store/stampede/fdblayer/kv"
)

// race is two transactions: first begins (and reads), then second commits, then first
// commits a write.
type race struct {
	name     string
	first    func(s *suite, tx kv.Tx)
	second   func(s *suite, tx kv.Tx)
	conflict bool
}

func get(k string) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) { await(s, tx.Get(s.key(k))) }
}

func getRange(begin, end string, o kv.RangeOptions) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) { await(s, tx.GetRange(s.span(begin, end), o)) }
}

func set(k string) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) { tx.Set(s.key(k), []byte("new")) }
}

func clearRange(begin, end string) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) { tx.ClearRange(s.span(begin, end)) }
}

// both does one after the other.
func both(fs ...func(s *suite, tx kv.Tx)) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) {
		for _, f := range fs {
			f(s, tx)
		}
	}
}

func readConflict(begin, end string) func(s *suite, tx kv.Tx) {
	return func(s *suite, tx kv.Tx) { tx.AddReadConflict(s.span(begin, end)) }
}

func version(s *suite, tx kv.Tx) { await(s, tx.ReadVersion()) }

// races run on rows a=1 b=2 c=3 d=4.
var races = []race{
	{"get, set", get("a"), set("a"), true},
	{"get of an absent key, set", get("x"), set("x"), true},
	{"get, clear", get("a"), func(s *suite, tx kv.Tx) { tx.Clear(s.key("a")) }, true},
	{"get, clear of an absent key", get("x"), func(s *suite, tx kv.Tx) { tx.Clear(s.key("x")) }, true},
	{"get, clear range", get("b"), clearRange("a", "c"), true},
	{"get, clear range that ends there", get("b"), clearRange("a", "b"), false},
	{"get, set beside", get("a"), set("a\x00"), false},
	{"get, declared write conflict", get("a"), func(s *suite, tx kv.Tx) { tx.AddWriteConflict(s.span("a", "a\x00")) }, true},
	{"get, declared wide write conflict", get("b"), func(s *suite, tx kv.Tx) { tx.AddWriteConflict(s.span("a", "c")) }, true},
	{"range, set inside", getRange("a", "c", kv.RangeOptions{}), set("b"), true},
	{"range, new key inside", getRange("a", "c", kv.RangeOptions{}), set("bb"), true},
	{"range, set at the end", getRange("a", "c", kv.RangeOptions{}), set("c"), false},
	{"range, clear range across", getRange("b", "c", kv.RangeOptions{}), clearRange("a", "d"), true},
	{"range with limit, set behind what was read", getRange("a", "e", kv.RangeOptions{Limit: 2}), set("c"), false},
	{"range with limit, new key within what was read", getRange("a", "e", kv.RangeOptions{Limit: 2}), set("aa"), true},
	{"range with limit, last row read", getRange("a", "e", kv.RangeOptions{Limit: 2}), set("b"), true},
	{"range with limit not reached, set at its end", getRange("a", "e", kv.RangeOptions{Limit: 9}), set("dd"), true},
	{"reverse with limit, set before what was read", getRange("a", "e", kv.RangeOptions{Limit: 1, Reverse: true}), set("c"), false},
	{"reverse with limit, new key behind", getRange("a", "e", kv.RangeOptions{Limit: 1, Reverse: true}), set("dd"), true},
	{"reverse with limit, row read", getRange("a", "e", kv.RangeOptions{Limit: 1, Reverse: true}), set("d"), true},
	{"snapshot get", func(s *suite, tx kv.Tx) { await(s, tx.Snapshot().Get(s.key("a"))) }, set("a"), false},
	{"snapshot range", func(s *suite, tx kv.Tx) {
		await(s, tx.Snapshot().GetRange(s.span("a", "e"), kv.RangeOptions{}))
	}, set("a"), false},
	{"blind write of the same key", both(version, set("a")), set("a"), false},
	{"declared read conflict", both(version, readConflict("a", "b")), set("a"), true},
	{"declared read conflict, key at its end", both(version, readConflict("a", "b")), set("b"), false},
	{"declared read conflict, then own write", both(version, readConflict("a", "a\x00"), set("a")), set("a"), true},
	{"own write, then declared read conflict is dropped", both(version, set("a"), readConflict("a", "a\x00")), set("a"), false},
	{"own write, then declared range is dropped there only", both(version, set("b"), readConflict("a", "c")), set("b"), false},
	{"own write, then declared range stays beside it", both(version, set("b"), readConflict("a", "c")), set("bb"), true},
	{"own clear, then declared read conflict is dropped", both(version, clearRange("a", "c"), readConflict("a", "c")), set("b"), false},
	{"own clear, then declared range stays beside it", both(version, clearRange("a", "c"), readConflict("a", "d")), set("c"), true},
	{"read of an own write", both(version, set("a"), get("a")), set("a"), false},
	{"read of an own clear", both(version, clearRange("a", "c"), get("b")), set("b"), false},
	{"read of an own atomic write", both(func(s *suite, tx kv.Tx) { tx.Atomic(kv.Add, s.key("a"), []byte{1}) }, get("a")), set("a"), true},
	{"declared on an own atomic write", both(version, func(s *suite, tx kv.Tx) { tx.Atomic(kv.Add, s.key("a"), []byte{1}) }, readConflict("a", "a\x00")), set("a"), true},
	{"own stamped value, then declared read conflict is dropped", both(version, func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedValue, s.key("a"), stamped(nil))
	}, readConflict("a", "a\x00")), set("a"), false},
	{"range over own writes", both(version, set("b"), getRange("a", "d", kv.RangeOptions{})), set("b"), false},
	{"range beside own writes", both(version, set("b"), getRange("a", "d", kv.RangeOptions{})), set("c"), true},
	{"range over an own clear", both(version, clearRange("b", "d"), getRange("a", "e", kv.RangeOptions{})), set("cc"), false},
	{"range, stamped key", getRange("q/", "q0", kv.RangeOptions{}), func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
	}, true},
	{"reverse range, stamped key", getRange("q/", "q0", kv.RangeOptions{Limit: 1, Reverse: true}), func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
	}, true},
	{"range beside, stamped key", getRange("p", "q", kv.RangeOptions{}), func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
	}, false},
	{"get, stamped value", get("a"), func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedValue, s.key("a"), stamped(nil))
	}, true},
	{"two stamped keys with one prefix", both(version, func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
	}), func(s *suite, tx kv.Tx) {
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
	}, false},
}

var conflicts = []test{
	{"races", func(s *suite) {
		for _, r := range races {
			s.write(func(tx kv.Tx) { tx.ClearRange(s.span("", "\xfe")) })
			s.set("a", "1", "b", "2", "c", "3", "d", "4")
			first := s.begin()
			r.first(s, first)
			s.write(func(tx kv.Tx) { r.second(s, tx) })
			first.Set(s.key("result"), []byte("1"))
			_, err := first.Commit(s.Context())
			if got := kv.KindOf(err) == kv.Conflict; got != r.conflict || !r.conflict && err != nil {
				s.Errorf("%s: got %v, want conflict %v", r.name, err, r.conflict)
			}
			want := "1"
			if r.conflict {
				want = "<absent>"
			}
			if got := s.read("result"); got != want {
				s.Errorf("%s: wrote %q, want %q", r.name, got, want)
			}
		}
	}},
	{"write skew", func(s *suite) {
		s.set("a", "1", "b", "1")
		t1, t2 := s.begin(), s.begin()
		for _, tx := range []kv.Tx{t1, t2} {
			await(s, tx.Get(s.key("a")))
			await(s, tx.Get(s.key("b")))
		}
		t1.Clear(s.key("a"))
		t2.Clear(s.key("b"))
		s.commit(t1)
		s.wantCommitError(t2, kv.Conflict, 0)
		s.all("b=1")
	}},
	{"at a given version", func(s *suite) {
		v := await(s, s.begin().ReadVersion()).Version
		s.set("a", "2")
		for _, k := range []string{"a", "z"} {
			tx := s.beginAt(v)
			tx.AddReadConflict(s.span(k, k+"\x00"))
			tx.Set(s.key("result"), []byte(k))
			_, err := tx.Commit(s.Context())
			if got, want := kv.KindOf(err) == kv.Conflict, k == "a"; got != want || !want && err != nil {
				s.Fatalf("%q: got %v, want conflict %v", k, err, want)
			}
		}
	}},
	{"a conflict leaves nothing", func(s *suite) {
		tx := s.begin()
		await(s, tx.Get(s.key("a")))
		s.set("a", "2")
		tx.Set(s.key("b"), []byte("1"))
		tx.Atomic(kv.Add, s.key("c"), []byte{1})
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), nil)
		tx.BumpMetadataVersion()
		before := await(s, s.begin().ReadVersion()).Metadata
		s.wantCommitError(tx, kv.Conflict, 0)
		s.all("a=2")
		if got := await(s, s.begin().ReadVersion()).Metadata; got != before {
			s.Fatal("the metadata version was bumped")
		}
	}},
	{"declared write conflict alone", func(s *suite) {
		tx := s.begin()
		tx.AddWriteConflict(s.span("a", "b"))
		c := s.commit(tx)
		if c.Version == 0 || c.Stamp == (kv.Versionstamp{}) {
			s.Fatalf("got %v, want a version and a stamp", c)
		}
	}},
	{"own conflict", func(s *suite) {
		tx := s.begin()
		await(s, tx.Get(s.key("a")))
		tx.Set(s.key("a"), []byte("1")) // one's own write is none
		s.commit(tx)
		s.wantRead("a", "1")
	}},
}
