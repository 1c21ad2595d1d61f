package gateway

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/stampede-store/stampede/object"
)

// Limits bound what the gateway takes on. The zero value of a field is its
// default.
type Limits struct {
	// RequestsMax is the number of requests served at a time; beyond it they
	// get 503 SlowDown. Default: 1,024.
	RequestsMax int
	// BytesMax bounds the bytes in flight: the sum, over the requests that carry
	// a body and the responses that carry an object, of its length or
	// BytesPerRequest, whichever is smaller. Default: 1 GiB, so 256 large
	// transfers, or any number of small ones that RequestsMax allows.
	BytesMax int64
	// BytesPerRequest is the most that one transfer counts for: about what it
	// holds in memory while it streams. Default: 4 MiB.
	BytesPerRequest int64
	// OperationTimeout ends a request (503) during which no byte of a body has
	// moved for so long. Default: 60 s.
	OperationTimeout time.Duration
	// ClientWindow and ClientWindowBytes are the minimum transfer rate: a
	// client that moves fewer bytes in a window, counting only the time the
	// gateway waits for it, is cut off (a slow upload with 400 RequestTimeout).
	// Default: 64 KiB in 30 s.
	ClientWindow      time.Duration
	ClientWindowBytes int64
}

// Sizes of the request bodies that are documents. They are read into memory.
const (
	// createBucketBodyMaxBytes: one location constraint.
	createBucketBodyMaxBytes = 64 << 10
	// deleteBodyMaxBytes: 1,000 keys of 1,024 bytes with their markup; S3's own limit.
	deleteBodyMaxBytes = 2 << 20
	// completeBodyMaxBytes: 10,000 parts of some 250 bytes (number, entity tag,
	// a SHA-256 in base64, markup) make 2.5 MB; white space may double it.
	completeBodyMaxBytes = 5 << 20
)

// Limits of the HTTP server.
const (
	// headerMaxBytes holds a 1,024-byte key escaped to 3 KiB, 2 KiB of user
	// metadata and a presigned query with a session token, several times over.
	headerMaxBytes = 64 << 10
	headerTimeout  = 20 * time.Second
	// idleTimeout is longer than the keep-alive of SDKs and common proxies, so
	// that the client is the side that closes.
	idleTimeout = 3 * time.Minute
	// drainTimeout bounds reading what a refused client is still sending.
	drainTimeout = 5 * time.Second
	// serverDrainsBytes is what net/http reads of such a body at the most, and
	// lingerMaxBytes what the gateway does when there is more.
	serverDrainsBytes = 256 << 10
	lingerMaxBytes    = 64 << 20
)

func (l Limits) withDefaults() Limits {
	if l.RequestsMax <= 0 {
		l.RequestsMax = 1024
	}
	if l.BytesMax <= 0 {
		l.BytesMax = 1 << 30
	}
	if l.BytesPerRequest <= 0 {
		l.BytesPerRequest = 4 << 20
	}
	// One transfer must always fit.
	l.BytesPerRequest = min(l.BytesPerRequest, l.BytesMax)
	if l.OperationTimeout <= 0 {
		l.OperationTimeout = time.Minute
	}
	if l.ClientWindow <= 0 {
		l.ClientWindow = 30 * time.Second
	}
	if l.ClientWindowBytes <= 0 {
		l.ClientWindowBytes = 64 << 10
	}
	return l
}

// weight is what a transfer of n bytes counts for; n below 0 is unknown.
func (l Limits) weight(n int64) int64 {
	if n < 0 {
		n = math.MaxInt64
	}
	return min(n, l.BytesPerRequest)
}

// admission counts what is in flight against a bound.
type admission struct {
	max   int64
	taken atomic.Int64
}

// take takes n if that keeps within the bound, else it reports SlowDown. What
// was taken must be given back.
func (a *admission) take(n int64) error {
	if a.taken.Add(n) > a.max {
		a.taken.Add(-n)
		return &object.Error{Op: "gateway.admit", Kind: object.SlowDown}
	}
	return nil
}

func (a *admission) give(n int64) { a.taken.Add(-n) }
