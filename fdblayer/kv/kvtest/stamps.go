package kvtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

var stamps = []test{
	{"key and value", func(s *suite) {
		key := s.key("q/")
		stampedKey := stamped(key)
		// A suffix behind the stamp tells rows of one commit apart.
		withSuffix := append(append(bytes.Clone(stampedKey[:len(stampedKey)-4]), "/x"...), stampedKey[len(stampedKey)-4:]...)
		c := s.write(func(tx kv.Tx) {
			tx.Atomic(kv.SetVersionstampedKey, stampedKey, []byte("1"))
			tx.Atomic(kv.SetVersionstampedKey, withSuffix, []byte("2"))
			tx.Atomic(kv.SetVersionstampedValue, s.key("v"), stamped([]byte("value ")))
		})
		if got := binary.BigEndian.Uint64(c.Stamp[:8]); got != uint64(c.Version) {
			s.Fatalf("stamp %x of version %d", c.Stamp, c.Version)
		}
		st := string(c.Stamp[:])
		s.all("q/" + st + "=1 q/" + st + "/x=2 v=value " + st)
	}},
	{"bad offsets", func(s *suite) {
		offset := func(b string, at int32) []byte {
			return binary.LittleEndian.AppendUint32([]byte(b), uint32(at))
		}
		ten := "0123456789"
		for _, bad := range [][]byte{[]byte("abc"), offset("short", 0), offset(ten, 1), offset(ten, -1), offset(ten+ten, 11), offset(ten, 1<<30)} {
			tx := s.begin()
			tx.Atomic(kv.SetVersionstampedKey, bad, []byte("1"))
			s.wantCommitError(tx, kv.Fatal, kv.CodeClientInvalidOperation)
			tx = s.begin()
			tx.Atomic(kv.SetVersionstampedValue, s.key("v"), bad)
			s.wantCommitError(tx, kv.Fatal, kv.CodeClientInvalidOperation)
		}
	}},
	{"ascend with commits", func(s *suite) {
		var last kv.Commit
		for range 20 {
			c := s.set("a", "1")
			if bytes.Compare(c.Stamp[:], last.Stamp[:]) <= 0 || c.Version <= last.Version {
				s.Fatalf("%v after %v", c, last)
			}
			last = c
		}
	}},
	{"ascend over restarts", func(s *suite) {
		if s.Reopen == nil {
			s.Skip("the engine can't be reopened by the harness")
		}
		last := s.set("a", "0")
		for range 3 {
			v := await(s, s.begin().ReadVersion()).Version
			s.DB = s.Reopen(s.T)
			if got := await(s, s.begin().ReadVersion()).Version; got <= v {
				s.Fatalf("read version %d after %d", got, v)
			}
			s.wantRead("a", "0")
			c := s.set("b", "1")
			if bytes.Compare(c.Stamp[:], last.Stamp[:]) <= 0 {
				s.Fatalf("%v after %v", c, last)
			}
			last = c
		}
	}},
	{"a stamped value can't be read before", func(s *suite) {
		s.set("a", "1", "c", "3")
		tx := s.begin()
		tx.Atomic(kv.SetVersionstampedValue, s.key("b"), stamped(nil))
		wantCode(s, tx.Get(s.key("b")), kv.CodeAccessedUnreadable)
		wantCode(s, tx.Snapshot().Get(s.key("b")), kv.CodeAccessedUnreadable)
		wantCode(s, tx.GetRange(s.span("a", "d"), kv.RangeOptions{}), kv.CodeAccessedUnreadable)
		s.wantRows(tx, s.span("a", "d"), kv.RangeOptions{Limit: 1}, "a=1")
		s.wantRows(tx, s.span("a", "d"), kv.RangeOptions{Limit: 1, Reverse: true}, "c=3")
		s.wantRows(tx, s.span("a", "b"), kv.RangeOptions{}, "a=1")
		s.wantRows(tx, s.span("b\x00", "d"), kv.RangeOptions{}, "c=3")
		tx.Set(s.key("b"), []byte("2")) // doesn't help ...
		wantCode(s, tx.Get(s.key("b")), kv.CodeAccessedUnreadable)
		tx.Clear(s.key("b")) // ... this does
		if got := text(await(s, tx.Get(s.key("b")))); got != "<absent>" {
			s.Fatalf("got %q", got)
		}
		s.wantCommitError(tx, kv.Fatal, kv.CodeAccessedUnreadable) // a commit waits for the reads
		s.all("a=1 c=3")
	}},
	{"a stamped value that is cleared can be read", func(s *suite) {
		s.set("a", "1", "c", "3")
		tx := s.begin()
		tx.Atomic(kv.SetVersionstampedValue, s.key("b"), stamped(nil))
		s.wantRows(tx, s.span("a", "b"), kv.RangeOptions{}, "a=1")
		tx.Clear(s.key("b"))
		s.wantRows(tx, s.span("a", "d"), kv.RangeOptions{}, "a=1 c=3")
		s.commit(tx)
		s.all("a=1 c=3")
	}},
	{"where a stamped key may come to lie can't be read before", func(s *suite) {
		s.set("p", "0", "r", "9")
		old := s.write(func(tx kv.Tx) { tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("old")) })
		s.set("p", "0") // for a read version behind it
		oldRow := "q/" + string(old.Stamp[:]) + "=old"
		begin := func() kv.Tx {
			tx := s.begin()
			await(s, tx.ReadVersion()) // first: the range begins there
			tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("new"))
			return tx
		}
		for name, f := range map[string]func(tx kv.Tx){
			"range": func(tx kv.Tx) {
				wantCode(s, tx.GetRange(s.span("q/", "q0"), kv.RangeOptions{}), kv.CodeAccessedUnreadable)
			},
			"reverse snapshot range": func(tx kv.Tx) {
				wantCode(s, tx.Snapshot().GetRange(s.span("q/", "q0"), kv.RangeOptions{Reverse: true, Limit: 1}), kv.CodeAccessedUnreadable)
			},
			"get": func(tx kv.Tx) {
				wantCode(s, tx.Get(s.key("q/\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe")), kv.CodeAccessedUnreadable)
			},
		} {
			tx := begin()
			f(tx)
			s.wantRows(tx, s.span("r", "s"), kv.RangeOptions{}, "r=9")
			if _, err := tx.Commit(s.Context()); kv.KindOf(err) != kv.Fatal {
				s.Fatalf("%s, then commit: got %v", name, err)
			}
			s.all("p=0 " + oldRow + " r=9")
		}
		tx := begin()
		s.wantRows(tx, s.span("p", "s"), kv.RangeOptions{Limit: 2}, "p=0 "+oldRow)
		s.wantRows(tx, s.span("p", "s"), kv.RangeOptions{Limit: 1, Reverse: true}, "r=9")
		if got := text(await(s, tx.Get(s.key("q/"+string(old.Stamp[:]))))); got != "old" {
			s.Fatalf("got %q", got)
		}
		c := s.commit(tx)
		s.all("p=0 " + oldRow + " q/" + string(c.Stamp[:]) + "=new r=9")
	}},
	{"a stamp of the read version itself can't be read", func(s *suite) {
		old := s.write(func(tx kv.Tx) { tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("old")) })
		tx := s.beginAt(old.Version)
		await(s, tx.ReadVersion())
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("new"))
		wantCode(s, tx.Get(s.key("q/"+string(old.Stamp[:]))), kv.CodeAccessedUnreadable)
	}},
	{"without a read version every stamp can't be read", func(s *suite) {
		old := s.write(func(tx kv.Tx) { tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("old")) })
		tx := s.begin()
		tx.Atomic(kv.SetVersionstampedKey, stamped(s.key("q/")), []byte("new"))
		wantCode(s, tx.Get(s.key("q/"+string(old.Stamp[:]))), kv.CodeAccessedUnreadable)
		if got := text(await(s, tx.Get(s.key("q0")))); got != "<absent>" {
			s.Fatalf("got %q", got)
		}
	}},
}

var versions = []test{
	{"fresh", func(s *suite) {
		for i := range 10 {
			c := s.set("a", string(rune('0'+i)))
			tx := s.begin()
			if v := await(s, tx.ReadVersion()).Version; v < c.Version {
				s.Fatalf("read version %d after commit %d", v, c.Version)
			}
			if got := text(await(s, tx.Get(s.key("a")))); got != string(rune('0'+i)) {
				s.Fatalf("got %q", got)
			}
			tx.Cancel()
		}
	}},
	{"a read sees exactly its version", func(s *suite) {
		s.set("a", "1", "b", "1")
		tx := s.begin()
		v := await(s, tx.ReadVersion()).Version
		s.set("a", "2")
		s.write(func(tx kv.Tx) { tx.Clear(s.key("b")) })
		s.set("c", "2")
		again := s.beginAt(v)
		for _, tx := range []kv.Tx{tx, again} {
			s.wantRows(tx, s.span("", "\xfe"), kv.RangeOptions{}, "a=1 b=1")
			if got := await(s, tx.ReadVersion()).Version; got != v {
				s.Fatalf("read version %d, want %d", got, v)
			}
		}
		s.all("a=2 c=2")
	}},
	{"a commit's version may be read at", func(s *suite) {
		c := s.set("a", "1")
		s.set("a", "2")
		if got := text(await(s, s.beginAt(c.Version).Get(s.key("a")))); got != "1" {
			s.Fatalf("got %q", got)
		}
	}},
	{"from the future", func(s *suite) {
		v := await(s, s.begin().ReadVersion()).Version
		_, err := s.beginAt(v + 1<<40).Get(s.key("a")).Get(s.Context())
		wantError(s, err, kv.TooOld, 0)
	}},
	{"too old", func(s *suite) {
		if s.Age == nil {
			s.Skip("the harness can't age versions")
		}
		s.set("a", "1")
		writing := s.begin()
		v := await(s, writing.ReadVersion()).Version
		await(s, writing.Get(s.key("a")))
		writing.Set(s.key("a"), []byte("2"))
		s.set("b", "1")
		s.Age(s.T, (kv.ReadVersionMaxAgeSeconds+2)*1e9)
		s.set("b", "2")
		s.readTooOld(v)
		_, err := s.beginAt(v).GetRange(s.span("a", "b"), kv.RangeOptions{}).Get(s.Context())
		wantError(s, err, kv.TooOld, 0)
		s.wantCommitError(writing, kv.TooOld, 0)
		blind := s.beginAt(v)
		blind.AddReadConflict(s.span("x", "y"))
		blind.Set(s.key("x"), nil)
		s.wantCommitError(blind, kv.TooOld, 0)
		s.wantRead("a", "1")
	}},
	{"a restart ends transactions", func(s *suite) {
		if s.Reopen == nil {
			s.Skip("the engine can't be reopened by the harness")
		}
		s.set("a", "1")
		tx := s.begin()
		v := await(s, tx.ReadVersion()).Version
		tx.Set(s.key("a"), []byte("2"))
		s.DB = s.Reopen(s.T)
		if _, err := tx.Commit(s.Context()); err == nil {
			s.Fatal("committed on a closed database")
		}
		late := s.beginAt(v)
		late.AddReadConflict(s.span("a", "b"))
		late.Set(s.key("a"), []byte("3"))
		if _, err := late.Commit(s.Context()); err == nil {
			s.Fatal("a version from before the restart was taken, though nobody knows what was written since")
		}
		s.all("a=1")
	}},
	{"a read version shared by waiters", func(s *suite) {
		tx := s.begin()
		version := tx.ReadVersion()
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		if _, err := version.Get(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.Fatalf("got %v, want a version or context.Canceled", err)
		}
		if got := await(s, version); got.Version <= 0 {
			s.Fatalf("got %+v", got)
		}
		await(s, tx.Get(s.key("a")))
	}},
	{"metadata version, asked for after a bump", func(s *suite) {
		tx := s.begin()
		tx.BumpMetadataVersion()
		wantCode(s, tx.ReadVersion(), kv.CodeAccessedUnreadable)
		tx = s.begin()
		before := await(s, tx.ReadVersion())
		tx.BumpMetadataVersion()
		if got := await(s, tx.ReadVersion()); got != before {
			s.Fatalf("got %+v, want %+v", got, before)
		}
		s.commit(tx)
	}},
	{"metadata version", func(s *suite) {
		before := await(s, s.begin().ReadVersion()).Metadata
		s.set("a", "1")
		if got := await(s, s.begin().ReadVersion()).Metadata; got != before {
			s.Fatalf("got %x, want %x", got, before)
		}
		c := s.write(func(tx kv.Tx) { tx.BumpMetadataVersion() })
		if got := await(s, s.begin().ReadVersion()); got.Metadata != c.Stamp || got.Version < c.Version {
			s.Fatalf("got %+v, want %x", got, c.Stamp)
		}
		tx := s.begin()
		await(s, tx.ReadVersion())
		second := s.write(func(tx kv.Tx) { tx.BumpMetadataVersion(); tx.Set(s.key("b"), nil) })
		if bytes.Compare(second.Stamp[:], c.Stamp[:]) <= 0 {
			s.Fatalf("%x after %x", second.Stamp, c.Stamp)
		}
		tx.Set(s.key("c"), nil)
		s.commit(tx) // asking for the metadata version is no read that conflicts
		if s.Reopen != nil {
			s.DB = s.Reopen(s.T)
		}
		if got := await(s, s.begin().ReadVersion()).Metadata; got != second.Stamp {
			s.Fatalf("got %x, want %x", got, second.Stamp)
		}
	}},
}

// readTooOld reads "a", which was "1" at v, until v is too old. A storage server may keep
// a version for some moments longer than it must; commits are refused at once.
func (s *suite) readTooOld(v kv.Version) {
	s.Helper()
	const triesMax = 100
	for range triesMax {
		value, err := s.beginAt(v).Get(s.key("a")).Get(s.Context())
		if err != nil {
			wantError(s, err, kv.TooOld, 0)
			return
		}
		if text(value) != "1" {
			s.Fatalf("got %q", value)
		}
		s.Age(s.T, 1e8)
		s.set("b", "2")
	}
	s.Fatal("the version does not become too old")
}
