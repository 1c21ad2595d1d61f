package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
)

const (
	chunkAlgorithm   = "AWS4-HMAC-SHA256-PAYLOAD"
	trailerAlgorithm = "AWS4-HMAC-SHA256-TRAILER"
)

// chunkSigner follows the chain of signatures: each is over the one before, the
// first over that of the request.
type chunkSigner struct {
	mac   hash.Hash
	data  hash.Hash // of the current chunk's bytes
	scope string    // timestamp and scope, a line each
	last  [signatureBytes]byte
	text  []byte
}

func newChunkSigner(key *signingKey, c *claim) *chunkSigner {
	return &chunkSigner{
		mac:   hmac.New(sha256.New, key.key[:]),
		data:  sha256.New(),
		scope: strings.Join([]string{c.timestamp, c.scope, ""}, "\n"),
		last:  c.signature, // checked: it is the one we computed
	}
}

// checkChunk checks the signature of the bytes written to data, and begins the
// next chunk.
func (s *chunkSigner) checkChunk(signature []byte) bool {
	var sum [sha256.Size]byte
	s.data.Sum(sum[:0])
	s.data.Reset()
	s.begin(chunkAlgorithm)
	s.text = append(s.text, emptyHash...) // of the chunk's headers: there are none
	s.text = append(s.text, '\n')
	return s.check(sum, signature)
}

// checkTrailer checks the signature of the trailers, given as they are signed.
func (s *chunkSigner) checkTrailer(lines []byte, signature string) bool {
	s.begin(trailerAlgorithm)
	return s.check(sha256.Sum256(lines), []byte(signature))
}

// begin starts the string to sign.
func (s *chunkSigner) begin(algorithm string) {
	s.text = append(s.text[:0], algorithm...)
	s.text = append(s.text, '\n')
	s.text = append(s.text, s.scope...)
	s.text = hex.AppendEncode(s.text, s.last[:])
	s.text = append(s.text, '\n')
}

func (s *chunkSigner) check(sum [sha256.Size]byte, signature []byte) bool {
	s.text = hex.AppendEncode(s.text, sum[:])
	s.mac.Reset()
	s.mac.Write(s.text)
	s.mac.Sum(s.last[:0])
	got, ok := hexSignature(signature)
	return subtle.ConstantTimeCompare(got[:], s.last[:]) == 1 && ok
}
