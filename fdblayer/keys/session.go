package keys

import (
	"fmt"
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

// Hold is the key of the hold.
func (s Space) Hold() []byte { return s.key(HoldRow, 0) }

// Hold is a reader's mark without a session, for backups.
type Hold struct {
	OldestRead kv.Version
	Era        uint32
	Reason     string
}

// EncodeHold makes the value of the hold.
func EncodeHold(h Hold) []byte {
	return encode(&recordpb.Hold{OldestRead: int64(h.OldestRead), Era: h.Era, Reason: []byte(h.Reason)})
}

// DecodeHold is the inverse of EncodeHold.
func DecodeHold(value []byte) (Hold, error) {
	var r recordpb.Hold
	err := decode("decode hold", value, &r)
	return Hold{OldestRead: kv.Version(r.OldestRead), Era: r.Era, Reason: string(r.Reason)}, err
}

// Node is the key of a chunk node.
func (s Space) Node(id object.NodeID) []byte {
	return tuple.AppendUint(s.key(NodeRow, 0), uint64(id))
}

// Nodes is the range of all chunk nodes.
func (s Space) Nodes() kv.Range { return under(s.key(NodeRow, 0)) }

// ParseNode is the inverse of Node.
func (s Space) ParseNode(key []byte) (object.NodeID, error) {
	d, err := s.parse(NodeRow, key)
	if err != nil {
		return 0, err
	}
	id := takeUint32(&d)
	return object.NodeID(id), parsed(&d)
}

// Node is one chunk node.
type Node struct {
	Address       string // empty: in this process
	Labels        map[string]string
	CapacityBytes int64 // 0: what the disk has
}

// EncodeNode makes the value of a node.
func EncodeNode(n Node) []byte {
	return encode(&recordpb.Node{Address: []byte(n.Address), Labels: pairs(n.Labels), Capacity: n.CapacityBytes})
}

// DecodeNode is the inverse of EncodeNode.
func DecodeNode(value []byte) (Node, error) {
	var r recordpb.Node
	err := decode("decode node", value, &r)
	return Node{Address: string(r.Address), Labels: pairsFrom(r.Labels), CapacityBytes: r.Capacity}, err
}

// Group is the key of a group.
func (s Space) Group(id object.GroupID) []byte {
	return tuple.AppendUint(s.key(GroupRow, 0), uint64(id))
}

// Groups is the range of all groups.
func (s Space) Groups() kv.Range { return under(s.key(GroupRow, 0)) }

// ParseGroup is the inverse of Group.
func (s Space) ParseGroup(key []byte) (object.GroupID, error) {
	d, err := s.parse(GroupRow, key)
	if err != nil {
		return 0, err
	}
	id := takeUint32(&d)
	return object.GroupID(id), parsed(&d)
}

// Group is an ordered set of slots; Copies of them hold a replica of each stripe.
type Group struct {
	Nodes  []object.NodeID // by slot
	Copies uint8
}

// EncodeGroup makes the value of a group.
func EncodeGroup(g Group) []byte {
	r := &recordpb.Group{Copies: uint32(g.Copies)}
	for _, n := range g.Nodes {
		r.Nodes = append(r.Nodes, uint32(n))
	}
	return encode(r)
}

// DecodeGroup is the inverse of EncodeGroup.
func DecodeGroup(value []byte) (Group, error) {
	const op = "decode group"
	var r recordpb.Group
	if err := decode(op, value, &r); err != nil {
		return Group{}, err
	}
	if r.Copies > 255 {
		return Group{}, corrupt(op, fmt.Errorf("%d copies", r.Copies))
	}
	g := Group{Copies: uint8(r.Copies)}
	for _, n := range r.Nodes {
		g.Nodes = append(g.Nodes, object.NodeID(n))
	}
	return g, nil
}

// Lease is the key of the lease of a task.
func (s Space) Lease(task string) []byte {
	return tuple.AppendString(s.key(LeaseRow, len(task)), task)
}

// ParseLease is the inverse of Lease.
func (s Space) ParseLease(key []byte) (task string, err error) {
	d, err := s.parse(LeaseRow, key)
	if err != nil {
		return "", err
	}
	task, _ = d.String()
	return task, parsed(&d)
}

// Lease says which session does a task of background work.
type Lease struct {
	Session object.SessionID
	Epoch   uint64
}

// EncodeLease makes the value of a lease.
func EncodeLease(l Lease) []byte {
	return encode(&recordpb.Lease{Session: uint64(l.Session), Epoch: l.Epoch})
}

// DecodeLease is the inverse of EncodeLease.
func DecodeLease(value []byte) (Lease, error) {
	var r recordpb.Lease
	err := decode("decode lease", value, &r)
	return Lease{Session: object.SessionID(r.Session), Epoch: r.Epoch}, err
}
