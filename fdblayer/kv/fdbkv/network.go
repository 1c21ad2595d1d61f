//go:build fdb

package fdbkv

import (
	"fmt"
	"sync"

	"github.com/apple/foundationdb/bindings/go/src/fdb"
)

// apiVersion is the FoundationDB API that this package is written for; a client library of
// 7.3 or later offers it.
const apiVersion = 730

// client is what a process has one of: the client's network, and the binding's table
// of open databases, which has no lock of its own. This is package-level state because the
// library's is.
var client struct {
	mu      sync.Mutex
	network *Network       // nil before the first Open
	users   map[string]int // of an open database, by its cluster file
}

// startClient sets the process's options, or checks that they are the ones that it has. The network's thread
// starts with the first database. It is called with client.mu held.
func startClient(n Network) error {
	if client.network != nil {
		if *client.network != n {
			return fmt.Errorf("this process has started its FoundationDB client with other options: %+v, not %+v", *client.network, n)
		}
		return nil
	}
	if err := fdb.APIVersion(apiVersion); err != nil {
		return fmt.Errorf("FoundationDB's client library: %w", err)
	}
	for _, o := range n.settings() {
		if err := o.set(); err != nil {
			return fmt.Errorf("FoundationDB's client, option %s: %w", o.name, err)
		}
	}
	client.network = &n
	client.users = map[string]int{}
	return nil
}

// setting is one network option that is not left at its default.
type setting struct {
	name string
	set  func() error
}

func (n Network) settings() []setting {
	o := fdb.Options()
	var all []setting
	text := func(name, value string, set func(string) error) {
		if value != "" {
			all = append(all, setting{name, func() error { return set(value) }})
		}
	}
	text("TLS certificate", n.TLSCertFile, o.SetTLSCertPath)
	text("TLS key", n.TLSKeyFile, o.SetTLSKeyPath)
	text("TLS certificate authorities", n.TLSCAFile, o.SetTLSCaPath)
	text("TLS peers", n.TLSVerifyPeers, func(v string) error { return o.SetTLSVerifyPeers([]byte(v)) })
	text("trace folder", n.TraceDir, o.SetTraceEnable)
	if n.TraceDir != "" {
		all = append(all, setting{"trace format", func() error { return o.SetTraceFormat("json") }})
	}
	text("external client folder", n.ExternalClientDir, o.SetExternalClientDirectory)
	if n.ClientThreads > 1 {
		all = append(all, setting{"client threads", func() error { return o.SetClientThreadsPerVersion(int64(n.ClientThreads)) }})
	}
	if n.Buggify {
		all = append(all, setting{"buggify", o.SetClientBuggifyEnable})
	}
	return all
}

// openDatabases opens the handles of one DB.
func openDatabases(o Options) ([]handle, error) {
	names, err := o.clusterFiles()
	if err != nil {
		return nil, err
	}
	client.mu.Lock()
	defer client.mu.Unlock()
	if err := startClient(o.Network); err != nil {
		return nil, err
	}
	var handles []handle
	for _, name := range names {
		db, err := fdb.OpenDatabase(name)
		if err != nil {
			closeDatabases(handles)
			return nil, fmt.Errorf("cluster file %s: %w", name, err)
		}
		client.users[name]++
		handles = append(handles, handle{db, name})
	}
	return handles, nil
}

// handle is a database of the binding; those who open the same file share it.
type handle struct {
	fdb.Database
	file string
}

// closeDatabases is called with client.mu held.
func closeDatabases(handles []handle) {
	for _, h := range handles {
		if client.users[h.file]--; client.users[h.file] == 0 {
			h.Close()
		}
	}
}
