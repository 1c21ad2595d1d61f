package keys

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// format is the first byte of every value but a counter's.
const format = 1

// stampAt is where a value that has a stamp has it; in it, the commit's 10
// bytes stand behind the era.
const (
	stampAt  = 1
	commitAt = stampAt + 4
)

// marshalling writes the same bytes for the same message, for golden values.
var marshalling = proto.MarshalOptions{Deterministic: true}

// encode makes a value without a stamp.
func encode(m proto.Message) []byte { return appendMessage([]byte{format}, m) }

// encodeStamped makes a value with a stamp.
func encodeStamped(s object.Stamp, m proto.Message) []byte {
	raw := s.Bytes()
	b := make([]byte, 0, stampAt+object.StampBytes+proto.Size(m))
	return appendMessage(append(append(b, format), raw[:]...), m)
}

// encodePending makes the operand of kv.SetVersionstampedValue for a value with a stamp.
func encodePending(p Pending, m proto.Message) []byte {
	b := make([]byte, 0, stampAt+object.StampBytes+proto.Size(m)+4)
	b = binary.BigEndian.AppendUint32(append(b, format), p.Era)
	placeholder := tuple.IncompleteVersionstamp(p.Row)
	b = appendMessage(append(b, placeholder[:]...), m)
	return tuple.AppendStampOffset(b, commitAt)
}

func appendMessage(b []byte, m proto.Message) []byte {
	b, err := marshalling.MarshalAppend(b, m)
	if err != nil { // no field can fail: none is a string, none is required
		panic("keys: " + err.Error())
	}
	return b
}

// bounded checks a value that holds something a client may make long.
func bounded(op string, value []byte) ([]byte, error) {
	if len(value) > kv.ValueMaxBytes {
		return nil, &object.Error{
			Op: "keys: " + op, Kind: object.MetadataTooLarge,
			Err: fmt.Errorf("value of %d bytes, the limit is %d", len(value), kv.ValueMaxBytes),
		}
	}
	return value, nil
}

// decode takes a value without a stamp apart, into m.
func decode(op string, value []byte, m proto.Message) error {
	if err := checkFormat(op, value); err != nil {
		return err
	}
	if err := proto.Unmarshal(value[1:], m); err != nil {
		return corrupt(op, err)
	}
	return nil
}

// decodeStamped is decode for a value with a stamp.
func decodeStamped(op string, value []byte, m proto.Message) (object.Stamp, error) {
	if err := checkFormat(op, value); err != nil {
		return object.Stamp{}, err
	}
	if len(value) < stampAt+object.StampBytes {
		return object.Stamp{}, corrupt(op, fmt.Errorf("%d bytes are too short for a stamp", len(value)))
	}
	if err := proto.Unmarshal(value[stampAt+object.StampBytes:], m); err != nil {
		return object.Stamp{}, corrupt(op, err)
	}
	return object.StampFromBytes([object.StampBytes]byte(value[stampAt:])), nil
}

func checkFormat(op string, value []byte) error {
	switch {
	case len(value) == 0:
		return corrupt(op, fmt.Errorf("the value is empty"))
	case value[0] == 0:
		return corrupt(op, fmt.Errorf("format 0"))
	case value[0] > format:
		return &object.Error{
			Op: "keys: " + op, Kind: object.NewerFormat,
			Err: fmt.Errorf("format %d, this program knows up to %d", value[0], format),
		}
	}
	return nil
}

// stampBytes and stampFrom convert stamps in messages; the zero stamp is absent.
func stampBytes(s object.Stamp) []byte {
	if s.IsZero() {
		return nil
	}
	b := s.Bytes()
	return b[:]
}

func stampFrom(op string, b []byte) (object.Stamp, error) {
	switch len(b) {
	case 0:
		return object.Stamp{}, nil
	case object.StampBytes:
		return object.StampFromBytes([object.StampBytes]byte(b)), nil
	}
	return object.Stamp{}, corrupt(op, fmt.Errorf("stamp of %d bytes", len(b)))
}
