package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/janitor"
)

// The implementations that this program chooses, checked where both sides are
// visible.
var (
	_ chunkclient.Node = (*segment.Store)(nil)
	_ janitor.Layer    = (*fdblayer.Layer)(nil)
	_ janitor.Chunks   = (*chunkclient.Client)(nil)
)

// engines are the parts that keep state, and what works on them.
type engines struct {
	meta    *metadata
	layer   *fdblayer.Layer
	node    *segment.Store
	chunks  *chunkclient.Client
	janitor *janitor.Janitor
}

// openEngines opens the metadata and the chunk store side by side.
func openEngines(ctx context.Context, p *process) (*engines, error) {
	if err := os.MkdirAll(p.folder.chunksPath(), 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	e := &engines{}
	var group errgroup.Group
	group.Go(func() error { return e.openMetadata(ctx, p) })
	group.Go(func() (err error) {
		e.node, err = segment.Open(segment.Options{
			Dir: p.folder.chunksPath(), Log: p.log.Named("chunks"), Node: fdblayer.LocalNode,
		})
		return wrap("chunk store", err)
	})
	err := group.Wait()
	if err == nil {
		e.chunks, err = chunkclient.New(chunkclient.Options{
			Groups: chunkclient.FixedGroups{fdblayer.LocalGroup: {e.node}},
		})
	}
	if err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	e.janitor = janitor.New(janitor.Options{Layer: e.layer, Chunks: e.chunks, Log: p.log.Named("janitor")})
	e.registerMetrics(p.metrics)
	return e, nil
}

// metaRetryEvery is the pause before a cluster that does not answer at the start is asked again.
const metaRetryEvery = time.Second

// openMetadata opens the engine and the layer on it. It waits for a cluster that is away; until then
// the process is alive and not ready.
func (e *engines) openMetadata(ctx context.Context, p *process) (err error) {
	log := p.log.Named("meta")
	if e.meta, err = openMeta(p.meta, p.folder, log); err != nil {
		return wrap("metadata", err)
	}
	for {
		e.layer, err = fdblayer.Open(ctx, fdblayer.Options{
			DB: e.meta, Prefix: e.meta.prefix, Log: log, SoleProcess: e.meta.sole,
			CombineMax: p.meta.combine, CommitsInFlight: p.meta.inFlight,
		})
		if !kv.Retryable(err) || ctx.Err() != nil {
			return wrap("metadata", err)
		}
		log.Warn("the metadata can't be opened yet", zap.Error(err))
		select {
		case <-time.After(metaRetryEvery):
		case <-ctx.Done():
		}
	}
}

// close closes what is open, users before what they use.
func (e *engines) close(ctx context.Context) error {
	var errs []error
	if e.chunks != nil {
		errs = append(errs, e.chunks.Close(ctx))
	}
	if e.layer != nil {
		errs = append(errs, wrap("metadata", e.layer.Close(ctx)))
	}
	if e.meta != nil {
		errs = append(errs, wrap("metadata", e.meta.Close()))
	}
	if e.node != nil {
		errs = append(errs, wrap("chunk store", e.node.Close()))
	}
	return errors.Join(errs...)
}

func (e *engines) registerMetrics(m *metrics) {
	e.meta.register(m)
	e.registerTransactions(m)
	e.registerChunks(m)
	j := e.janitor.Metrics()
	for _, c := range []struct {
		name, help string
		value      func() int64
	}{
		{"janitor_events_total", "Events that the reaper has ended.", j.EventsEnded.Load},
		{"janitor_uploads_total", "Completed uploads forgotten a day later.", j.UploadsEnded.Load},
		{"janitor_blobs_deleted_total", "Blobs whose chunks were deleted.", j.BlobsDeleted.Load},
		{"janitor_bytes_deleted_total", "Bytes of blobs that were deleted.", j.BytesDeleted.Load},
		{"janitor_failures_total", "Steps of background work that failed and will be tried again.", j.Failures.Load},
	} {
		m.counter(c.name, c.help, func() float64 { return float64(c.value()) })
	}
}

// registerChunks shows the state and the work of the chunk store.
func (e *engines) registerChunks(m *metrics) {
	for _, c := range []struct {
		name, help string
		value      func(segment.Metrics) uint64
	}{
		{"puts_total", "Chunks written.", func(k segment.Metrics) uint64 { return k.Puts }},
		{"put_bytes_total", "Bytes of chunks written.", func(k segment.Metrics) uint64 { return k.PutBytes }},
		{"gets_total", "Reads of chunks.", func(k segment.Metrics) uint64 { return k.Gets }},
		{"get_bytes_total", "Bytes read of chunks.", func(k segment.Metrics) uint64 { return k.GetBytes }},
		{"deletes_total", "Chunks deleted.", func(k segment.Metrics) uint64 { return k.Deletes }},
		{"syncs_total", "Syncs of segments.", func(k segment.Metrics) uint64 { return k.Syncs }},
		{"written_bytes_total", "Bytes written to segments.", func(k segment.Metrics) uint64 { return k.WrittenBytes }},
		{"refused_full_total", "Puts refused for lack of space.", func(k segment.Metrics) uint64 { return k.RefusedFull }},
		{"compacted_bytes_total", "Bytes rewritten by compaction.", func(k segment.Metrics) uint64 { return k.CompactedBytes }},
	} {
		m.counter("chunks_"+c.name, c.help, func() float64 { return float64(c.value(e.node.Metrics())) })
	}
	for _, g := range []struct {
		name, help string
		value      func(chunkwire.Stat) float64
	}{
		{"stored", "Chunks that are not deleted.", func(s chunkwire.Stat) float64 { return float64(s.Chunks) }},
		{"live_bytes", "Their bytes.", func(s chunkwire.Stat) float64 { return float64(s.LiveBytes) }},
		{"disk_bytes", "Bytes that segments take on disk.", func(s chunkwire.Stat) float64 { return float64(s.DiskBytes) }},
		{"free_bytes", "Free space of the file system.", func(s chunkwire.Stat) float64 { return float64(s.FreeBytes) }},
		{"total_bytes", "Size of the file system.", func(s chunkwire.Stat) float64 { return float64(s.TotalBytes) }},
		{"failed", "1 after a failed write: the store only reads.", func(s chunkwire.Stat) float64 { return oneIf(s.Failed) }},
		{"full", "1 while puts are refused for lack of space.", func(s chunkwire.Stat) float64 { return oneIf(s.Full) }},
		{"quarantined", "Records found corrupt.", func(s chunkwire.Stat) float64 { return float64(s.Quarantined) }},
	} {
		m.gauge("chunks_"+g.name, g.help, func() float64 {
			s, err := e.node.Stat(context.Background())
			if err != nil {
				return math.NaN()
			}
			return g.value(s)
		})
	}
	m.gauge("buffer_bytes", "Memory that uploads and downloads hold for object data.", func() float64 {
		return float64(e.chunks.Stats().MemoryBytes)
	})
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func wrap(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}
