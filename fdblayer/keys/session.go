package keys

import (
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// sessionKey is the key of a row that a session has one of.
func (s Space) sessionKey(k Kind, sid object.SessionID) []byte {
	return tuple.AppendUint(s.key(k, 0), uint64(sid))
}

func (s Space) parseSessionKey(k Kind, key []byte) (object.SessionID, error) {
	d, err := s.parse(k, key)
	if err != nil {
		return 0, err
	}
	sid, _ := d.Uint()
	return object.SessionID(sid), parsed(&d)
}

// Session is the key of a session.
func (s Space) Session(sid object.SessionID) []byte { return s.sessionKey(SessionRow, sid) }

// Sessions is the range of all sessions.
func (s Space) Sessions() kv.Range { return under(s.key(SessionRow, 0)) }

// ParseSession is the inverse of Session.
func (s Space) ParseSession(key []byte) (object.SessionID, error) {
	return s.parseSessionKey(SessionRow, key)
}

// Session is one process.
type Session struct {
	Opened   time.Time
	Host     string
	Release  string
	Features []string // that it supports
}

// EncodeSession makes the value of a session.
func EncodeSession(x Session) []byte {
	r := &recordpb.Session{Opened: millis(x.Opened), Host: []byte(x.Host), Release: []byte(x.Release)}
	for _, f := range x.Features {
		r.Features = append(r.Features, []byte(f))
	}
	return encode(r)
}

// DecodeSession is the inverse of EncodeSession.
func DecodeSession(value []byte) (Session, error) {
	var r recordpb.Session
	if err := decode("decode session", value, &r); err != nil {
		return Session{}, err
	}
	x := Session{Opened: timeOf(r.Opened), Host: string(r.Host), Release: string(r.Release)}
	for _, f := range r.Features {
		x.Features = append(x.Features, string(f))
	}
	return x, nil
}

// Heartbeat is the key of a session's heartbeat.
func (s Space) Heartbeat(sid object.SessionID) []byte { return s.sessionKey(HeartbeatRow, sid) }

// Heartbeats is the range of all heartbeats.
func (s Space) Heartbeats() kv.Range { return under(s.key(HeartbeatRow, 0)) }

// ParseHeartbeat is the inverse of Heartbeat.
func (s Space) ParseHeartbeat(key []byte) (object.SessionID, error) {
	return s.parseSessionKey(HeartbeatRow, key)
}

// Heartbeat is what a session publishes every second.
type Heartbeat struct {
	// Count makes every beat another value.
	Count uint64
	// LowWater: every upload of the session with a smaller sequence has ended and
	// its outcome is settled.
	LowWater uint64
	// OldestRead is the smallest read version in use, of that era.
	OldestRead kv.Version
	Era        uint32
	// Clock is the process's wall clock.
	Clock time.Time
}

// EncodeHeartbeat makes the value of a heartbeat.
func EncodeHeartbeat(h Heartbeat) []byte {
	return encode(&recordpb.Heartbeat{
		Count: h.Count, LowWater: h.LowWater, OldestRead: int64(h.OldestRead), Era: h.Era, Clock: millis(h.Clock),
	})
}

// DecodeHeartbeat is the inverse of EncodeHeartbeat.
func DecodeHeartbeat(value []byte) (Heartbeat, error) {
	var r recordpb.Heartbeat
	if err := decode("decode heartbeat", value, &r); err != nil {
		return Heartbeat{}, err
	}
	return Heartbeat{
		Count: r.Count, LowWater: r.LowWater, OldestRead: kv.Version(r.OldestRead), Era: r.Era, Clock: timeOf(r.Clock),
	}, nil
}

// Evidence is the key of the evidence of one attempt to commit.
func (s Space) Evidence(sid object.SessionID, n uint64) []byte {
	return tuple.AppendUint(s.sessionKey(EvidenceRow, sid), n)
}

// Evidences is the range of a session's evidence with numbers from first on, up to last excluded.
func (s Space) Evidences(sid object.SessionID, first, last uint64) kv.Range {
	return kv.Range{Begin: s.Evidence(sid, first), End: s.Evidence(sid, last)}
}

// AllEvidence is the range of all evidence of a session.
func (s Space) AllEvidence(sid object.SessionID) kv.Range {
	return under(s.sessionKey(EvidenceRow, sid))
}

// ParseEvidence is the inverse of Evidence.
func (s Space) ParseEvidence(key []byte) (object.SessionID, uint64, error) {
	d, err := s.parse(EvidenceRow, key)
	if err != nil {
		return 0, 0, err
	}
	sid, _ := d.Uint()
	n, _ := d.Uint()
	return object.SessionID(sid), n, parsed(&d)
}

// EncodeEvidenceOperand makes the value of evidence, the stamp of this commit, as the
// operand of kv.SetVersionstampedValue.
func EncodeEvidenceOperand(p Pending) []byte { return encodePending(p, &recordpb.Empty{}) }

// EncodeEvidence makes the value that such a commit leaves.
func EncodeEvidence(stamp object.Stamp) []byte { return encodeStamped(stamp, &recordpb.Empty{}) }

// DecodeEvidence is the inverse of EncodeEvidence.
func DecodeEvidence(value []byte) (object.Stamp, error) {
	return decodeStamped("decode evidence", value, &recordpb.Empty{})
}

// Fenced is the key of a fenced session.
func (s Space) Fenced(sid object.SessionID) []byte { return s.sessionKey(FencedRow, sid) }

// AllFenced is the range of all fenced sessions.
func (s Space) AllFenced() kv.Range { return under(s.key(FencedRow, 0)) }

// ParseFenced is the inverse of Fenced.
func (s Space) ParseFenced(key []byte) (object.SessionID, error) {
	return s.parseSessionKey(FencedRow, key)
}

// Fenced is a session that was fenced and is to be swept.
type Fenced struct {
	At time.Time
}

// EncodeFenced makes the value of a fenced session.
func EncodeFenced(f Fenced) []byte { return encode(&recordpb.Fenced{Fenced: millis(f.At)}) }

// DecodeFenced is the inverse of EncodeFenced.
func DecodeFenced(value []byte) (Fenced, error) {
	var r recordpb.Fenced
	err := decode("decode fenced session", value, &r)
	return Fenced{At: timeOf(r.Fenced)}, err
}
