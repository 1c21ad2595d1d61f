package kvenv_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvtest"
)

// TestConformanceBelowPrefix: a part of a database is one itself.
func TestConformanceBelowPrefix(t *testing.T) {
	if kvenv.OnFoundationDB() {
		t.Skip("the suite runs on FoundationDB in fdbkv; this is about the prefix")
	}
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		return kvtest.Harness{DB: kvenv.WithPrefix(kvenv.Open(t), []byte("a/b/")), Part: true}
	})
}

// TestOpen: every test has an engine of its own, and sees nothing of another's.
func TestOpen(t *testing.T) {
	one, other := kvenv.Open(t), kvenv.Open(t)
	for _, db := range []kv.Database{one, other} {
		_, err := kv.Run(t.Context(), db, kv.RunOptions{}, func(tx kv.Tx) error {
			page, err := tx.GetRange(kv.Range{End: []byte{0xff}}, kv.RangeOptions{}).Get(t.Context())
			if err == nil && len(page.Rows) != 0 {
				t.Errorf("a new engine has the rows %q", page.Rows)
			}
			tx.Set([]byte("a"), []byte(time.Now().String()))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPrefix: what is written below a prefix is there, and only there, stamps in keys included.
func TestPrefix(t *testing.T) {
	all := kvenv.Open(t)
	part := kvenv.WithPrefix(all, []byte("part/"))
	c, err := kv.Run(t.Context(), part, kv.RunOptions{}, func(tx kv.Tx) error {
		tx.Set([]byte("k"), []byte("v"))
		tx.Atomic(kv.SetVersionstampedKey, append([]byte("stamp:"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0), []byte("s"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tx := all.Begin(kv.TxOptions{})
	defer tx.Cancel()
	page, err := tx.GetRange(kv.Range{End: []byte{0xff}}, kv.RangeOptions{}).Get(t.Context())
	if err != nil || len(page.Rows) != 2 {
		t.Fatalf("got %q, %v", page.Rows, err)
	}
	for i, want := range []string{"part/k", "part/stamp:" + string(c.Stamp[:])} {
		if !bytes.Equal(page.Rows[i].Key, []byte(want)) {
			t.Errorf("key %d is %q, want %q", i, page.Rows[i].Key, want)
		}
	}
}
