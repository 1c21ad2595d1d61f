package segment

import (
	"math/bits"
	"sync/atomic"
)

// BatchSizes is the number of buckets of Metrics.BatchRecords.
const BatchSizes = 14

// Metrics counts what a Store did since it was opened.
type Metrics struct {
	Puts, PutBytes   uint64 // chunks written and their data
	Repeated         uint64 // puts of what was there
	Gets, GetBytes   uint64
	Deletes          uint64 // chunks deleted
	Fences           uint64 // positions raised
	Batches          uint64 // writes that were acknowledged together
	Syncs            uint64 // of segments
	WrittenBytes     uint64 // to segments
	RefusedFull      uint64 // puts refused for lack of space
	QueuedBytes      int64  // puts that wait or are being written, now
	Segments         int64  // now
	Rebuilds         uint64 // indexes built anew
	ReplayedRecords  uint64 // by Open
	ReplayedBytes    uint64 // by Open: how much of the segments it went through
	TornTails        uint64 // segments that a crash left without a clean end
	Checkpoints      uint64 // flushes of the index
	Compactions      uint64 // segments rewritten
	CompactedBytes   uint64 // records rewritten
	RemovedSegments  uint64
	Holes, HoleBytes uint64
	// BatchRecords counts batches by their number of records: bucket i those
	// with at most 1<<i, the last one all above.
	BatchRecords [BatchSizes]uint64
}

// metrics is Metrics while it is counted.
type metrics struct {
	puts, putBytes, repeated, gets, getBytes, deletes, fences atomic.Uint64
	batches, syncs, writtenBytes, refusedFull                 atomic.Uint64
	queuedBytes                                               atomic.Int64
	rebuilds, replayedRecords, replayedBytes, tornTails       atomic.Uint64
	checkpoints, compactions, compactedBytes, removed         atomic.Uint64
	holes, holeBytes                                          atomic.Uint64
	batchRecords                                              [BatchSizes]atomic.Uint64
}

func (m *metrics) countBatch(records int) {
	m.batches.Add(1)
	bucket := 0
	if records > 1 {
		bucket = min(bits.Len(uint(records-1)), BatchSizes-1)
	}
	m.batchRecords[bucket].Add(1)
}

// Metrics is a snapshot; its numbers may be of slightly different moments.
func (s *Store) Metrics() Metrics {
	m := &s.metrics
	out := Metrics{
		Puts: m.puts.Load(), PutBytes: m.putBytes.Load(), Repeated: m.repeated.Load(),
		Gets: m.gets.Load(), GetBytes: m.getBytes.Load(),
		Deletes: m.deletes.Load(), Fences: m.fences.Load(),
		Batches: m.batches.Load(), Syncs: m.syncs.Load(), WrittenBytes: m.writtenBytes.Load(),
		RefusedFull: m.refusedFull.Load(), QueuedBytes: m.queuedBytes.Load(),
		Rebuilds: m.rebuilds.Load(), ReplayedRecords: m.replayedRecords.Load(),
		ReplayedBytes: m.replayedBytes.Load(), TornTails: m.tornTails.Load(),
		Checkpoints: m.checkpoints.Load(), Compactions: m.compactions.Load(),
		CompactedBytes: m.compactedBytes.Load(), RemovedSegments: m.removed.Load(),
		Holes: m.holes.Load(), HoleBytes: m.holeBytes.Load(),
	}
	for i := range out.BatchRecords {
		out.BatchRecords[i] = m.batchRecords[i].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Segments = int64(len(s.table.segments))
	return out
}
