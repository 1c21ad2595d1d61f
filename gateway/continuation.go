package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"unicode/utf8"

	"github.com/stampede-store/stampede/object"
)

// continuation is where a listing goes on: behind a key, or behind all keys
// that begin with a common prefix. Clients see it as an opaque token.
type continuation struct {
	after       string
	afterPrefix bool
}

// A token is base64url of: format and kind (one byte), the key, and a CRC-32C
// of both. The checksum is no protection against forgery, which gains nothing: a client
// may list from any key. It tells a token of ours from other text.
const (
	continueKey    byte = 'k'
	continuePrefix byte = 'p'

	continuationMaxBytes = 1 + object.KeyMaxBytes + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c continuation) String() string {
	raw := make([]byte, 0, 1+len(c.after)+crc32.Size)
	kind := continueKey
	if c.afterPrefix {
		kind = continuePrefix
	}
	raw = append(raw, kind)
	raw = append(raw, c.after...)
	raw = binary.BigEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseContinuation is the inverse of String; any other text is InvalidArgument.
func parseContinuation(token string) (continuation, error) {
	bad := func() (continuation, error) {
		return continuation{}, invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
	}
	if len(token) > base64.RawURLEncoding.EncodedLen(continuationMaxBytes) {
		return bad()
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 1+crc32.Size {
		return bad()
	}
	body, sum := raw[:len(raw)-crc32.Size], raw[len(raw)-crc32.Size:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) || !utf8.Valid(body[1:]) {
		return bad()
	}
	c := continuation{after: string(body[1:]), afterPrefix: body[0] == continuePrefix}
	if body[0] != continueKey && body[0] != continuePrefix || c.String() != token {
		return bad()
	}
	return c, nil
}
