//go:build fdb

package main

import (
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv/fdbkv"
)

// hasFDB says whether this binary was built with FoundationDB's client.
const hasFDB = true

// openFDB opens a cluster. The process is not taken for the only one that uses it: the lock on
// a data folder says nothing about other machines, and a session that is fenced while it lives
// loses what it is writing. So a session that a crash left behind stays, and holds back
// what could be deleted, until sessions are fenced by watching them.
func openFDB(m metaOptions, log *zap.Logger) (*metadata, error) {
	db, err := fdbkv.Open(fdbkv.Options{
		ClusterFile: m.clusterFile, Log: log,
		Network: fdbkv.Network{
			TLSCertFile: m.tlsCert, TLSKeyFile: m.tlsKey, TLSCAFile: m.tlsCA, TLSVerifyPeers: m.tlsPeers,
			TraceDir: m.trace, ExternalClientDir: m.clients, ClientThreads: m.threads,
		},
	})
	if err != nil {
		return nil, err
	}
	return &metadata{
		Database: db, prefix: []byte(m.prefix),
		register: func(m *metrics) { registerFDB(m, db) },
	}, nil
}

// registerFDB shows the work of the client.
func registerFDB(m *metrics, db *fdbkv.DB) {
	for _, c := range []struct {
		name, help string
		value      func(fdbkv.Metrics) uint64
	}{
		{"commits_total", "Transactions with writes that took effect.", func(k fdbkv.Metrics) uint64 { return k.Commits }},
		{"conflicts_total", "Commits refused for a conflict.", func(k fdbkv.Metrics) uint64 { return k.Conflicts }},
		{"too_old_total", "Commits refused for the age of their read version.", func(k fdbkv.Metrics) uint64 { return k.TooOld }},
		{"refused_total", "Commits that the cluster could not take.", func(k fdbkv.Metrics) uint64 { return k.Busy }},
		{"unknown_total", "Commits whose result was not known at first.", func(k fdbkv.Metrics) uint64 { return k.Unknown }},
		{"read_versions_total", "Read versions asked for by name.", func(k fdbkv.Metrics) uint64 { return k.ReadVersions }},
		{"reads_total", "Point and range reads.", func(k fdbkv.Metrics) uint64 { return k.Reads }},
		{"read_bytes_total", "Bytes of rows read.", func(k fdbkv.Metrics) uint64 { return k.BytesRead }},
		{"written_bytes_total", "Bytes of rows written, with their conflict ranges.", func(k fdbkv.Metrics) uint64 { return k.BytesWritten }},
	} {
		m.counter("meta_"+c.name, c.help, func() float64 { return float64(c.value(db.Metrics())) })
	}
}
