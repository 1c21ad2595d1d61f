package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/stampede-store/stampede/object"
)

// A transfer may take as long as it likes while the client keeps the minimum
// rate of Limits. It is watched in windows, so that a fast beginning gives no
// credit for a dead end, and only the time spent waiting for the client counts.

// pacedBody is a request's body under the minimum rate. Its errors are
// object.Errors that say whose fault it was.
type pacedBody struct {
	body    io.ReadCloser
	control *http.ResponseController
	limits  *Limits
	// moved is called after bytes have come.
	moved func()

	bytes       int64
	started     bool // a byte was asked for: the server has sent 100 Continue
	ended       bool // io.EOF was seen
	failed      bool // another error was seen
	windowBytes int64
	windowLeft  time.Duration
}

func (b *pacedBody) Read(p []byte) (int, error) {
	b.started = true
	if b.windowLeft <= 0 || b.windowBytes >= b.limits.ClientWindowBytes {
		b.windowBytes, b.windowLeft = 0, b.limits.ClientWindow
	}
	asked := time.Now()
	// A connection that knows no deadlines (a test's) is served without.
	_ = b.control.SetReadDeadline(asked.Add(b.windowLeft))
	n, err := b.body.Read(p)
	if b.bytes += int64(n); n > 0 {
		b.windowBytes += int64(n)
		b.moved()
	}
	// At least a nanosecond, so that a spent window is never taken for a new one.
	b.windowLeft = max(b.windowLeft-time.Since(asked), 1)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		b.ended = true
		// The server now watches the connection for a client that leaves; a
		// deadline would look like one.
		_ = b.control.SetReadDeadline(time.Time{})
		return n, err
	}
	b.failed = true
	kind := object.IncompleteBody
	if errors.Is(err, os.ErrDeadlineExceeded) {
		kind = object.RequestTimeout
	}
	return n, &object.Error{Op: "gateway.readBody", Kind: kind, Err: err}
}

func (b *pacedBody) Close() error { return b.body.Close() }

// leave bounds what the server itself reads of a body that nobody wanted: it
// does so between the answer's first byte being written and being sent, so well within the
// time that the answer has. Of a body that failed nothing more is read.
func (b *pacedBody) leave() {
	switch {
	case b.ended:
	case b.failed:
		_ = b.control.SetReadDeadline(time.Now())
	default:
		_ = b.control.SetReadDeadline(time.Now().Add(min(drainTimeout, b.limits.ClientWindow/2)))
	}
}

// mustLinger reports whether more of the body is coming than the server reads by
// itself before it closes the connection. length is the whole body's, below 0:
// unknown.
func (b *pacedBody) mustLinger(length int64) bool {
	return !b.ended && !b.failed && (length < 0 || length-b.bytes > serverDrainsBytes)
}

// pacedWriter writes a response's body under the minimum rate.
type pacedWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	limits  *Limits
	moved   func()
	// begin is called once, before the first byte: it sends the header.
	begin func()

	bytes int64
	begun bool
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.begin()
	}
	written := 0
	for written < len(p) {
		// Pieces of one window's bytes: each has the whole window's time.
		piece := p[written:min(len(p), written+int(w.limits.ClientWindowBytes))]
		_ = w.control.SetWriteDeadline(time.Now().Add(w.limits.ClientWindow))
		n, err := w.w.Write(piece)
		written += n
		w.bytes += int64(n)
		if err != nil {
			return written, err
		}
		w.moved()
	}
	return written, nil
}
