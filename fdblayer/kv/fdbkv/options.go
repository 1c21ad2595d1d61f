//go:build fdb

package fdbkv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// Options are the choices of a DB. ClusterFile is required.
type Options struct {
	// ClusterFile names the cluster. The client writes to the file when the cluster's
	// coordinators change, so it and its folder should be writable.
	ClusterFile string
	// Log takes what an operator should know. Default: nothing is logged.
	Log *zap.Logger

	// Network is the same for every DB of a process: the first Open decides, and a
	// later one that differs is an error.
	Network
}

// Network are the options of the client, of which a process has one. The zero
// value is good.
type Network struct {
	// TLSCertFile, TLSKeyFile and TLSCAFile are PEM files, for clusters that use TLS.
	TLSCertFile, TLSKeyFile, TLSCAFile string
	// TLSVerifyPeers says which peers are trusted, in FoundationDB's language of its
	// documentation, "Peer verification". Default: those that TLSCAFile vouches for.
	TLSVerifyPeers string
	// TraceDir is the folder of the client's trace files. Default: none are written.
	TraceDir string
	// ExternalClientDir is a folder of client libraries of other versions, so that the
	// cluster can be upgraded while this process runs. Default: none.
	ExternalClientDir string
	// ClientThreads is the number of the client's network threads for each version of
	// the library. One thread serves some 100,000 small operations a second. More than one needs
	// ExternalClientDir with a library of the cluster's version. Default: 1.
	ClientThreads int
	// Buggify makes the client inject faults into itself. For tests.
	Buggify bool
}

// clientThreadsMax is far above what a process can use.
const clientThreadsMax = 64

// withDefaults returns a copy with every default filled in.
func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.ClientThreads == 0 {
		o.ClientThreads = 1
	}
	return o
}

// validate checks what the client would take in silence, or complain about in words
// that don't say which option it was.
func (o Options) validate() error {
	if o.ClusterFile == "" {
		return errors.New("no cluster file is given")
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") {
		return errors.New("a TLS certificate and its key go together")
	}
	if o.ClientThreads < 1 || o.ClientThreads > clientThreadsMax {
		return fmt.Errorf("%d client threads: 1 to %d can be had", o.ClientThreads, clientThreadsMax)
	}
	if o.ClientThreads > 1 && o.ExternalClientDir == "" {
		return errors.New("several client threads need a folder of external client libraries")
	}
	for _, f := range []struct{ what, name string }{
		{"cluster file", o.ClusterFile},
		{"TLS certificate", o.TLSCertFile},
		{"TLS key", o.TLSKeyFile},
		{"TLS certificate authorities", o.TLSCAFile},
		{"folder of trace files", o.TraceDir},
		{"folder of external client libraries", o.ExternalClientDir},
	} {
		if f.name == "" {
			continue
		}
		if _, err := os.Stat(f.name); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
	}
	return nil
}

// clusterFiles names the cluster file once for every client thread. The library gives each
// database handle to one thread in turn, and the binding has one handle for each name of a file.
func (o Options) clusterFiles() ([]string, error) {
	path, err := filepath.Abs(o.ClusterFile)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(path)
	names := make([]string, o.ClientThreads)
	for i := range names {
		names[i] = dir + base
		dir += "./"
	}
	return names, nil
}
