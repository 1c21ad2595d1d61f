package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

// exchange is one request on its way through the gateway: admitted, routed,
// authenticated, handled, answered, logged and counted.
type exchange struct {
	g       *Gateway
	w       http.ResponseWriter
	request request
	started time.Time

	body   *pacedBody
	out    *pacedWriter
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  *time.Timer

	holdsRequest bool
	holdsBytes   int64

	status int
	err    error
}

// errStalled cancels a request that has not moved for Limits.OperationTimeout.
var errStalled = &object.Error{Op: "gateway.operationTimeout", Kind: object.Unavailable}

// errPanicked is answered for a panic; the log has the stack.
var errPanicked = errors.New("panic")

// ServeHTTP serves one request. It ends with the response sent, or the
// connection broken off behind a response that could not be finished.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	x := g.newExchange(w, hr)
	defer x.end()
	res, err := x.run()
	x.answer(res, err)
}

func (g *Gateway) newExchange(w http.ResponseWriter, hr *http.Request) *exchange {
	x := &exchange{g: g, w: w, started: time.Now()}
	x.ctx, x.cancel = context.WithCancelCause(hr.Context())
	x.stall = time.AfterFunc(g.limits.OperationTimeout, func() { x.cancel(errStalled) })
	moved := func() { x.stall.Reset(g.limits.OperationTimeout) }
	control := http.NewResponseController(w)
	x.body = &pacedBody{body: hr.Body, control: control, limits: &g.limits, moved: moved}
	x.out = &pacedWriter{w: w, control: control, limits: &g.limits, moved: moved}
	if hr.ContentLength == 0 {
		x.body.ended = true
	}
	hr.Body = x.body
	x.request = request{id: newRequestID(), http: hr, row: unknownOperation}
	return x
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// run decides what to answer. A panic becomes one 500.
func (x *exchange) run() (res *response, err error) {
	defer func() {
		if p := recover(); p != nil {
			x.logPanic(p)
			res, err = nil, errPanicked
		}
	}()
	if err := x.accept(); err != nil {
		return nil, err
	}
	r := &x.request
	if r.row.handle == nil {
		return nil, &s3err.Error{
			Kind:    object.NotImplemented,
			Message: "The operation " + r.row.operation + " is not implemented.",
		}
	}
	res, err = r.row.handle(x.g, x.ctx, r)
	if err == nil && res.content != nil {
		if err = x.takeBytes(res.contentBytes); err != nil {
			res.headers = nil // they describe an object that is not sent
		}
	}
	return res, err
}

// accept does all that comes before the operation: whether it can be served, which
// one it is, and who asks.
func (x *exchange) accept() error {
	r := &x.request
	var errFind error
	r.row, r.bucket, r.key, errFind = x.g.router.find(r.http)
	s, err := x.g.readyStore()
	if err != nil {
		return &object.Error{Op: "gateway.ready", Kind: object.Unavailable, Err: err}
	}
	r.store = s
	if err := x.g.requests.take(1); err != nil {
		return err
	}
	x.holdsRequest = true
	if r.row.anonymous {
		return errFind
	}
	if r.auth, err = x.g.auth.Verify(r.http); err != nil {
		return err
	}
	if errFind != nil {
		return errFind
	}
	if err := r.parseQuery(); err != nil {
		return err
	}
	if r.auth.Presigned {
		r.hoistQuery()
	}
	if err := r.checkExpectedOwner(); err != nil {
		return err
	}
	if r.http.ContentLength != 0 {
		return x.takeBytes(r.http.ContentLength)
	}
	return nil
}

// takeBytes counts a transfer of n bytes (below 0: unknown) as in flight until
// the exchange ends.
func (x *exchange) takeBytes(n int64) error {
	n = x.g.limits.weight(n)
	if err := x.g.bytes.take(n); err != nil {
		return err
	}
	x.holdsBytes += n
	return nil
}

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

// explain replaces a context's error by what ended the context, and gives a
// refused signature S3's own sentence.
func (x *exchange) explain(err error) error {
	var sentence sigv4.Message
	if errors.As(err, &sentence) {
		return &s3err.Error{Kind: s3err.KindOf(err), Message: string(sentence), Err: err}
	}
	if err != nil && x.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
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

// end gives back what the request held, logs it and counts it.
func (x *exchange) end() {
	x.stall.Stop()
	x.cancel(nil)
	x.g.bytes.give(x.holdsBytes)
	if x.holdsRequest {
		x.g.requests.give(1)
	}
	code := ""
	if x.err != nil && x.status >= http.StatusMultipleChoices {
		code = s3err.Of(s3err.KindOf(x.err)).Code
	}
	served := Served{
		Operation: x.request.row.operation, Status: x.status, Code: code,
		BytesIn: x.body.bytes, BytesOut: x.out.bytes, Duration: time.Since(x.started),
	}
	if x.g.metrics != nil {
		x.g.metrics.Served(served)
	}
	x.log(served)
}

// log writes the request's line. It has no query and no header, so no
// signature; errors carry no secrets by contract.
func (x *exchange) log(s Served) {
	severity := zapcore.InfoLevel
	if s.Status == http.StatusInternalServerError || x.brokeOff() {
		severity = zapcore.ErrorLevel
	}
	entry := x.g.log.Check(severity, "request")
	if entry == nil {
		return
	}
	fields := []zap.Field{
		zap.String("id", x.request.id),
		zap.String("operation", s.Operation),
		zap.String("bucket", string(x.request.bucket)),
		zap.String("key", string(x.request.key)),
		zap.Int("status", s.Status),
		zap.Int64("bytes_in", s.BytesIn),
		zap.Int64("bytes_out", s.BytesOut),
		zap.Duration("duration", s.Duration),
		zap.String("client", x.request.http.RemoteAddr),
	}
	if x.err != nil {
		fields = append(fields, zap.String("code", s.Code), zap.Error(x.err))
	}
	entry.Write(fields...)
}

// brokeOff reports a response that ended short through a fault of ours. A
// client that left is no such fault.
func (x *exchange) brokeOff() bool {
	return errors.Is(x.err, object.Corrupt) || errors.Is(x.err, object.LostBytes) || errors.Is(x.err, errPanicked)
}

func (x *exchange) logPanic(p any) {
	x.g.log.Error("panic while serving a request",
		zap.String("id", x.request.id),
		zap.String("operation", x.request.row.operation),
		zap.Any("panic", p),
		zap.ByteString("stack", debug.Stack()))
}
