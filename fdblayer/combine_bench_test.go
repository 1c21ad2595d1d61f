package fdblayer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// distant is a database with the round trips of a cluster, and no work of its own that they would hide.
type distant struct{ kv.Database }

type distantTx struct{ kv.Tx }

const (
	distantVersion = time.Millisecond
	distantCommit  = 4 * time.Millisecond
)

func (d distant) Begin(o kv.TxOptions) kv.Tx { return distantTx{d.Database.Begin(o)} }

func (tx distantTx) ReadVersion() kv.Future[kv.ReadVersion] {
	return distantVersionFuture{Future: tx.Tx.ReadVersion(), ready: time.Now().Add(distantVersion)}
}

func (tx distantTx) Commit(ctx context.Context) (kv.Commit, error) {
	time.Sleep(distantCommit)
	return tx.Tx.Commit(ctx)
}

type distantVersionFuture struct {
	kv.Future[kv.ReadVersion]
	ready time.Time
}

func (f distantVersionFuture) Get(ctx context.Context) (kv.ReadVersion, error) {
	time.Sleep(time.Until(f.ready))
	return f.Future.Get(ctx)
}

// BenchmarkPutCombined is BenchmarkPutObject with combining off and on, also on an engine as far away as a cluster.
// commits/op is what the database has to do for a PUT.
func BenchmarkPutCombined(b *testing.B) {
	content := strings.Repeat("x", 1<<10)
	far := func(b *testing.B) kv.Database { return distant{engines[0].open(b)} }
	near := func(n int) func(b *testing.B) kv.Database {
		return func(b *testing.B) kv.Database { return engines[n].open(b) }
	}
	for _, engine := range []struct {
		name string
		open func(b *testing.B) kv.Database
	}{{"memory", near(0)}, {"disk", near(1)}, {"distant", far}} {
		for _, clients := range []int{1, 64} {
			for _, most := range []int{0, 16, 64} {
				b.Run(fmt.Sprintf("%s/clients=%d/combine=%d", engine.name, clients, most), func(b *testing.B) {
					l := benchLayer(b, engine.open(b), func(o *Options) { o.CombineMax = most })
					before := l.Metrics()
					benchPuts(b, l, clients, content)
					after := l.Metrics()
					b.ReportMetric(float64(after.Commits-before.Commits)/float64(b.N), "commits/op")
				})
			}
		}
	}
}
