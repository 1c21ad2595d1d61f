package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

// answer sends a response or an error.
func (x *exchange) answer(res *response, err error) {
	if res == nil {
		res = &response{}
	}
	if res.content != nil {
		defer func() { _ = res.content.Close() }() // a reader's Close has nothing to lose
	}
	x.err = x.explain(err)
	x.continueOrClose()
	x.body.leave()
	if x.body.mustLinger(x.request.http.ContentLength) {
		defer x.linger()
		_ = x.out.control.EnableFullDuplex() // only HTTP/1 needs it, and has it
		x.w.Header().Set("Connection", "close")
	}
	x.setCommonHeaders(res)
	res.writeTo(x.w.Header())
	switch {
	case x.err != nil:
		x.answerError()
	case res.content != nil:
		x.answerContent(res)
	default:
		x.answerDocument(res.status, res.document)
	}
}

// linger sends what was answered and then reads on for a while. Many clients
// send all of a body before they look at the answer; closing on them now would
// reset the connection, and take the answer with it.
func (x *exchange) linger() {
	_ = x.out.control.Flush() // a client that is gone needs no patience
	_, _ = io.CopyN(io.Discard, x.body.body, lingerMaxBytes)
}

// explain replaces a context's error by what ended the context, and gives a
// refused signature S3's own sentence.
func (x *exchange) explain(err error) error {
	if err == nil {
		return nil
	}
	var sentence sigv4.Message
	if errors.As(err, &sentence) {
		return &s3err.Error{Kind: s3err.KindOf(err), Message: string(sentence), Err: err}
	}
	if x.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(x.ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &object.Error{Op: "gateway.operationTimeout", Kind: object.Unavailable, Err: err}
	}
	return err
}

// continueOrClose ends the business of Expect: 100-continue (RFC 9110 §10.1.1).
// Go's server sends 100 when the body is first read, so never for an empty body.
// botocore then takes the final status for an early refusal, and holds its next request
// on the connection back for ever. So an accepted request gets its 100 late rather than
// never, and after a refusal the connection is closed.
func (x *exchange) continueOrClose() {
	hr := x.request.http
	if !strings.EqualFold(hr.Header.Get("Expect"), "100-continue") || !hr.ProtoAtLeast(1, 1) {
		return
	}
	switch {
	case x.body.started && hr.ContentLength != 0:
	case x.err == nil && hr.ContentLength == 0:
		// No header may be set yet: it would go out with the 100.
		x.w.WriteHeader(http.StatusContinue)
	default:
		x.w.Header().Set("Connection", "close")
		x.body.failed = true // it was never asked for: don't wait for it
	}
}

func (x *exchange) setCommonHeaders(res *response) {
	h := x.w.Header()
	h["Server"] = serverHeader
	values := [2]string{x.request.id, x.g.hostID}
	h["X-Amz-Request-Id"] = values[0:1:1]
	h["X-Amz-Id-2"] = values[1:2:2]
	token := res.token
	if token == (object.Token{}) && x.request.store != nil {
		token = x.request.store.Token()
	}
	if token != (object.Token{}) {
		h["X-Stampede-Version"] = []string{token.String()}
	}
}

var serverHeader = []string{"Stampede"}

// answerDocument sends a status and a body that is in memory. HEAD, 204 and 304 have
// none.
func (x *exchange) answerDocument(status int, document []byte) {
	if status == 0 {
		status = http.StatusOK
	}
	h := x.w.Header()
	bodyless := x.request.http.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if document != nil {
		h["Content-Type"] = xmlContentType
	}
	if !bodyless {
		h["Content-Length"] = []string{strconv.Itoa(len(document))}
	}
	x.out.begin = func() { x.sendStatus(status) }
	if bodyless || len(document) == 0 {
		x.out.begun = true
		x.sendStatus(status)
		return
	}
	_, err := x.out.Write(document)
	x.noteWriteError(err)
}

var xmlContentType = []string{"application/xml"}

func (x *exchange) sendStatus(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// answerContent streams an object. The header goes out with the first byte, so
// that an object whose first block is lost is still answered with an error.
func (x *exchange) answerContent(res *response) {
	status := res.status
	if status == 0 {
		status = http.StatusOK
	}
	x.w.Header()["Content-Length"] = []string{strconv.FormatInt(res.contentBytes, 10)}
	x.out.begin = func() { x.sendStatus(status) }
	_, err := x.writeContent(res.content)
	if err != nil && !x.out.begun {
		for _, f := range res.headers {
			x.w.Header().Del(f.name)
		}
		x.w.Header().Del("Content-Length")
		x.err = x.explain(err)
		x.answerError()
		return
	}
	if !x.out.begun { // an empty object
		x.out.begun = true
		x.sendStatus(status)
	}
	if err == nil && x.out.bytes != res.contentBytes {
		err = fmt.Errorf("content ended after %d bytes of %d", x.out.bytes, res.contentBytes)
	}
	// The header promised a length that was not reached: the server closes the
	// connection and the client sees a broken transfer, never a short object.
	x.noteWriteError(err)
}

// writeContent turns a panic into an error, as run does.
func (x *exchange) writeContent(c Content) (n int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			x.logPanic(p)
			err = errPanicked
		}
	}()
	return c.WriteTo(x.out)
}

func (x *exchange) noteWriteError(err error) {
	if err != nil && x.err == nil {
		x.err = fmt.Errorf("answering: %w", x.explain(err))
	}
}

// answerError sends the error document, or only its status where S3 sends no
// body.
func (x *exchange) answerError() {
	if x.clientGone() {
		x.status = s3err.StatusClientClosed
		x.w.Header().Set("Connection", "close")
		x.w.WriteHeader(http.StatusServiceUnavailable) // nobody reads it
		return
	}
	row := s3err.Of(s3err.KindOf(x.err))
	h := x.w.Header()
	if row.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(row.RetryAfterSeconds))
	}
	if row.Status == http.StatusNotModified {
		x.answerDocument(row.Status, nil)
		return
	}
	x.answerDocument(row.Status, s3err.Document(x.err, s3err.Where{
		Resource: x.request.http.URL.Path, Region: x.g.region, RequestID: x.request.id, HostID: x.g.hostID,
	}))
}

func (x *exchange) clientGone() bool {
	return errors.Is(x.err, context.Canceled) && x.request.http.Context().Err() != nil
}
