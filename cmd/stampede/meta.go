package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// metaOptions is what --meta says: the embedded engine, or a FoundationDB cluster,
//
//	embedded
//	fdb:/path/to/fdb.cluster?prefix=stampede&client-threads=4
//
// whose file may be left to the environment, as for FoundationDB's own tools.
type metaOptions struct {
	engine string // metaEmbedded or metaFDB

	// Of FoundationDB.
	clusterFile string
	prefix      string
	tlsCert     string
	tlsKey      string
	tlsCA       string
	tlsPeers    string
	trace       string
	clients     string // external client libraries
	threads     int
	// combine and inFlight are fdblayer.Options.CombineMax and CommitsInFlight.
	combine, inFlight int
}

const (
	metaEmbedded = "embedded"
	metaFDB      = "fdb"

	clusterFileEnv = "FDB_CLUSTER_FILE"
	// defaultPrefix keeps a store apart from what else a cluster holds.
	defaultPrefix = "stampede"
	// defaultCombine is how many requests share a commit on a cluster at most.
	defaultCombine = 32
)

// parseMeta reads --meta.
func parseMeta(text string) (metaOptions, error) {
	if text == metaEmbedded {
		return metaOptions{engine: metaEmbedded}, nil
	}
	rest, ok := strings.CutPrefix(text, metaFDB+":")
	if !ok {
		return metaOptions{}, fmt.Errorf("--meta is %q, neither %q nor \"fdb:CLUSTER-FILE\"", text, metaEmbedded)
	}
	if !hasFDB {
		return metaOptions{}, errNoFDB
	}
	file, query, _ := strings.Cut(rest, "?")
	m := metaOptions{engine: metaFDB, clusterFile: file, prefix: defaultPrefix, combine: defaultCombine}
	if m.clusterFile == "" {
		m.clusterFile = os.Getenv(clusterFileEnv)
	}
	if m.clusterFile == "" {
		return m, fmt.Errorf("--meta %s names no cluster file, and %s is not set", text, clusterFileEnv)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return m, fmt.Errorf("--meta: %w", err)
	}
	for name := range values {
		if err := m.set(name, values.Get(name)); err != nil {
			return m, fmt.Errorf("--meta: %w", err)
		}
	}
	return m, nil
}

func (m *metaOptions) set(name, value string) (err error) {
	switch name {
	case "prefix":
		if m.prefix = value; value == "" || value[0] == 0xff || len(value) > keys.PrefixMaxBytes {
			return fmt.Errorf("a prefix has 1 to %d bytes, the first of which is not 0xff", keys.PrefixMaxBytes)
		}
	case "tls-cert":
		m.tlsCert = value
	case "tls-key":
		m.tlsKey = value
	case "tls-ca":
		m.tlsCA = value
	case "tls-verify-peers":
		m.tlsPeers = value
	case "trace":
		m.trace = value
	case "external-clients":
		m.clients = value
	case "client-threads":
		m.threads, err = number(name, value)
	case "combine":
		m.combine, err = number(name, value)
	case "commits-in-flight":
		m.inFlight, err = number(name, value)
	default:
		return fmt.Errorf("no option of fdb: is called %q", name)
	}
	return err
}

func number(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q, not a number", name, value)
	}
	return n, nil
}

// String names the metadata that a data folder belongs to.
func (m metaOptions) String() string {
	if m.engine == metaEmbedded {
		return metaEmbedded
	}
	return m.engine + " " + url.QueryEscape(m.prefix)
}

// metadata is an open engine.
type metadata struct {
	kv.Database
	// sole says that no other process can be using it.
	sole bool
	// prefix is put before every key.
	prefix []byte
	// register shows its work.
	register func(m *metrics)
}

var errNoFDB = errors.New("this binary can't use FoundationDB: install its client library and headers (package foundationdb-clients, 7.3) " +
	"and build with go build -tags fdb ./cmd/stampede (docs/foundationdb.md)")

// openMeta opens the engine that --meta names.
func openMeta(m metaOptions, f *folder, log *zap.Logger) (*metadata, error) {
	if m.engine == metaFDB {
		return openFDB(m, log)
	}
	if err := os.MkdirAll(f.metaPath(), 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	db, err := pebblekv.Open(pebblekv.Options{Dir: f.metaPath(), Log: log})
	if err != nil {
		return nil, err
	}
	return &metadata{
		Database: db,
		sole:     true, // the lock on the data folder proves it
		register: func(m *metrics) { registerEmbedded(m, db) },
	}, nil
}

// registerEmbedded shows the work of the embedded engine.
func registerEmbedded(m *metrics, db *pebblekv.DB) {
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
		m.counter("meta_"+c.name, c.help, func() float64 { return float64(c.value(db.Metrics())) })
	}
	m.gauge("meta_failed", "1 after a failed write: nothing is written any more.", func() float64 { return oneIf(db.Metrics().Failed) })
}
