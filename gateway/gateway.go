package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/gateway/sigv4"
)

// Options are the choices of a Gateway. Auth and Region are required.
type Options struct {
	// Auth checks signatures; a *sigv4.Verifier.
	Auth Authenticator
	// Region is the region of this store, "us-east-1".
	Region string
	// Domains are the names that buckets are sub-domains of (virtual-host
	// style), without port. A request for any other host is path-style.
	Domains []string
	Limits  Limits
	// Ready says nil while requests can be served; else every request gets 503.
	// Default: always ready once a store is attached.
	Ready func() error
	// Log gets one line a request, and the stack of a panic. Default: nothing.
	Log *zap.Logger
	// Metrics is told of every request. Default: nobody is.
	Metrics Metrics
	// HostID is sent as x-amz-id-2 and in error documents: it tells an operator
	// which process answered. Default: "stampede".
	HostID string
}

// Authenticator checks a request's signature, as sigv4.Verifier.Verify does.
type Authenticator interface {
	Verify(r *http.Request) (*sigv4.Auth, error)
}

// Metrics counts requests. Its methods are called from many goroutines.
type Metrics interface {
	// Served is called once for each request, after its last byte.
	Served(s Served)
}

// Served is one request that has ended.
type Served struct {
	// Operation is S3's name of it, or "Unknown".
	Operation string
	// Status is the status sent, or s3err.StatusClientClosed.
	Status int
	// Code is S3's error code, "" for a success.
	Code              string
	BytesIn, BytesOut int64
	Duration          time.Duration
}

// Gateway is an http.Handler that speaks S3.
type Gateway struct {
	auth    Authenticator
	region  string
	ready   func() error
	log     *zap.Logger
	metrics Metrics
	hostID  string
	limits  Limits

	requests, bytes admission
	store           atomic.Pointer[Store]
	router          *router
}

// errNotAttached is the reason for 503 before Attach.
var errNotAttached = errors.New("the store is not open yet")

// New makes a Gateway that answers 503 until Attach. It starts nothing.
func New(o Options) (*Gateway, error) {
	if o.Auth == nil || o.Region == "" {
		return nil, errors.New("gateway.New: Auth and Region are required")
	}
	for _, d := range o.Domains {
		if d == "" || strings.ContainsAny(d, ":/{}") || strings.HasPrefix(d, ".") {
			return nil, fmt.Errorf("gateway.New: domain %q is not a host name", d)
		}
	}
	g := &Gateway{
		auth: o.Auth, region: o.Region, ready: o.Ready, log: o.Log, metrics: o.Metrics, hostID: o.HostID,
		limits: o.Limits.withDefaults(),
		router: newRouter(o.Domains),
	}
	if g.log == nil {
		g.log = zap.NewNop()
	}
	if g.hostID == "" {
		g.hostID = "stampede"
	}
	g.requests.max = int64(g.limits.RequestsMax)
	g.bytes.max = g.limits.BytesMax
	return g, nil
}

// Attach gives the gateway the store to serve. It may be called while requests
// are coming in.
func (g *Gateway) Attach(s Store) { g.store.Store(&s) }

// InFlight is the number of requests being served, and of the bytes they count for
// (Limits.BytesMax).
func (g *Gateway) InFlight() (requests, bytes int64) {
	return g.requests.taken.Load(), g.bytes.taken.Load()
}

// readyStore is the store, or why there is none to be used.
func (g *Gateway) readyStore() (Store, error) {
	s := g.store.Load()
	if s == nil {
		return nil, errNotAttached
	}
	if g.ready != nil {
		if err := g.ready(); err != nil {
			return nil, err
		}
	}
	return *s, nil
}
