package pebblekv_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// slowSyncFS is a file system in memory on which a sync of the log takes a millisecond.
type slowSyncFS struct{ vfs.FS }

func (fs slowSyncFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return wrapSlow(name, f, err)
}

func (fs slowSyncFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, c)
	return wrapSlow(newname, f, err)
}

func wrapSlow(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return slowSyncFile{f}, nil
}

type slowSyncFile struct{ vfs.File }

const slowSync = time.Millisecond

func (f slowSyncFile) Sync() error     { time.Sleep(slowSync); return f.File.Sync() }
func (f slowSyncFile) SyncData() error { time.Sleep(slowSync); return f.File.SyncData() }

// blindPut writes what a PUT writes: seven rows, two of them with the stamp, one counter, four
// declared conflicts, at a given version.
func blindPut(b *testing.B, db kv.Database, v kv.Version, n uint64, value []byte) error {
	tx := db.Begin(kv.TxOptions{ReadVersion: v})
	defer tx.Cancel()
	var key [64]byte
	named := func(prefix string, n uint64) []byte {
		return binary.BigEndian.AppendUint64(append(key[:0], prefix...), n)
	}
	for i, p := range []string{"S/session", "K/bucket", "A/guard", "G/group"} {
		begin := named(p, uint64(i))
		tx.AddReadConflict(kv.Range{Begin: begin, End: append(begin[:len(begin):len(begin)], 0)})
	}
	f := named("F/", n)
	tx.AddReadConflict(kv.Range{Begin: f, End: append(f[:len(f):len(f)], 0)})
	row := named("V/bucket/photos/2026/", n)
	row = append(row, make([]byte, len(kv.Versionstamp{}))...)
	row = binary.LittleEndian.AppendUint32(row, uint32(len(row)-len(kv.Versionstamp{})))
	tx.Atomic(kv.SetVersionstampedKey, row, value)
	tx.Set(named("L/bucket/photos/2026/", n), value[:80])
	tx.Set(named("B/session", n), value[:24])
	tx.Atomic(kv.Add, named("Z/bucket/objects", n%16), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	tx.Atomic(kv.Add, named("Z/bucket/bytes", n%16), []byte{0, 16, 0, 0, 0, 0, 0, 0})
	tx.Atomic(kv.SetVersionstampedValue, named("F/", n), make([]byte, len(kv.Versionstamp{})+4))
	_, err := tx.Commit(b.Context())
	return err
}

// BenchmarkCommit counts blind commits a second, and how many share one sync.
func BenchmarkCommit(b *testing.B) {
	for _, disk := range []string{"disk", "sync1ms", "memory"} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/writers=%d", disk, writers), func(b *testing.B) {
				o := pebblekv.Options{Dir: "db", FS: vfs.NewMem()}
				switch disk {
				case "disk":
					o = pebblekv.Options{Dir: b.TempDir()}
				case "sync1ms":
					o.FS = slowSyncFS{o.FS}
				}
				db := open(b, o)
				value := make([]byte, 300)
				var n atomic.Uint64
				before := db.Metrics()
				b.ReportAllocs()
				b.ResetTimer()
				done := make(chan error, writers)
				for range writers {
					go func() {
						for {
							i := n.Add(1)
							if i > uint64(b.N) {
								done <- nil
								return
							}
							tx := db.Begin(kv.TxOptions{})
							v, err := tx.ReadVersion().Get(b.Context())
							tx.Cancel()
							if err == nil {
								err = blindPut(b, db, v.Version, i, value)
							}
							if err != nil {
								done <- err
								return
							}
						}
					}()
				}
				for range writers {
					if err := <-done; err != nil {
						b.Error(err)
					}
				}
				b.StopTimer()
				m := db.Metrics()
				b.ReportMetric(float64(m.Commits-before.Commits)/b.Elapsed().Seconds(), "commits/s")
				b.ReportMetric(float64(m.Commits-before.Commits)/float64(max(1, m.Syncs-before.Syncs)), "commits/sync")
			})
		}
	}
}

// BenchmarkRead reads from a database of 100,000 rows: one point, the newest row of a
// key (reverse, limit 1), and a page of a hundred.
func BenchmarkRead(b *testing.B) {
	db := open(b, pebblekv.Options{Dir: b.TempDir()})
	const rows = 100_000
	name := func(i int) []byte { return fmt.Appendf(nil, "V/bucket/photos/%06d", i) }
	for i := 0; i < rows; i += 1000 {
		tx := db.Begin(kv.TxOptions{})
		for j := i; j < i+1000; j++ {
			tx.Set(name(j), make([]byte, 200))
		}
		if _, err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	cases := []struct {
		name string
		read func(r kv.Reader, i int) (int, error)
	}{
		{"point", func(r kv.Reader, i int) (int, error) {
			v, err := r.Get(name(i)).Get(b.Context())
			return len(v), err
		}},
		{"newest", func(r kv.Reader, i int) (int, error) {
			p, err := r.GetRange(kv.Range{Begin: name(i), End: name(i + 1)}, kv.RangeOptions{Limit: 1, Reverse: true}).Get(b.Context())
			return len(p.Rows), err
		}},
		{"page of 100", func(r kv.Reader, i int) (int, error) {
			p, err := r.GetRange(kv.Range{Begin: name(i), End: name(rows)}, kv.RangeOptions{Limit: 100}).Get(b.Context())
			return len(p.Rows), err
		}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := 0
				for pb.Next() {
					i = (i + 7919) % (rows - 200)
					tx := db.Begin(kv.TxOptions{})
					n, err := c.read(tx.Snapshot(), i)
					tx.Cancel()
					if err != nil || n == 0 {
						b.Errorf("got %d, %v", n, err)
						return
					}
				}
			})
		})
	}
}
