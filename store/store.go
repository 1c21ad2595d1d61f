package store

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// Options are the choices of a Store. Layer and Chunks are required.
type Options struct {
	Layer  *fdblayer.Layer
	Chunks *chunkclient.Client
	// Log takes what an operator should know. Default: nothing is logged.
	Log *zap.Logger
	// Now is the wall clock of Last-Modified. Default: time.Now.
	Now func() time.Time
}

// Store is safe for concurrent use.
type Store struct {
	layer  *fdblayer.Layer
	chunks *chunkclient.Client
	log    *zap.Logger
	clock  func() time.Time
}

// New makes a Store. It starts nothing.
func New(o Options) *Store {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{layer: o.Layer, chunks: o.Chunks, log: o.Log, clock: o.Now}
}

// Put is fdblayer's: the version made, and the token.
type Put = fdblayer.Put

// Token is the newest state that this process knows of, for responses that have
// none of their own.
func (s *Store) Token() object.Token { return s.layer.Token() }

// now is the time that versions and parts carry.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// commitTimeout bounds a metadata transaction with all of its attempts, once it
// has begun: fdblayer's retries and the settling of an unknown result need a few
// multiples of the database's 5 s.
const commitTimeout = 30 * time.Second

// commit runs f, a change of metadata, on a context that the client's going away
// does not end: a transaction that was begun is carried through, so that its outcome
// is known. If ctx has ended already, nothing is begun.
func commit(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return f(ctx)
}

// notNow turns the loss of the session under which bytes were written into
// Unavailable: the client has to send them again.
func notNow(op string, err error) error {
	if errors.Is(err, object.SessionLost) || errors.Is(err, object.Fenced) {
		return &object.Error{Op: op, Kind: object.Unavailable, Err: err}
	}
	return err
}
