package sigv4

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/object"
)

// chunkReader takes the framing off an aws-chunked payload:
//
//	size in hex [;chunk-signature=…] CRLF  bytes CRLF   (any number of times)
//	0 [;chunk-signature=…] CRLF  [trailers]  CRLF
//
// A signed chunk's bytes are given out after its signature is checked if the
// chunk fits into the reader's buffer or into chunkBufferMaxBytes. Of a larger
// one they are given out as they come, all but those of its last read, and the
// signature is checked before these. That is safe where nothing becomes visible
// before the end, and keeps the memory for a connection bounded. Chunks of any
// size are taken: S3's lower bound of 8 KiB protects nobody.
type chunkReader struct {
	src       *bufio.Reader
	signer    *chunkSigner // nil: chunks are not signed
	leftBytes int64        // of the whole payload, not yet taken from src

	chunkLeftBytes int64  // of the current chunk, not yet taken from src
	chunkSignature []byte // as its header has it, in hex
	signatureText  [2 * signatureBytes]byte

	ready []byte // checked bytes not yet given out
	held  []byte // what ready points into

	mayTrail  bool
	announced []string
	trailers  http.Header

	done bool  // everything is taken and checked
	err  error // what every later Read gives
}

func newChunkReader(src io.Reader, p payload) *chunkReader {
	return &chunkReader{
		src:       bufio.NewReaderSize(src, lineMaxBytes),
		leftBytes: p.decodedLength,
		mayTrail:  p.trailers,
		announced: p.announced,
	}
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.read(p)
	// An io.EOF of the connection is none of the payload.
	if err != nil && !c.done {
		n, err = 0, bodyError(err)
		c.ready = nil
	}
	c.err = err
	return n, err
}

// trailer is Auth.Trailer.
func (c *chunkReader) trailer() http.Header {
	if !c.done {
		return nil
	}
	return c.trailers
}

func (c *chunkReader) read(p []byte) (n int, err error) {
	for len(c.ready) == 0 && !c.done && n == 0 {
		if c.chunkLeftBytes > 0 {
			n, err = c.stream(p)
		} else {
			n, err = c.nextChunk(p)
		}
		if err != nil {
			return 0, err
		}
	}
	if len(c.ready) > 0 {
		n = copy(p, c.ready)
		c.ready = c.ready[n:]
	}
	if c.done && len(c.ready) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// nextChunk reads the header of a chunk, and the chunk if it can be had whole:
// into p, or else held back.
func (c *chunkReader) nextChunk(p []byte) (n int, err error) {
	size, err := c.readHeader()
	switch {
	case err != nil:
		return 0, err
	case size == 0 && c.leftBytes > 0 || size > c.leftBytes:
		return 0, refuseBody(object.IncompleteBody, msgLength)
	case size == 0:
		return 0, c.finish()
	}
	c.chunkLeftBytes = size
	switch {
	case size <= int64(len(p)):
		return c.take(p[:size])
	case c.signer == nil || size > chunkBufferMaxBytes:
		return 0, nil // stream it
	}
	if int64(cap(c.held)) < size {
		c.held = make([]byte, size)
	}
	c.held = c.held[:size]
	if _, err = c.take(c.held); err == nil {
		c.ready = c.held
	}
	return 0, err
}

// take fills p, which ends where the chunk ends or before.
func (c *chunkReader) take(p []byte) (int, error) {
	n, err := io.ReadFull(c.src, p)
	if err != nil {
		return 0, err
	}
	return n, c.took(p)
}

// stream reads some of the current chunk into p.
func (c *chunkReader) stream(p []byte) (int, error) {
	p = p[:min(int64(len(p)), c.chunkLeftBytes)]
	n, err := c.src.Read(p)
	if n > 0 {
		err = nil // an error that stays comes again
	} else if err == nil {
		err = io.ErrNoProgress
	}
	if err != nil {
		return 0, err
	}
	return n, c.took(p[:n])
}

// took accounts for bytes of the current chunk. At the chunk's end it checks
// the signature, and at the payload's end all that follows: until it returns
// nil these bytes must not be given out.
func (c *chunkReader) took(p []byte) error {
	c.leftBytes -= int64(len(p))
	c.chunkLeftBytes -= int64(len(p))
	if c.signer != nil {
		c.signer.data.Write(p)
	}
	if c.chunkLeftBytes > 0 {
		return nil
	}
	line, err := c.readLine()
	if err != nil {
		return err
	}
	if len(line) != 0 {
		return refuseBody(object.IncompleteBody, msgChunkFraming)
	}
	if err := c.checkChunk(); err != nil {
		return err
	}
	if c.leftBytes > 0 {
		return nil
	}
	size, err := c.readHeader()
	if err != nil {
		return err
	}
	if size != 0 {
		return refuseBody(object.IncompleteBody, msgLength)
	}
	return c.finish()
}

func (c *chunkReader) checkChunk() error {
	if c.signer != nil && !c.signer.checkChunk(c.chunkSignature) {
		return refuseBody(object.SignatureMismatch, msgMismatch)
	}
	return nil
}

// finish checks what follows the header of the empty last chunk.
func (c *chunkReader) finish() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	if err := c.readTail(); err != nil {
		return err
	}
	_, err := c.src.ReadByte()
	switch {
	case err == nil:
		return refuseBody(object.IncompleteBody, msgChunkFraming)
	case err != io.EOF:
		return err
	}
	c.done = true
	return nil
}

// readTail reads the trailers, and the empty line that ends the payload. The
// end of the body stands for that line: nothing can be missing any more.
func (c *chunkReader) readTail() error {
	if c.mayTrail {
		return c.readTrailers()
	}
	line, err := c.readLine()
	if err == io.EOF {
		return nil
	}
	if err == nil && len(line) != 0 {
		return refuseBody(object.IncompleteBody, msgChunkFraming)
	}
	return err
}

// readHeader reads the header of a chunk and keeps its signature.
func (c *chunkReader) readHeader() (sizeBytes int64, err error) {
	line, err := c.readLine()
	if err != nil {
		return 0, err
	}
	if len(line) > chunkHeaderMaxBytes {
		return 0, refuseBody(object.IncompleteBody, msgChunkFraming)
	}
	digits, extension, extended := bytes.Cut(line, []byte(";"))
	// Without a sign, a prefix or underscores, which ParseUint would refuse for
	// base 16 in any case.
	size, err := strconv.ParseUint(string(digits), 16, 63)
	if err != nil || extended != (c.signer != nil) {
		return 0, refuseBody(object.IncompleteBody, msgChunkFraming)
	}
	if c.signer != nil {
		text, ok := bytes.CutPrefix(extension, []byte("chunk-signature="))
		if !ok || len(text) != len(c.signatureText) {
			return 0, refuseBody(object.IncompleteBody, msgChunkFraming)
		}
		c.chunkSignature = append(c.signatureText[:0], text...)
	}
	return int64(size), nil
}

// readLine reads up to CRLF, and gives the line without it. The line is valid
// until the next read. At the end of the body it gives io.EOF, and within a
// line IncompleteBody.
func (c *chunkReader) readLine() ([]byte, error) {
	line, err := c.src.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, refuseBody(object.IncompleteBody, msgChunkFraming)
	case err != nil:
		return nil, err
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, refuseBody(object.IncompleteBody, msgChunkFraming)
	}
	return line, nil
}

// bodyError makes an early end of the body IncompleteBody.
func bodyError(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuseBody(object.IncompleteBody, msgIncomplete)
	}
	return err
}

const trailerSignatureName = "x-amz-trailer-signature"

// readTrailers reads lines "name:value" up to an empty one. Signed trailers are
// followed by their signature; some clients put an empty line between.
func (c *chunkReader) readTrailers() error {
	c.trailers = make(http.Header, len(c.announced))
	var signed []byte // the lines as they are signed
	var signature string
	gap := false
	for {
		name, value, err := c.readTrailerLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if name == "" {
			if c.signer != nil && signature == "" && !gap {
				gap = true
				continue
			}
			break
		}
		switch {
		case signature != "":
			return refuseBody(object.MalformedTrailer, msgTrailer)
		case name == trailerSignatureName && c.signer != nil && value != "":
			signature = value
		case gap || !c.accept(name, value):
			return refuseBody(object.MalformedTrailer, msgTrailer)
		default:
			signed = append(append(append(append(signed, name...), ':'), value...), '\n')
		}
	}
	if len(c.trailers) != len(c.announced) {
		return refuseBody(object.MalformedTrailer, msgTrailer)
	}
	if c.signer != nil && !c.signer.checkTrailer(signed, signature) {
		return refuseBody(object.SignatureMismatch, msgMismatch)
	}
	return nil
}

// accept keeps an announced trailer, once.
func (c *chunkReader) accept(name, value string) bool {
	if c.trailers.Get(name) != "" || value == "" {
		return false
	}
	for _, announced := range c.announced {
		if name == announced {
			c.trailers.Set(name, value)
			return true
		}
	}
	return false
}

// readTrailerLine splits the next line; an empty one gives an empty name. Lines
// end with CRLF, or with LF alone as in the form that is signed.
func (c *chunkReader) readTrailerLine() (name, value string, err error) {
	line, err := c.src.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) > 0:
		return "", "", io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull):
		return "", "", refuseBody(object.MalformedTrailer, msgTrailer)
	case err != nil:
		return "", "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if text == "" {
		return "", "", nil
	}
	name, value, ok := strings.Cut(text, ":")
	name = strings.ToLower(name)
	if !ok || !isLowerToken(name) {
		return "", "", refuseBody(object.MalformedTrailer, msgTrailer)
	}
	return name, strings.Trim(value, " \t"), nil
}

// hexSignature decodes a signature's text; ok is false if it is none.
func hexSignature(text []byte) (sum [signatureBytes]byte, ok bool) {
	if len(text) != hex.EncodedLen(signatureBytes) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], text)
	return sum, err == nil
}
