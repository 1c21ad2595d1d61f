package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/object"
)

// The values of x-amz-content-sha256 other than a hash.
const (
	payloadUnsigned        = "UNSIGNED-PAYLOAD"
	payloadSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	payloadSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	payloadUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

	payloadECDSAPrefix = "STREAMING-AWS4-ECDSA-"
)

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// payload is how a request's bytes are sent.
type payload struct {
	hashed        bool
	hash          [sha256.Size]byte
	chunked       bool     // framed as aws-chunked
	chunksSigned  bool     // with a signature on every chunk
	trailers      bool     // trailers may follow the last chunk
	announced     []string // their names in lower case
	decodedLength int64    // of a chunked payload
}

// readPayload reads the mode from c and the headers that belong to it.
func readPayload(r *http.Request, c *claim) (p payload, err error) {
	switch {
	case c.payload == payloadUnsigned:
	case c.payload == payloadSigned:
		p.chunked, p.chunksSigned = true, true
	case c.payload == payloadSignedTrailer:
		p.chunked, p.chunksSigned, p.trailers = true, true, true
	case c.payload == payloadUnsignedTrailer:
		p.chunked, p.trailers = true, true
	case strings.HasPrefix(c.payload, payloadECDSAPrefix):
		return p, refuse(object.NotImplemented, msgECDSA)
	case len(c.payload) == hex.EncodedLen(sha256.Size):
		if _, err := hex.Decode(p.hash[:], []byte(c.payload)); err != nil {
			return p, badPayloadHash(c)
		}
		p.hashed = true
	default:
		return p, badPayloadHash(c)
	}
	if p.announced, err = readAnnounced(r.Header["X-Amz-Trailer"], p.trailers); err != nil {
		return p, err
	}
	if p.chunked {
		p.decodedLength, err = readDecodedLength(r.Header["X-Amz-Decoded-Content-Length"])
	}
	return p, err
}

func badPayloadHash(c *claim) error {
	return refuseArgument(object.InvalidArgument, msgBadPayloadHash, "x-amz-content-sha256", c.payload)
}

func readDecodedLength(values []string) (int64, error) {
	if len(values) == 0 || values[0] == "" {
		return 0, refuse(object.MissingContentLength, msgNoDecodedLength)
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || len(values) > 1 {
		return 0, refuseArgument(object.InvalidArgument, msgNoDecodedLength,
			"x-amz-decoded-content-length", strings.Join(values, ","))
	}
	return int64(n), nil
}

// readAnnounced reads the names in x-amz-trailer. Where the mode has no
// trailers the header is refused: the checksum that it promises would never be
// checked.
func readAnnounced(values []string, allowed bool) ([]string, error) {
	if len(values) == 0 {
		return nil, nil
	}
	joined := strings.ToLower(strings.Join(values, ","))
	if !allowed {
		return nil, refuseArgument(object.InvalidRequest, msgTrailerNotInMode, "x-amz-trailer", joined)
	}
	names := strings.Split(joined, ",")
	for i, name := range names {
		names[i] = strings.Trim(name, " \t")
		if i >= trailersMax || !isLowerToken(names[i]) || names[i] == trailerSignatureName {
			return nil, refuseArgument(object.InvalidRequest, msgTrailerHeader, "x-amz-trailer", joined)
		}
	}
	return names, nil
}

// newAuth is the last step of Verify: what the caller gets for a good request.
func newAuth(r *http.Request, c *claim, p payload, key *signingKey) (*Auth, error) {
	a := &Auth{
		AccessKey:       c.accessKey,
		Presigned:       c.presigned,
		SizeBytes:       r.ContentLength,
		ContentEncoding: contentEncoding(r.Header["Content-Encoding"]),
	}
	src := io.Reader(r.Body)
	if r.Body == nil {
		src = http.NoBody
	}
	if !p.chunked {
		b := &bodyReader{src: src, leftBytes: r.ContentLength}
		if p.hashed {
			b.hash, b.want = sha256.New(), p.hash
			if r.ContentLength == 0 && c.payload != emptyHash && b.check() != nil {
				// Nobody reads an empty body to its end to find this out.
				return nil, refuse(object.ContentSHA256Mismatch, msgHashMismatch)
			}
		}
		a.Body = b
		return a, nil
	}
	chunks := newChunkReader(src, p)
	if p.chunksSigned {
		chunks.signer = newChunkSigner(key, c)
	}
	a.Body, a.SizeBytes = chunks, p.decodedLength
	if len(p.announced) > 0 {
		a.Trailer = chunks.trailer
	}
	return a, nil
}

// contentEncoding is the header without the coding aws-chunked.
func contentEncoding(values []string) string {
	joined := strings.Join(values, ",")
	if !strings.Contains(strings.ToLower(joined), "aws-chunked") {
		return joined
	}
	var kept []string
	for coding := range strings.SplitSeq(joined, ",") {
		coding = strings.Trim(coding, " \t")
		if coding != "" && !strings.EqualFold(coding, "aws-chunked") {
			kept = append(kept, coding)
		}
	}
	return strings.Join(kept, ",")
}

// bodyReader gives out a payload that is not framed, and checks its length and
// its hash.
type bodyReader struct {
	src       io.Reader
	leftBytes int64     // -1: the client did not say how long it is
	hash      hash.Hash // nil: unsigned
	want      [sha256.Size]byte
	err       error // what every later Read gives
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.read(p)
	b.err = err
	return n, err
}

func (b *bodyReader) read(p []byte) (int, error) {
	if b.leftBytes == 0 {
		return 0, b.finish()
	}
	if b.leftBytes > 0 {
		p = p[:min(int64(len(p)), b.leftBytes)]
	}
	n, err := b.src.Read(p)
	if b.hash != nil {
		b.hash.Write(p[:n])
	}
	if b.leftBytes > 0 {
		b.leftBytes -= int64(n)
	}
	switch {
	case b.leftBytes == 0 || b.leftBytes < 0 && err == io.EOF:
		// The last bytes go out only if all of them are good.
		if err := b.finish(); err != io.EOF {
			return 0, err
		}
		return n, io.EOF
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return n, refuseBody(object.IncompleteBody, msgContentLength)
	}
	return n, err
}

// finish is io.EOF for a good payload.
func (b *bodyReader) finish() error {
	if err := b.check(); err != nil {
		return err
	}
	return io.EOF
}

func (b *bodyReader) check() error {
	if b.hash == nil {
		return nil
	}
	var sum [sha256.Size]byte
	if subtle.ConstantTimeCompare(b.hash.Sum(sum[:0]), b.want[:]) != 1 {
		return refuseBody(object.ContentSHA256Mismatch, msgHashMismatch)
	}
	return nil
}
