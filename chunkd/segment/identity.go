package segment

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/object"
)

// identityName is the file that says whose folder this is; identityTemp is how
// it is written.
const (
	identityName     = "IDENTITY"
	identityTemp     = "IDENTITY.tmp"
	identityMaxBytes = 4 << 10
)

// identity is the content of the identity file.
type identity struct {
	// Format is the version of everything in the folder.
	Format  int           `json:"format"`
	Node    object.NodeID `json:"node"`
	Store   string        `json:"store"`
	Cluster string        `json:"cluster,omitempty"`
}

var errDamagedIdentity = errors.New("the identity file is damaged")

// encode is one line of JSON and one with its CRC-32C.
func (i identity) encode() ([]byte, error) {
	line, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s\n%08x\n", line, crc32.Checksum(line, castagnoli)), nil
}

func parseIdentity(b []byte) (identity, storeID, error) {
	var i identity
	var store storeID
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	// The format comes before all else: a newer release may have changed the rest.
	if err := json.Unmarshal(line, &i); err != nil {
		return i, store, errDamagedIdentity
	}
	if i.Format > formatVersion {
		return i, store, &object.Error{
			Op: "segment.Open", Kind: object.NewerFormat,
			Err: fmt.Errorf("the folder has format %d, this release reads up to %d", i.Format, formatVersion),
		}
	}
	if string(rest) != fmt.Sprintf("%08x\n", crc32.Checksum(line, castagnoli)) || i.Format != formatVersion {
		return i, store, errDamagedIdentity
	}
	raw, err := hex.DecodeString(i.Store)
	if err != nil || len(raw) != len(store) {
		return i, store, errDamagedIdentity
	}
	copy(store[:], raw)
	return i, store, nil
}

// openIdentity reads the identity of a folder, or gives it one. A folder that
// holds segments and has no identity is refused.
func openIdentity(o Options) (identity, storeID, error) {
	b, err := readFile(o.FS, o.FS.PathJoin(o.Dir, identityName), identityMaxBytes)
	if oserror.IsNotExist(err) {
		return createIdentity(o)
	}
	if err != nil {
		return identity{}, storeID{}, err
	}
	i, store, err := parseIdentity(b)
	if err != nil {
		return i, store, err
	}
	if o.Node != 0 && i.Node != o.Node {
		return i, store, fmt.Errorf("%w: node %d, not %d", ErrForeign, i.Node, o.Node)
	}
	if o.Cluster != "" && i.Cluster != o.Cluster {
		if i.Cluster != "" {
			return i, store, fmt.Errorf("%w: cluster %q, not %q", ErrForeign, i.Cluster, o.Cluster)
		}
		i.Cluster = o.Cluster
		return i, store, writeIdentity(o, i)
	}
	return i, store, nil
}

func createIdentity(o Options) (identity, storeID, error) {
	var store storeID
	names, err := o.FS.List(o.FS.PathJoin(o.Dir, segmentsName))
	if err != nil && !oserror.IsNotExist(err) {
		return identity{}, store, err
	}
	if len(names) > 0 {
		return identity{}, store, errors.New("the folder holds segments, and its identity file is missing")
	}
	if _, err := rand.Read(store[:]); err != nil {
		return identity{}, store, err
	}
	i := identity{Format: formatVersion, Node: o.Node, Store: hex.EncodeToString(store[:]), Cluster: o.Cluster}
	return i, store, writeIdentity(o, i)
}

// writeIdentity replaces the file in one step: whole or not at all after a crash.
func writeIdentity(o Options, i identity) error {
	b, err := i.encode()
	if err != nil {
		return err
	}
	temp := o.FS.PathJoin(o.Dir, identityTemp)
	f, err := o.FS.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := o.FS.Rename(temp, o.FS.PathJoin(o.Dir, identityName)); err != nil {
		return err
	}
	return syncDir(o.FS, o.Dir)
}

// makeDir makes a folder and those above it, and makes their names durable: whatever is in
// the folder is lost with any of them. All are synced, because one that is there may
// have been made a moment ago, by a process that died.
func makeDir(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	for parent := fs.PathDir(dir); ; parent = fs.PathDir(parent) {
		// A folder that may not be read was not made by us.
		if err := syncDir(fs, parent); err != nil && !oserror.IsPermission(err) {
			return err
		}
		if fs.PathDir(parent) == parent {
			return nil
		}
	}
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readFile(fs vfs.FS, name string, bytesMax int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, bytesMax))
	return b, errors.Join(err, f.Close())
}
