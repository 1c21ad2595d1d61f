package keys

import (
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

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
