package fdblayer

import (
	"bytes"
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// content names what references are counted of: a blob, or a completed upload.
type content struct {
	blob   object.BlobID
	upload object.Stamp
}

// use is one reference: the stamp of the version row, or of the write of the part, that uses what Content says.
type use struct {
	object.Content
	ref object.Stamp
}

// content says what the use is of; false for none, which is what inline and empty content have.
func (u *use) content() (content, bool) {
	switch {
	case u.Blob != nil:
		return content{blob: u.Blob.ID}, true
	case u.Manifest != nil:
		return content{upload: u.Manifest.Upload}, true
	}
	return content{}, false
}

// references is what one transaction has done to references. Its zero value is ready.
type references struct {
	added   []content
	trashed []content
}

// refer adds the reference of the row at place to its content.
func (t *txn) refer(c *object.Content, place keys.Pending) {
	u := use{Content: *c}
	to, ok := u.content()
	if !ok {
		return
	}
	for _, gone := range t.references.trashed {
		if gone == to {
			// The trash would delete what is referred to. No transaction releases first.
			panic("fdblayer: refers to a blob that the same transaction has put into the trash")
		}
	}
	t.references.added = append(t.references.added, to)
	if c.Blob != nil {
		t.Atomic(kv.SetVersionstampedKey, t.l.keys.BlobRefOperand(c.Blob.ID, place), keys.EncodeBlobRef(*c.Blob))
		return
	}
	t.Atomic(kv.SetVersionstampedKey, t.l.keys.ManifestRefOperand(c.Manifest.Upload, place), keys.EncodeEmpty())
}

// held are the uses of one content that a release ends.
type held struct {
	content content
	blob    *object.Blob // nil for a manifest
	refs    kv.Range     // of all references to it
	own     [][]byte     // those to end
	found   kv.Future[kv.Page]
}

// release ends one use: that of a content by the row with the stamp ref.
func (t *txn) release(ctx context.Context, c *object.Content, ref object.Stamp) error {
	return t.releaseAll(ctx, use{Content: *c, ref: ref})
}

// releaseAll ends uses: it clears their references, and puts a content whose last one is among them into the
// trash. All references are read serializably, so that of two releases, or a copy and a release, one sees the
// other; and the references are counted as this transaction leaves them, so that two releases in it do too.
func (t *txn) releaseAll(ctx context.Context, uses ...use) error {
	for _, h := range t.hold(uses) {
		last, err := h.last(ctx)
		if err != nil {
			return err
		}
		for _, ref := range h.own {
			t.Clear(ref)
		}
		if !last {
			continue
		}
		t.references.trashed = append(t.references.trashed, h.content)
		if h.blob != nil {
			t.trash(keys.ShardOfBlob(h.blob.ID), keys.Trash{Blob: h.blob})
			continue
		}
		t.trash(keys.ShardOfUpload(h.content.upload), keys.Trash{Upload: h.content.upload})
	}
	return nil
}

// hold gathers uses by what they are of, in their order, and asks for the references.
func (t *txn) hold(uses []use) []*held {
	byContent := make(map[content]*held, len(uses))
	var all []*held
	for i := range uses {
		u := &uses[i]
		c, ok := u.content()
		if !ok {
			continue
		}
		h := byContent[c]
		if h == nil {
			h = &held{content: c, blob: u.Blob}
			byContent[c] = h
			all = append(all, h)
		}
		if u.Blob != nil {
			h.refs = t.l.keys.BlobRefs(u.Blob.ID)
			h.own = append(h.own, t.l.keys.BlobRef(u.Blob.ID, u.ref))
		} else {
			h.refs = t.l.keys.ManifestRefs(c.upload)
			h.own = append(h.own, t.l.keys.ManifestRef(c.upload, u.ref))
		}
	}
	for _, h := range all {
		if !t.refersTo(h.content) {
			// One more than its own tells whether there are others.
			h.found = t.GetRange(h.refs, kv.RangeOptions{Limit: len(h.own) + 1})
		}
	}
	return all
}

// refersTo: the transaction itself adds a reference, so the last one is not released. It could not be read either:
// its key is not known before the commit.
func (t *txn) refersTo(c content) bool {
	for _, added := range t.references.added {
		if added == c {
			return true
		}
	}
	return false
}

// last reports whether no reference is left without its own. Where its own are not there, they have been released
// before, and whoever did that has seen to the rest.
func (h *held) last(ctx context.Context) (bool, error) {
	if h.found == nil {
		return false, nil
	}
	page, err := h.found.Get(ctx)
	if err != nil {
		return false, err
	}
	for _, row := range page.Rows {
		if !h.owns(row.Key) {
			return false, nil
		}
	}
	return len(page.Rows) > 0, nil
}

func (h *held) owns(key []byte) bool {
	for _, ref := range h.own {
		if bytes.Equal(ref, key) {
			return true
		}
	}
	return false
}
