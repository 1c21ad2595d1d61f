package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
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
	db      *pebblekv.DB
	layer   *fdblayer.Layer
	node    *segment.Store
	chunks  *chunkclient.Client
	janitor *janitor.Janitor
}

// openEngines opens the metadata and the chunk store side by side.
func openEngines(ctx context.Context, p *process) (*engines, error) {
	for _, dir := range []string{p.folder.metaPath(), p.folder.chunksPath()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
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

// openMetadata opens the embedded engine and the layer on it. The lock on the
// data folder proves that no other process uses it.
func (e *engines) openMetadata(ctx context.Context, p *process) (err error) {
	log := p.log.Named("meta")
	if e.db, err = pebblekv.Open(pebblekv.Options{Dir: p.folder.metaPath(), Log: log}); err != nil {
		return wrap("metadata", err)
	}
	e.layer, err = fdblayer.Open(ctx, fdblayer.Options{DB: e.db, Log: log, SoleProcess: true})
	return wrap("metadata", err)
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
	if e.db != nil {
		errs = append(errs, wrap("metadata", e.db.Close()))
	}
	if e.node != nil {
		errs = append(errs, wrap("chunk store", e.node.Close()))
	}
	return errors.Join(errs...)
}

func (e *engines) registerMetrics(m *metrics) {
	e.registerMetadata(m)
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

// registerMetadata shows the work of the metadata engine.
func (e *engines) registerMetadata(m *metrics) {
	for _, c := range []struct {
		name, help string
		value      func(pebblekv.Metrics) uint64
	}{
		{"commits_total", "Transactions with writes that took effect.", func(k pebblekv.Metrics) uint64 { return k.Commits }},
		{"batches_total", "Groups of commits written together.", func(k pebblekv.Metrics) uint64 { return k.Batches }},
		{"syncs_total", "Syncs of the log.", func(k pebblekv.Metrics) uint64 { return k.Syncs }},
		{"conflicts_total", "Commits refused for a conflict.", func(k pebblekv.Metrics) uint64 { return k.Conflicts }},
		{"too_old_total", "Commits refused for the age of their read version.", func(k pebblekv.Metrics) uint64 { return k.TooOld }},
		{"refused_total", "Commits refused because the disk can't take them.", func(k pebblekv.Metrics) uint64 { return k.Refused }},
		{"unknown_total", "Commits whose result was not known at first.", func(k pebblekv.Metrics) uint64 { return k.Unknown }},
		{"read_versions_total", "Read versions handed out.", func(k pebblekv.Metrics) uint64 { return k.ReadVersions }},
		{"reads_total", "Point and range reads.", func(k pebblekv.Metrics) uint64 { return k.Reads }},
		{"read_bytes_total", "Bytes of rows read.", func(k pebblekv.Metrics) uint64 { return k.BytesRead }},
		{"written_bytes_total", "Bytes of rows written.", func(k pebblekv.Metrics) uint64 { return k.BytesWritten }},
	} {
		m.counter("meta_"+c.name, c.help, func() float64 { return float64(c.value(e.db.Metrics())) })
	}
	m.gauge("meta_failed", "1 after a failed write: nothing is written any more.", func() float64 { return oneIf(e.db.Metrics().Failed) })
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
