package pebblekv_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

func TestSmoke(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				_, err := kv.Run(t.Context(), db, kv.RunOptions{AttemptsMax: 1000}, func(tx kv.Tx) error {
					v, err := tx.Get([]byte("n")).Get(t.Context())
					if err != nil {
						return err
					}
					n := 0
					fmt.Sscan(string(v), &n)
					tx.Set([]byte("n"), fmt.Append(nil, n+1))
					tx.Atomic(kv.Add, []byte("a"), []byte{1, 0})
					tx.Set(fmt.Appendf(nil, "k/%d/%d", i, j), v)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	tx := db.Begin(kv.TxOptions{})
	v, err := tx.Get([]byte("n")).Get(t.Context())
	a, _ := tx.Get([]byte("a")).Get(t.Context())
	t.Logf("%s %x %v %+v", v, a, err, db.Metrics().Conflicts)
	if string(v) != "800" || a[0] != 0x20 || a[1] != 3 {
		t.Fatal("wrong")
	}
	p, err := tx.GetRange(kv.Range{Begin: []byte("k/"), End: []byte("k0")}, kv.RangeOptions{Limit: 1, Reverse: true}).Get(t.Context())
	t.Logf("%+v %v", p, err)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tx.Cancel()
}
