package fdblayer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	firstEra = 1
	// LocalNode is the only node of the local group.
	LocalNode object.NodeID = 1
	// clusterBytes is the length of a cluster id before it is written in hex.
	clusterBytes = 8
)

var (
	errForeign   = errors.New("the database has rows, but no format: it is not a store of ours, or a damaged one")
	errBucketRow = errors.New("a bucket's name has no bucket")
)

// openStore reads what the store is, or writes it in an empty database, and begins the view there.
// It may be run again after an unknown result: then it finds what it wrote.
func (l *Layer) openStore(ctx context.Context) error {
	cluster := make([]byte, clusterBytes)
	_, _ = rand.Read(cluster) // never fails
	for i := 0; ; i++ {
		found := false
		_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) (err error) {
			found, err = l.readStore(ctx, tx)
			if err != nil || found {
				return err
			}
			return l.initialise(ctx, tx, hex.EncodeToString(cluster))
		})
		if err != nil && (!unknown(err) || i == fenceAttemptsMax) {
			return err
		}
		if found {
			return nil
		}
	}
}

// readStore reads the m rows and the end of the config log, at one version; false if there is no store.
func (l *Layer) readStore(ctx context.Context, tx kv.Tx) (bool, error) {
	at, err := tx.ReadVersion().Get(ctx)
	if err != nil {
		return false, err
	}
	names := [...]keys.MetaName{keys.MetaFormat, keys.MetaFeatures, keys.MetaCluster, keys.MetaEra}
	var futures [len(names)]kv.Future[[]byte]
	for i, n := range names {
		futures[i] = tx.Get(l.keys.Meta(n))
	}
	newest := tx.Snapshot().GetRange(l.keys.Logs(), kv.RangeOptions{Limit: 1, Reverse: true})
	var meta [len(names)]keys.Meta
	for i, f := range futures {
		value, err := f.Get(ctx)
		if err != nil {
			return false, err
		}
		if value == nil && i == 0 {
			return false, nil
		}
		if value != nil {
			if meta[i], err = keys.DecodeMeta(value); err != nil {
				return false, err
			}
		}
	}
	if err := checkFormat(meta[0], meta[1]); err != nil {
		return false, err
	}
	l.cluster, l.era = meta[2].Text, uint32(meta[3].Number)
	page, err := newest.Get(ctx)
	if err != nil {
		return false, err
	}
	var last object.Stamp
	if len(page.Rows) > 0 {
		if last, err = l.keys.ParseLog(page.Rows[0].Key); err != nil {
			return false, err
		}
	}
	l.view = newView(l, at, last)
	return true, nil
}

// checkFormat refuses a store that this program does not understand.
func checkFormat(format, features keys.Meta) error {
	if format.Number > keys.StoreFormat {
		return &object.Error{Op: "fdblayer.Open", Kind: object.NewerFormat, Err: fmt.Errorf(
			"the metadata has format %d; this program knows formats up to %d: use a newer release", format.Number, keys.StoreFormat)}
	}
	if len(features.Names) > 0 {
		return &object.Error{Op: "fdblayer.Open", Kind: object.NewerFormat, Err: fmt.Errorf(
			"the metadata uses features %q, which this program does not know: use a newer release", features.Names)}
	}
	return nil
}

// initialise writes an empty store: what it is, and its one group.
func (l *Layer) initialise(ctx context.Context, tx kv.Tx, cluster string) error {
	page, err := tx.GetRange(l.keys.All(), kv.RangeOptions{Limit: 1}).Get(ctx)
	if err != nil {
		return err
	}
	if len(page.Rows) > 0 {
		return &object.Error{Op: "fdblayer.Open", Kind: object.Corrupt, Err: errForeign}
	}
	for _, m := range []struct {
		name  keys.MetaName
		value keys.Meta
	}{
		{keys.MetaFormat, keys.Meta{Number: keys.StoreFormat}},
		{keys.MetaFeatures, keys.Meta{}},
		{keys.MetaCluster, keys.Meta{Text: cluster}},
		{keys.MetaEra, keys.Meta{Number: firstEra}},
		{keys.MetaNextBucket, keys.Meta{Number: 1}},
	} {
		tx.Set(l.keys.Meta(m.name), keys.EncodeMeta(m.value))
	}
	group, node := l.keys.Group(LocalGroup), l.keys.Node(LocalNode)
	tx.Set(group, keys.EncodeGroup(keys.Group{Nodes: []object.NodeID{LocalNode}, Copies: 1}))
	tx.Set(node, keys.EncodeNode(keys.Node{}))
	tx.Set(l.keys.Guard(), keys.EncodeEmpty())
	l.era = firstEra
	// The log begins with an entry, so that every view knows a last one.
	l.logChange(tx, keys.Pending{Era: firstEra}, l.keys.Guard(), group, node)
	return nil
}
