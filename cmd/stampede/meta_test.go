package main

import (
	"strings"
	"testing"
)

// TestParseMeta: what is wrong is said in one sentence, before anything is opened.
func TestParseMeta(t *testing.T) {
	t.Setenv(clusterFileEnv, "/env/fdb.cluster")
	for _, c := range []struct {
		text string
		want metaOptions
		err  string
		fdb  bool // the row needs a binary with FoundationDB
	}{
		{text: "embedded", want: metaOptions{engine: metaEmbedded}},
		{text: "", err: "neither"},
		{text: "pebble", err: "neither"},
		{text: "fdb", err: "neither"},
		{text: "fdb:/a/b.cluster", want: metaOptions{engine: metaFDB, clusterFile: "/a/b.cluster", prefix: "stampede", combine: 32}, fdb: true},
		{text: "fdb:", want: metaOptions{engine: metaFDB, clusterFile: "/env/fdb.cluster", prefix: "stampede", combine: 32}, fdb: true},
		{
			text: "fdb:c?prefix=a%00b&client-threads=4&external-clients=/x&trace=/t&tls-cert=1&tls-key=2&tls-ca=3&tls-verify-peers=4&combine=0&commits-in-flight=8",
			want: metaOptions{
				engine: metaFDB, clusterFile: "c", prefix: "a\x00b", threads: 4, inFlight: 8, clients: "/x", trace: "/t",
				tlsCert: "1", tlsKey: "2", tlsCA: "3", tlsPeers: "4",
			}, fdb: true,
		},
		{text: "fdb:c?prefix=", err: "a prefix has", fdb: true},
		{text: "fdb:c?prefix=%ff", err: "a prefix has", fdb: true},
		{text: "fdb:c?combine=-1", err: "not a number", fdb: true},
		{text: "fdb:c?client-threads=many", err: "not a number", fdb: true},
		{text: "fdb:c?prefx=a", err: `"prefx"`, fdb: true},
	} {
		got, err := parseMeta(c.text)
		want := c.err
		if c.fdb && !hasFDB {
			want = errNoFDB.Error()
		}
		switch {
		case want == "" && (err != nil || got != c.want):
			t.Errorf("%q: got %+v, %v; want %+v", c.text, got, err, c.want)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", c.text, err, want)
		}
	}
}

// TestFolderMeta: a folder's chunks belong to one set of metadata.
func TestFolderMeta(t *testing.T) {
	one, other := metaOptions{engine: metaFDB, prefix: "one"}, metaOptions{engine: metaFDB, prefix: "other"}
	f := &folder{path: t.TempDir()}
	for _, c := range []struct {
		meta metaOptions
		good bool
	}{
		{metaOptions{engine: metaEmbedded}, true}, {one, true}, {one, true}, {other, false}, {metaOptions{engine: metaEmbedded}, false},
	} {
		if err := f.checkMeta(c.meta.String()); (err == nil) != c.good {
			t.Errorf("%s: %v", c.meta, err)
		}
	}
}
