package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/stampede-store/stampede/gateway/s3err"
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
	// A copy, because the server looks at its own request's body to decide whether
	// the connection can be used again.
	own := *hr
	own.Body = x.body
	x.request = request{id: newRequestID(), http: &own, row: unknownOperation}
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
		if err := r.hoistQuery(); err != nil {
			return err
		}
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
