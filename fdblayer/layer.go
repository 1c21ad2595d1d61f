package fdblayer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// Options are the choices of a Layer. DB is required.
type Options struct {
	DB kv.Database
	// Prefix is put before every key.
	Prefix []byte
	// Log takes what an operator should know. Default: nothing is logged.
	Log *zap.Logger
	// Now is the wall clock of Last-Modified. Default: time.Now.
	Now func() time.Time
	// Monotonic is the clock that measures how long things take and last; it
	// must not step with the wall clock. Default: time.Now.
	Monotonic func() time.Time
	// SoleProcess says that no other process can be using the database (the
	// embedded engine, its folder locked): Open fences every session it finds, and
	// a heartbeat that can't be written stops nothing.
	SoleProcess bool
	// HeartbeatEvery is the time between two heartbeats. Default: 1 s.
	HeartbeatEvery time.Duration
	// CombineMax is how many requests at most are put together in one commit (DESIGN §7), at most 256; 0 and 1 mean
	// none: right for an engine that shares its sync among commits by itself. Some dozens suit FoundationDB.
	CombineMax int
	// CommitsInFlight bounds the commits of requests that could be put together; while so many are under way others
	// wait and are. Without combining there is no bound. Default: 4.
	CommitsInFlight int
}

const (
	defaultCommitsInFlight = 4
	// combineMembersMax keeps the rows of a combined transaction far below what two bytes can number.
	combineMembersMax = 256
)

func (o Options) ensureDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Monotonic == nil {
		o.Monotonic = time.Now
	}
	if o.HeartbeatEvery == 0 {
		o.HeartbeatEvery = time.Second
	}
	if o.CommitsInFlight <= 0 {
		o.CommitsInFlight = defaultCommitsInFlight
	}
	o.CombineMax = min(o.CombineMax, combineMembersMax)
	return o
}

// Layer is the metadata of one cluster as one process sees it. It is safe for
// concurrent use.
type Layer struct {
	o       Options
	db      kv.Database
	keys    keys.Space
	cluster string
	era     uint32
	started time.Time // of the monotonic clock

	// Ranges that most transactions pin.
	guardRange, localGroupRange kv.Range

	view    *view
	session atomic.Pointer[session]
	// versions are the shared requests for read versions of each priority.
	versions [2]versions
	// combiner is nil when transactions are not put together.
	combiner *combiner
	metrics  metrics
	// version is the newest that this process knows of.
	version atomic.Int64

	// wake tells the heartbeat that a session was lost; stop ends it, stopped is closed when it has.
	wake    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
	// renewing is held by one step of the heartbeat.
	renewing sync.Mutex

	samples samples
	reaper  queueStarts
	trash   queueStarts
	// tombstones are completed uploads.
	tombstones queueStarts
}

// Open checks (or, in an empty database, writes) the format, opens a session
// and starts its heartbeat. A format newer than this program's is NewerFormat.
func Open(ctx context.Context, o Options) (*Layer, error) {
	o = o.ensureDefaults()
	l := &Layer{
		o: o, db: o.DB, keys: keys.NewSpace(o.Prefix), started: o.Monotonic(),
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	l.guardRange = keys.Only(l.keys.Guard())
	l.localGroupRange = keys.Only(l.keys.Group(LocalGroup))
	for p := range l.versions {
		l.versions[p].db, l.versions[p].priority, l.versions[p].metrics = l.db, kv.Priority(p), &l.metrics
	}
	if o.CombineMax > 1 {
		l.combiner = newCombiner(l)
	}
	op := operation{name: "fdblayer.Open"}
	if err := l.start(ctx); err != nil {
		return nil, l.failure(op, nil, err)
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.heartbeats(beating)
	return l, nil
}

// start is the part of Open that may fail.
func (l *Layer) start(ctx context.Context) error {
	if err := l.openStore(ctx); err != nil {
		return err
	}
	if l.o.SoleProcess {
		if err := l.fenceOthers(ctx); err != nil {
			return err
		}
	}
	return l.openSession(ctx)
}

// Close settles what is under way, fences the own session and stops the heartbeat. The
// database stays open. When ctx ends first, the session is fenced all the same if that can be
// done, and the error says so: what could not be settled stays unknown.
func (l *Layer) Close(ctx context.Context) error {
	s := l.session.Load()
	settled := true
	var late error
	if s != nil {
		select {
		case <-s.close():
		case <-ctx.Done():
			settled, late = false, ctx.Err()
		}
	}
	if l.combiner != nil {
		l.combiner.wait(ctx)
	}
	l.stop()
	<-l.stopped
	if s == nil || s.lost.Load() {
		return late
	}
	s.lost.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatTimeout)
	defer cancel()
	if err := l.fence(ctx, s.id, settled); err != nil {
		return l.failure(operation{name: "fdblayer.Close"}, nil, errors.Join(late, err))
	}
	return late
}

// Token is the newest state of the database that this process knows of, for responses
// that have none of their own.
func (l *Layer) Token() object.Token { return l.token(kv.Version(l.version.Load())) }

// newest notes a version that this process knows of.
func (l *Layer) newest(v kv.Version) {
	for {
		known := l.version.Load()
		if known >= int64(v) || l.version.CompareAndSwap(known, int64(v)) {
			return
		}
	}
}
