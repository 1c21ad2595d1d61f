package fdblayer

import (
	"errors"
	"sync/atomic"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// Metrics count what the transactions of a Layer have done since Open. What a session does of itself (heartbeats, settling)
// and what Open and Close do is not counted.
type Metrics struct {
	// VersionRequests were sent to the database, for VersionWaiters: what shared them.
	VersionRequests, VersionWaiters uint64
	// Commits are transactions with evidence that ended successfully.
	Commits uint64
	// Combined are those that were put together, of CombinedMembers requests (one is possible: nobody else came).
	Combined, CombinedMembers uint64
	// Splits are combined transactions that were split after a conflict; Refused are members that were told to go alone
	// because of what a check or a conflict said of them.
	Splits, Refused uint64
	// Conflicts are commits that lost a race. Retries are attempts after the first of a transaction, for any reason.
	Conflicts, Retries uint64
	// Unknown are commits with an unknown result, and what became of them: settled as having taken effect or not, or not
	// settled in time and left to the heartbeat.
	Unknown, SettledDone, SettledAbsent, Unsettled uint64
}

// metrics are the counters behind Metrics.
type metrics struct {
	versionRequests, versionWaiters            atomic.Uint64
	commits, combined, combinedMembers         atomic.Uint64
	splits, refused, conflicts, retries        atomic.Uint64
	unknown, settledDone, settledAbsent, unset atomic.Uint64
}

// Metrics returns the counters as they are now; they only grow.
func (l *Layer) Metrics() Metrics {
	m := &l.metrics
	return Metrics{
		VersionRequests: m.versionRequests.Load(), VersionWaiters: m.versionWaiters.Load(),
		Commits: m.commits.Load(), Combined: m.combined.Load(), CombinedMembers: m.combinedMembers.Load(),
		Splits: m.splits.Load(), Refused: m.refused.Load(),
		Conflicts: m.conflicts.Load(), Retries: m.retries.Load(),
		Unknown: m.unknown.Load(), SettledDone: m.settledDone.Load(), SettledAbsent: m.settledAbsent.Load(), Unsettled: m.unset.Load(),
	}
}

// retried counts an attempt; last is what ended the one before, nil for the first.
func (m *metrics) retried(last error) {
	if last != nil {
		m.retries.Add(1)
		m.failed(last)
	}
}

// failed counts an attempt that is not followed by another one, or is.
func (m *metrics) failed(err error) {
	if errors.Is(err, kv.Conflict) {
		m.conflicts.Add(1)
	}
}

// settled counts how an unknown result ended.
func (m *metrics) settled(done bool, err error) {
	m.unknown.Add(1)
	switch {
	case err != nil:
		m.unset.Add(1)
	case done:
		m.settledDone.Add(1)
	default:
		m.settledAbsent.Add(1)
	}
}
