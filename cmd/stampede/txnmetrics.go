package main

import "github.com/stampede-store/stampede/fdblayer"

// registerTransactions shows what the metadata transactions of this process have done, whatever the engine is.
func (e *engines) registerTransactions(m *metrics) {
	for _, c := range []struct {
		name, help string
		value      func(fdblayer.Metrics) uint64
	}{
		{"version_requests_total", "Requests for a read version.", func(k fdblayer.Metrics) uint64 { return k.VersionRequests }},
		{"version_waiters_total", "Attempts that shared those requests.", func(k fdblayer.Metrics) uint64 { return k.VersionWaiters }},
		{"commits_total", "Transactions committed, combined ones once.", func(k fdblayer.Metrics) uint64 { return k.Commits }},
		{"combined_total", "Combined transactions committed.", func(k fdblayer.Metrics) uint64 { return k.Combined }},
		{"combined_members_total", "Requests committed in combined transactions.", func(k fdblayer.Metrics) uint64 { return k.CombinedMembers }},
		{"splits_total", "Combined transactions split after a conflict.", func(k fdblayer.Metrics) uint64 { return k.Splits }},
		{"refused_members_total", "Requests sent on from a combined transaction to one of their own.", func(k fdblayer.Metrics) uint64 { return k.Refused }},
		{"conflicts_total", "Attempts that lost a race.", func(k fdblayer.Metrics) uint64 { return k.Conflicts }},
		{"retries_total", "Attempts after a transaction's first.", func(k fdblayer.Metrics) uint64 { return k.Retries }},
		{"unknown_total", "Commits whose result was not known at first.", func(k fdblayer.Metrics) uint64 { return k.Unknown }},
		{"settled_done_total", "Unknown results found to have taken effect.", func(k fdblayer.Metrics) uint64 { return k.SettledDone }},
		{"settled_absent_total", "Unknown results found not to have taken effect.", func(k fdblayer.Metrics) uint64 { return k.SettledAbsent }},
		{"unsettled_total", "Unknown results left to the heartbeat.", func(k fdblayer.Metrics) uint64 { return k.Unsettled }},
	} {
		m.counter("txn_"+c.name, c.help, func() float64 { return float64(c.value(e.layer.Metrics())) })
	}
}
