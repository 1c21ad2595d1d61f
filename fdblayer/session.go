package fdblayer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

const (
	// fenceAfter is how long a heartbeat must stand still before others fence its session.
	fenceAfter = 15 * time.Second
	// stopAfter is how long a process goes on without publishing: half of it,
	// so that it has stopped before anyone may fence it.
	stopAfter = fenceAfter / 2
	// beatTimeout bounds one heartbeat.
	beatTimeout = fenceAfter / 3
)

var errNoSession = errors.New("no live session")

// session is the registration of this process. It is never used again once it is lost.
type session struct {
	marks
	id object.SessionID
	// row is the key of S, pinned its range: every commit of the session conflicts with its end.
	row    []byte
	pinned kv.Range
	// lost is set when S was seen to be gone. It is never unset.
	lost atomic.Bool
	// sent is when the newest beat known to have landed was sent (Layer.elapsed).
	sent atomic.Int64

	// The heartbeat's own: number of the newest beat, and the evidence known to be cleared.
	count        uint64
	evidenceFrom uint64

	// unsettled is guarded by marks.mu.
	unsettled []attempt
}

// leave hands an attempt over to the heartbeat, which tries on to settle it.
func (s *session) leave(a attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsettled = append(s.unsettled, a)
}

func (s *session) takeUnsettled() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.unsettled
	s.unsettled = nil
	return left
}

// elapsed is a clock that only measures: it does not step with the wall clock.
func (l *Layer) elapsed() time.Duration { return l.o.Monotonic().Sub(l.started) }

// liveSession is the session for a new request: alive, and renewed lately enough to be sure that nobody has fenced it.
func (l *Layer) liveSession() (*session, error) {
	s := l.session.Load()
	if s == nil || s.lost.Load() {
		return nil, errNoSession
	}
	// A sole process can't be fenced: it goes on reading when a full disk takes no heartbeat.
	if !l.o.SoleProcess && l.elapsed()-time.Duration(s.sent.Load()) >= stopAfter {
		return nil, errNotRenewed
	}
	return s, nil
}

var errNotRenewed = errors.New("the session could not be renewed")

// enter refuses a request that the process can't serve now.
func (l *Layer) enter(op operation) error {
	if _, err := l.liveSession(); err != nil {
		return &object.Error{Op: op.name, Kind: object.Unavailable, Ref: op.ref, Err: err}
	}
	return nil
}

// Ready says nil when requests can be served: the session is alive and was
// renewed lately enough.
func (l *Layer) Ready() error { return l.enter(operation{name: "fdblayer.Ready"}) }

// openSession registers a session and installs it.
func (l *Layer) openSession(ctx context.Context) error {
	s := &session{id: newSessionID()}
	s.row = l.keys.Session(s.id)
	s.pinned = keys.Only(s.row)
	host, _ := os.Hostname() // for the operator only
	sent := l.elapsed()
	c, err := kv.Run(ctx, l.db, kv.RunOptions{Evidence: sessionEvidence{l, s}}, func(tx kv.Tx) error {
		at, err := tx.ReadVersion().Get(ctx)
		if err != nil {
			return err
		}
		// The published mark is a little older than the commit, which only makes
		// others wait; what this process may read begins at the commit (marks.init).
		tx.Set(s.row, keys.EncodeSession(keys.Session{Opened: l.o.Now(), Host: host}))
		tx.Set(l.keys.Heartbeat(s.id), keys.EncodeHeartbeat(keys.Heartbeat{
			LowWater: 1, OldestRead: at.Version, Era: l.era, Clock: l.o.Now(),
		}))
		return nil
	})
	if err != nil {
		return err
	}
	s.init(c.Version)
	s.sent.Store(int64(sent))
	return l.install(ctx, s)
}

// install makes s the session of the process, when the view has come to a version at which s
// is known to be there: from then on the view tells when it is lost.
func (l *Layer) install(ctx context.Context, s *session) error {
	for {
		var at kv.ReadVersion
		_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) error {
			var err error
			if at, err = tx.ReadVersion().Get(ctx); err != nil {
				return err
			}
			if value, err := tx.Snapshot().Get(s.row).Get(ctx); err != nil || value == nil {
				return errors.Join(err, errNoSession)
			}
			return l.view.reach(ctx, at)
		})
		if err != nil {
			return err
		}
		if l.view.watch(s, at) {
			l.session.Store(s)
			l.sample(at.Version)
			return nil
		}
	}
}

func newSessionID() object.SessionID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return object.SessionID(binary.BigEndian.Uint64(b[:]))
}

// sessionEvidence settles the opening of a session: its own row is the evidence. One whose
// opening is not known to have failed would hold back every mark until it is fenced.
type sessionEvidence struct {
	l *Layer
	s *session
}

func (e sessionEvidence) Mark(tx kv.Tx) { tx.AddReadConflict(e.s.pinned) }

func (e sessionEvidence) Settle(ctx context.Context, cause error) (kv.Commit, bool, error) {
	var done bool
	for i := 0; ; i++ {
		at, err := kv.Run(ctx, e.l.db, kv.RunOptions{}, func(tx kv.Tx) error {
			tx.AddWriteConflict(e.s.pinned)
			value, err := tx.Get(e.s.row).Get(ctx)
			done = value != nil
			return err
		})
		if err == nil {
			// The session's own commit is not known; a later version is good as its floor.
			return kv.Commit{Version: at.Version}, done, nil
		}
		if !unknown(err) || i == fenceAttemptsMax {
			return kv.Commit{}, false, errors.Join(err, cause)
		}
	}
}

// fence ends a session: every later commit of it conflicts. It may be run again. With settled the
// outcomes of all its attempts are known, or nobody lives to ask for them, and its evidence goes too.
func (l *Layer) fence(ctx context.Context, id object.SessionID, settled bool) error {
	row := l.keys.Session(id)
	for i := 0; ; i++ {
		_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) error {
			value, err := tx.Get(row).Get(ctx)
			if err != nil {
				return err
			}
			if value == nil {
				return errNothing
			}
			tx.Clear(row)
			tx.Clear(l.keys.Heartbeat(id))
			tx.Set(l.keys.Fenced(id), keys.EncodeFenced(keys.Fenced{At: l.o.Now()}))
			if settled {
				tx.ClearRange(l.keys.AllEvidence(id))
			}
			l.logChange(tx, keys.Pending{Era: l.era}, row)
			return nil
		})
		switch {
		case err == nil || errors.Is(err, errNothing):
			return nil
		case !unknown(err) || i == fenceAttemptsMax:
			return err
		}
	}
}

// logChange is what whoever changes pinned rows must do in the same transaction.
func (l *Layer) logChange(tx kv.Tx, p keys.Pending, pinned ...[]byte) {
	names := make([][]byte, len(pinned))
	for i, key := range pinned {
		names[i] = l.keys.Relative(key)
	}
	tx.Atomic(kv.SetVersionstampedKey, l.keys.LogOperand(p), keys.EncodeChange(names))
	tx.BumpMetadataVersion()
}

// fenceOthers fences every session of the database: the folder lock proves them dead.
func (l *Layer) fenceOthers(ctx context.Context) error {
	for after := l.keys.Sessions(); ; {
		var page kv.Page
		_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) (err error) {
			page, err = tx.Snapshot().GetRange(after, kv.RangeOptions{Limit: sessionsPage}).Get(ctx)
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range page.Rows {
			id, err := l.keys.ParseSession(r.Key)
			if err != nil {
				return err
			}
			if err := l.fence(ctx, id, true); err != nil {
				return err
			}
			l.o.Log.Info("fenced the session of a process that is gone", zap.Stringer("session", id))
			after.Begin = append(r.Key, 0)
		}
		if !page.More {
			return nil
		}
	}
}

// sessionsPage bounds the sessions read at once.
const sessionsPage = 100

// beat publishes one heartbeat of s.
func (l *Layer) beat(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	var at kv.ReadVersion
	var sent time.Duration
	var m beatMarks
	_, err := kv.Run(ctx, l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		sent = l.elapsed()
		var err error
		if at, err = tx.ReadVersion().Get(ctx); err != nil {
			return err
		}
		value, err := tx.Get(s.row).Get(ctx)
		if err != nil {
			return err
		}
		if value == nil {
			l.lose(s)
			return errNoSession
		}
		if err := l.view.reach(ctx, at); err != nil {
			return err
		}
		m = s.take(at.Version)
		s.count++
		tx.Set(l.keys.Heartbeat(s.id), keys.EncodeHeartbeat(keys.Heartbeat{
			Count: s.count, LowWater: m.lowWater, OldestRead: m.oldestRead, Era: l.era, Clock: l.o.Now(),
		}))
		if m.evidenceEnd > s.evidenceFrom {
			tx.ClearRange(l.keys.Evidences(s.id, s.evidenceFrom, m.evidenceEnd))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.evidenceFrom = m.evidenceEnd
	s.sent.Store(int64(sent))
	l.sample(at.Version)
	l.newest(at.Version)
	return nil
}

// lose notes that a session is gone and wakes the heartbeat to open another.
func (l *Layer) lose(s *session) {
	if s == nil || s.lost.Swap(true) {
		return
	}
	l.o.Log.Warn("the session was fenced", zap.Stringer("session", s.id))
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// heartbeats runs until ctx ends.
func (l *Layer) heartbeats(ctx context.Context) {
	defer close(l.stopped)
	ticker := time.NewTicker(l.o.HeartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-l.wake:
		}
		if err := l.renew(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.Warn("the session could not be renewed", zap.Error(err))
		}
	}
}

// renew is one step of heartbeats: a beat, or a new session for one that was lost.
func (l *Layer) renew(ctx context.Context) error {
	l.renewing.Lock() // for tests, which renew beside the heartbeat; nobody else waits here
	defer l.renewing.Unlock()
	s := l.session.Load()
	if s == nil || s.lost.Load() {
		ctx, cancel := context.WithTimeout(ctx, beatTimeout)
		defer cancel()
		if err := l.openSession(ctx); err != nil || s == nil {
			return err
		}
		// Given up without a fence (a gap in the config log), its marks would hold back the store.
		return l.fence(ctx, s.id, false)
	}
	err := l.beat(ctx, s)
	l.settleLeft(ctx, s)
	return err
}

// settleLeft tries again what could not be settled in its request's time.
func (l *Layer) settleLeft(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	for _, a := range s.takeUnsettled() {
		if _, _, err := l.settle(ctx, &a); err != nil {
			s.leave(a)
			continue
		}
		s.endAttempt(a.n)
		for _, b := range a.leases {
			b.end()
		}
	}
}
