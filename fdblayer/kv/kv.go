package kv

import "context"

// Limits that every engine enforces, FoundationDB's own ("Known Limitations"
// in its documentation), so that what works embedded works on a cluster.
const (
	KeyMaxBytes         = 10_000
	ValueMaxBytes       = 100_000
	TransactionMaxBytes = 10_000_000
	// ReadVersionMaxAgeSeconds is how long a read version may be used; older is TooOld.
	ReadVersionMaxAgeSeconds = 5
)

// Version is a position in the database's order of commits. Commits of a later
// time have greater versions; a version is not a clock and may jump. 0 is no
// version.
type Version int64

// Versionstamp is what a commit gets: its version (8 bytes, big-endian) and its
// order among the transactions of that version (2 bytes, big-endian).
type Versionstamp [10]byte

// KeyValue is one row. Its slices belong to the caller.
type KeyValue struct {
	Key, Value []byte
}

// Range is the keys from Begin (included) to End (excluded). Keys from 0xff on are
// the database's own; 0xff itself may be an End. An inverted range
// is an error (Fatal, CodeInvertedRange), for reads at once and for the others from
// Commit. (FoundationDB's client returns nothing for an inverted read; its engine here checks.)
type Range struct {
	Begin, End []byte
}

// RangeOptions bound one range read.
type RangeOptions struct {
	// Limit is the most rows to return; 0 means all of the range, up to
	// what the transaction may read. An engine reads exactly what is asked.
	Limit int
	// Reverse reads from the end of the range, descending.
	Reverse bool
}

// Page is the answer to a range read: rows in reading order, and whether it ended because
// Limit was reached; then there may be more, or not: nothing behind the last row was looked at.
type Page struct {
	Rows []KeyValue
	More bool
}

// Future is the answer to a read that was issued. Get waits for it; it may be
// called many times and from several goroutines. Errors are typed (Error). When ctx ends first,
// Get returns its error, and the engine may cancel the whole transaction, whose reads and Commit then
// fail (Fatal) without effect. Only the future of ReadVersion can be shared by those who know
// nothing of each other: a context that ends hurts nobody else.
type Future[T any] interface {
	Get(ctx context.Context) (T, error)
}

// Reader issues reads at the transaction's read version. Reads see the
// transaction's own writes, also atomic ones. A read of a key or range that
// holds a versionstamped key or value written in the same transaction is an
// error (Fatal, "accessed unreadable"), as in FoundationDB, and so is the commit of the transaction after it.
type Reader interface {
	// Get reads one key; the value of an absent key is nil, of an empty one
	// an empty slice.
	Get(key []byte) Future[[]byte]
	// GetRange reads rows of a range.
	GetRange(r Range, o RangeOptions) Future[Page]
}

// Writer collects writes; nothing leaves before Commit. The slices passed in
// are copied. A bad argument (too long, bad offset) makes Commit, and every read from then on, fail
// (Fatal). The greatest key and value of a versionstamp operation include the 4 bytes of its offset.
type Writer interface {
	Set(key, value []byte)
	Clear(key []byte)
	ClearRange(r Range)
	// Atomic applies an operation to the value that is there at commit, without
	// a read conflict.
	Atomic(op AtomicOp, key, operand []byte)
}

// AtomicOp is an atomic operation of FoundationDB (its developer guide,
// "Atomic operations"), with its meaning for absent values and values of other
// lengths than the operand.
type AtomicOp uint8

// The atomic operations that engines offer.
const (
	// Add adds little-endian integers.
	Add AtomicOp = iota + 1
	// Min and Max compare little-endian unsigned integers.
	Min
	Max
	// CompareAndClear clears the key if its value equals the operand.
	CompareAndClear
	// SetVersionstampedKey sets key to operand, key being without its last 4
	// bytes, which are the little-endian offset of 10 bytes in it that the
	// commit replaces by its Versionstamp.
	SetVersionstampedKey
	// SetVersionstampedValue is the same with the offset at the end of operand.
	SetVersionstampedValue
)

// Conflicts declares conflicts beside those of reads and writes.
type Conflicts interface {
	// AddReadConflict makes the commit fail if the range was written after the
	// read version. As in FoundationDB it is dropped for keys that this
	// transaction has written before the call: declare conflicts first.
	AddReadConflict(r Range)
	// AddWriteConflict makes other transactions that read the range conflict.
	AddWriteConflict(r Range)
}

// Tx is one transaction: optimistic, strictly serializable. It is used by one
// goroutine at a time, except that futures may be waited for by any. It must be
// ended by Commit or Cancel.
type Tx interface {
	Reader
	Writer
	Conflicts

	// Snapshot is a Reader of the same transaction whose reads add no read
	// conflicts.
	Snapshot() Reader
	// ReadVersion is the transaction's read version and the database's metadata
	// version at it; both come with the same reply and cost no further read. After BumpMetadataVersion it
	// is too late to ask for the first time (Fatal, "accessed unreadable").
	ReadVersion() Future[ReadVersion]
	// BumpMetadataVersion sets the metadata version to the commit's stamp.
	BumpMetadataVersion()
	// SizeBytes estimates what Commit would send.
	SizeBytes() int
	// Commit tries to make the writes take effect. On success the returned
	// Commit is the transaction's place in the order; a transaction without
	// writes and write conflicts "commits" at its read version with no stamp. On
	// failure the Error's Kind says what may have happened. When ctx ends while
	// a commit is under way, that is MayStillLand; before, it is ctx's error as it is. A Tx is used up by Commit.
	Commit(ctx context.Context) (Commit, error)
	// Cancel drops the transaction. It may be called after Commit, and then does
	// nothing.
	Cancel()
}

// ReadVersion is a version that reads may use, with the metadata version at it.
type ReadVersion struct {
	Version Version
	// Metadata is the stamp of the newest commit that bumped the metadata
	// version; zero if there never was one.
	Metadata Versionstamp
}

// Commit is where a transaction stands in the order of all.
type Commit struct {
	Version Version
	Stamp   Versionstamp
}

// Priority is how readily the database serves a transaction's read version.
type Priority uint8

// The priorities. Batch is for background work.
const (
	Default Priority = iota
	Batch
)

// TxOptions are the choices of one transaction. The zero value is good.
type TxOptions struct {
	// ReadVersion is used if it is not 0; otherwise the first read, or the
	// commit, asks for a fresh one: one at least as new as every commit
	// acknowledged before the asking.
	ReadVersion Version
	Priority    Priority
}

// Database is an engine. It is safe for concurrent use.
type Database interface {
	// Begin starts a transaction. It does no I/O.
	Begin(o TxOptions) Tx
	// SplitPoints returns keys that cut the range into pieces of about sizeBytes,
	// first r.Begin, last r.End. They are a hint.
	SplitPoints(ctx context.Context, r Range, sizeBytes int64) ([][]byte, error)
	// EstimatedSizeBytes estimates the bytes of the rows in the range.
	EstimatedSizeBytes(ctx context.Context, r Range) (int64, error)
	// Close ends the engine. Transactions under way fail.
	Close() error
}
