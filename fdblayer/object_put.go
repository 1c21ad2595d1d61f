package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// PutObject is one new version.
type PutObject struct {
	Bucket object.BucketName
	// Version has everything but Stamp and Kind, which the commit decides.
	Version object.Version
	// Lease is that of Version.Content.Blob; nil without a blob. The call ends it.
	Lease *BlobLease
	// If, when set, is checked against the current version in the same transaction;
	// a lost race that repeats is ConditionalConflict.
	If Condition
}

// Condition looks at the version that a request would replace or read, nil if the key has no
// current one (or it is a delete marker), and returns the error to give. It must be pure: it may run often.
type Condition func(current *object.Version) error

// Put is what became of a write.
type Put struct {
	Version object.Version
	Token   object.Token
}

// PutObject adds a version. NoSuchBucket; what If returns; SessionLost when the blob's session was fenced: write the data
// again; OutcomeUnknown only when the evidence can't be read: then the chunks must stay. On every other error the version
// does not exist and never will. Without If it reads nothing and conflicts with no other PUT.
func (l *Layer) PutObject(ctx context.Context, p PutObject) (Put, error) {
	op := operation{
		name: "fdblayer.PutObject", ref: object.Ref{Bucket: p.Bucket, Key: p.Version.Key}, lease: p.Lease,
		conditional: p.If != nil, sizeBytes: p.sizeBytes(),
	}
	run := l.blind
	if p.If != nil {
		run = l.mutate // a condition is looked at a fresh version
	}
	var v object.Version
	var place keys.Pending
	c, err := run(ctx, op, func(ctx context.Context, t *txn) error {
		b, err := t.bucket(ctx, p.Bucket)
		if err != nil {
			return err
		}
		if err := t.check(ctx, b, p.Version.Key, p.If); err != nil {
			return err
		}
		v = p.Version
		place, err = t.addVersion(b, &v)
		return err
	})
	if err != nil {
		return Put{}, err
	}
	v.Stamp = place.Stamp(c.Stamp)
	return Put{Version: v, Token: l.token(c.Version)}, nil
}

// rowsBytes estimates what a PUT writes beside what is counted: keys, conflicts, and the rows around the version's.
const rowsBytes = 1 << 10

// sizeBytes estimates what the transaction writes.
func (p *PutObject) sizeBytes() int {
	v := &p.Version
	n := rowsBytes + len(v.Content.Inline) + 4*len(v.Key)
	for name, value := range v.Metadata.User {
		n += len(name) + len(value)
	}
	return n
}

// check checks a condition, if there is one. The rows from the newest down to the current version are read
// serializably: the answer holds where the transaction commits.
func (t *txn) check(ctx context.Context, b *pinnedBucket, k object.Key, c Condition) error {
	if c == nil {
		return nil
	}
	current, err := t.l.current(ctx, t, b, k)
	if err != nil {
		return err
	}
	return c(current)
}

// addVersion adds v, an object, as the newest row of its key, with all that goes with it: the list row, the
// reference to its content, counters, and where an older null row may be hidden now, an event. It sets v.Kind. The
// stamp is that of the place returned, once the commit is known. A key may be given one row in a transaction.
func (t *txn) addVersion(b *pinnedBucket, v *object.Version) (keys.Pending, error) {
	v.Kind = object.NullVersion
	if b.Versioning == object.VersioningEnabled {
		v.Kind = object.Kept
	}
	place, err := t.addRow(b, v)
	if err != nil {
		return place, err
	}
	t.Atomic(kv.SetVersionstampedValue, t.l.keys.List(b.ID, v.Key), keys.EncodeListOperand(keys.ListOf(v), place))
	t.refer(&v.Content, place)
	return place, nil
}

// addRow adds a version row of any kind, counts it, and tells the reaper when it hides older rows.
func (t *txn) addRow(b *pinnedBucket, v *object.Version) (keys.Pending, error) {
	value, err := keys.EncodeVersion(v)
	if err != nil {
		return keys.Pending{}, err
	}
	place := t.pending()
	t.Atomic(kv.SetVersionstampedKey, t.l.keys.VersionOperand(b.ID, v.Key, place), value)
	if v.Kind != object.Purge {
		t.count(b.ID, v.Key, 1, v.SizeBytes)
	}
	if v.Kind.IsNull() {
		t.hidden(b.ID, v.Key)
	}
	return place, nil
}
