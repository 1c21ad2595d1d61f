package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// wire is a client that sees the bytes of the connection.
type wire struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// Only to end a test that hangs.
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &wire{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		w.t.Fatalf("sending %.40q: %v", text, err)
	}
}

// status reads a status line and header, and the body that the header announces.
func (w *wire) status() (string, http.Header) {
	w.t.Helper()
	line, err := w.r.ReadString('\n')
	if err != nil {
		w.t.Fatalf("reading a status line: %v", err)
	}
	header := http.Header{}
	for {
		field, err := w.r.ReadString('\n')
		if err != nil {
			w.t.Fatalf("reading a header: %v", err)
		}
		name, value, ok := strings.Cut(strings.TrimSpace(field), ": ")
		if !ok {
			break
		}
		header.Add(name, value)
	}
	if n := header.Get("Content-Length"); n != "" && n != "0" {
		length := 0
		for _, c := range n {
			length = 10*length + int(c-'0')
		}
		if _, err := io.CopyN(io.Discard, w.r, int64(length)); err != nil {
			w.t.Fatalf("reading a body of %s bytes: %v", n, err)
		}
	}
	return strings.TrimSpace(line), header
}

func (w *wire) expect(want string) http.Header {
	w.t.Helper()
	got, header := w.status()
	if !strings.HasPrefix(got, "HTTP/1.1 "+want) {
		w.t.Fatalf("got %q, want %s", got, want)
	}
	return header
}

func (w *wire) expectClosed() {
	w.t.Helper()
	if b, err := w.r.ReadByte(); err == nil {
		w.t.Fatalf("got byte %q, want the connection closed", b)
	}
}

const (
	putEmpty = "PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n"
	putFive  = "PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
	refused  = "X-Test-Refuse: yes\r\n"
	blank    = "\r\n"
)

// TestExpectContinue drives one connection byte by byte, as botocore does: every accepted request with
// Expect gets its 100, also without a body, and the connection lives on; a refusal comes without one and closes.
func TestExpectContinue(t *testing.T) {
	addr := serve(t, newGateway(t, &fake{put: putAnything}, nil))
	t.Run("accepted, over one connection", func(t *testing.T) {
		w := dial(t, addr)
		for range 3 {
			w.send(putEmpty + blank)
			if h := w.expect("100"); len(h) != 0 {
				t.Errorf("the interim response has headers: %v", h)
			}
			w.expect("200")
			w.send(putFive + blank)
			w.expect("100")
			w.send("hello")
			if h := w.expect("200"); h.Get("Connection") != "" {
				t.Errorf("got Connection: %s", h.Get("Connection"))
			}
		}
		// A client may also be impatient.
		w.send(putFive + blank + "hello")
		w.expect("100")
		w.expect("200")
		w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
		w.expect("200")
	})
	t.Run("refused, empty", func(t *testing.T) {
		w := dial(t, addr)
		w.send(putEmpty + refused + blank)
		if h := w.expect("403"); h.Get("Connection") != "close" {
			t.Errorf("got headers %v, want Connection: close", h)
		}
		w.expectClosed()
	})
	t.Run("refused, with a body that is never sent", func(t *testing.T) {
		w := dial(t, addr)
		w.send(putFive + refused + blank)
		if h := w.expect("403"); h.Get("Connection") != "close" {
			t.Errorf("got headers %v, want Connection: close", h)
		}
		w.expectClosed()
	})
	t.Run("refused without Expect lives on", func(t *testing.T) {
		w := dial(t, addr)
		w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" + refused + blank + "hello")
		w.expect("403")
		w.send(putEmpty + blank)
		w.expect("100")
		w.expect("200")
	})
	t.Run("refused with a large body on its way", func(t *testing.T) {
		// The client sends all of it before it looks at the answer.
		const size = 8 << 20
		w := dial(t, addr)
		w.send(fmt.Sprintf("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n", size) + refused + blank)
		w.send(strings.Repeat("x", size))
		if h := w.expect("403"); h.Get("Connection") != "close" {
			t.Errorf("got headers %v, want Connection: close", h)
		}
		w.expectClosed()
	})
	t.Run("listing with Expect", func(t *testing.T) {
		w := dial(t, serve(t, newGateway(t, absent(), nil)))
		w.send("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n")
		w.expect("100")
		w.expect("200")
	})
}

// TestIncompleteBody ends a body early: no object, 400 IncompleteBody.
func TestIncompleteBody(t *testing.T) {
	var counted seen
	failed := make(chan error, 1)
	f := &fake{put: func(ctx context.Context, p store.PutObject) (store.Put, error) {
		put, err := putAnything(ctx, p)
		failed <- err
		return put, err
	}}
	w := dial(t, serve(t, newGateway(t, f, func(o *gateway.Options) { o.Metrics = &counted })))
	w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nhello")
	if err := w.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w.expect("400")
	if err := <-failed; !errors.Is(err, object.IncompleteBody) {
		t.Errorf("the store got %v", err)
	}
}

// TestSlowClients lets a client stall in its body, and another in reading an answer: both are cut off,
// while one that keeps the minimum rate may take much longer than the window.
func TestSlowClients(t *testing.T) {
	limits := gateway.Limits{ClientWindow: 50 * time.Millisecond, ClientWindowBytes: 4}
	withLimits := func(o *gateway.Options) { o.Limits = limits }
	t.Run("upload that stalls", func(t *testing.T) {
		w := dial(t, serve(t, newGateway(t, &fake{put: putAnything}, withLimits)))
		w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nhello")
		if h := w.expect("400"); h.Get("Connection") != "close" {
			t.Errorf("got headers %v, want Connection: close", h)
		}
	})
	t.Run("upload that goes on", func(t *testing.T) {
		// The pace is held by the body's consumer and not by a clock: it reads a window's bytes at a
		// time, and lets time pass that must not count.
		f := &fake{put: func(_ context.Context, p store.PutObject) (store.Put, error) {
			buf := make([]byte, 4)
			for {
				if _, err := io.ReadFull(p.Body, buf); err == io.EOF {
					return written(object.Version{ETag: "e"}), nil
				} else if err != nil {
					return store.Put{}, err
				}
				<-time.After(limits.ClientWindow / 2)
			}
		}}
		w := dial(t, serve(t, newGateway(t, f, withLimits)))
		w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n" + strings.Repeat("x", 20))
		w.expect("200")
	})
	t.Run("download that stalls", func(t *testing.T) {
		const size = 64 << 20 // more than the sockets' buffers hold
		ended := make(chan error, 1)
		f := &fake{get: func(context.Context, store.GetObject) (*store.Object, gateway.Content, error) {
			o := &store.Object{Version: object.Version{Kind: object.NullVersion, SizeBytes: size}, Length: size}
			return o, &zeros{left: size, ended: ended}, nil
		}}
		w := dial(t, serve(t, newGateway(t, f, func(o *gateway.Options) {
			o.Limits = gateway.Limits{ClientWindow: 50 * time.Millisecond}
		})))
		w.send("GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n")
		if err := <-ended; err == nil {
			t.Error("a client that reads nothing got everything")
		}
	})
}

// zeros is an object of nothing but zeros.
type zeros struct {
	left  int
	ended chan error
}

func (z *zeros) WriteTo(w io.Writer) (n int64, err error) {
	defer func() { z.ended <- err }()
	for buf := make([]byte, 1<<20); z.left > 0; {
		m, err := w.Write(buf[:min(len(buf), z.left)])
		n += int64(m)
		z.left -= m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (*zeros) Close() error { return nil }

// TestOperationTimeout lets the store hang: the request ends with 503.
func TestOperationTimeout(t *testing.T) {
	f := &fake{put: func(ctx context.Context, _ store.PutObject) (store.Put, error) {
		<-ctx.Done()
		return store.Put{}, ctx.Err()
	}}
	g := newGateway(t, f, func(o *gateway.Options) { o.Limits.OperationTimeout = 10 * time.Millisecond })
	res := call{method: "PUT", target: "/b/k", body: "x"}.do(t, g)
	if f := readFailure(t, res); res.StatusCode != 503 || f.Code != "ServiceUnavailable" || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %+v", res.StatusCode, f)
	}
}

// TestInFlight fills each bound, expects the next request to get 503 SlowDown before its body is read, and a later
// one to be served.
func TestInFlight(t *testing.T) {
	for _, row := range []struct {
		name   string
		limits gateway.Limits
	}{
		{"requests", gateway.Limits{RequestsMax: 1}},
		{"bytes", gateway.Limits{BytesMax: 8, BytesPerRequest: 5}},
	} {
		t.Run(row.name, func(t *testing.T) {
			entered, leave := make(chan struct{}), make(chan struct{})
			f := &fake{put: func(ctx context.Context, p store.PutObject) (store.Put, error) {
				if p.Key == "wait" {
					close(entered)
					<-leave
				}
				return putAnything(ctx, p)
			}}
			g := newGateway(t, f, func(o *gateway.Options) { o.Limits = row.limits })
			done := make(chan struct{})
			go func() {
				defer close(done)
				call{method: "PUT", target: "/b/wait", body: "hello"}.do(t, g)
			}()
			<-entered
			res := call{method: "PUT", target: "/b/k", body: "hello"}.do(t, g)
			if f := readFailure(t, res); res.StatusCode != 503 || f.Code != "SlowDown" || res.Header.Get("Retry-After") == "" {
				t.Errorf("got %d %+v", res.StatusCode, f)
			}
			close(leave)
			<-done
			expectCode(t, call{method: "PUT", target: "/b/k", body: "hello"}.do(t, g), "")
			if requests, bytes := g.InFlight(); requests != 0 || bytes != 0 {
				t.Errorf("%d requests and %d bytes are still counted", requests, bytes)
			}
		})
	}
	t.Run("download", func(t *testing.T) {
		g := newGateway(t, &fake{get: hello}, func(o *gateway.Options) { o.Limits = gateway.Limits{BytesMax: 4} })
		expectCode(t, call{method: "GET", target: "/b/k"}.do(t, g), "")
		// With room for 4 bytes in all, an object that counts for more counts for all there is.
		if _, bytes := g.InFlight(); bytes != 0 {
			t.Errorf("%d bytes are still counted", bytes)
		}
	})
}

// TestNotReady expects 503 on every request before a store is attached and while Ready fails.
func TestNotReady(t *testing.T) {
	check := func(t *testing.T, g *gateway.Gateway) {
		t.Helper()
		for _, target := range []string{"/", "/b", "/b/k", "/b?acl"} {
			res := call{method: "GET", target: target}.do(t, g)
			if f := readFailure(t, res); res.StatusCode != 503 || f.Code != "ServiceUnavailable" || res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: got %d %+v", target, res.StatusCode, f)
			}
		}
	}
	g := newGateway(t, nil, nil)
	check(t, g)
	g.Attach(absent())
	expectCode(t, call{method: "GET", target: "/"}.do(t, g), "")
	check(t, newGateway(t, absent(), func(o *gateway.Options) {
		o.Ready = func() error { return errors.New("no session") }
	}))
}

// TestLog looks at the lines: one a request, nothing of the query or the headers, a stack for a panic.
func TestLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	g := newGateway(t, &fake{put: putAnything}, func(o *gateway.Options) { o.Log = zap.New(core) })
	call{method: "PUT", target: "/b/k?X-Amz-Signature=topsecret", body: "hello", headers: map[string]string{"Authorization": "topsecret"}}.do(t, g)
	lines := logs.TakeAll()
	if len(lines) != 1 {
		t.Fatalf("got %d lines", len(lines))
	}
	fields := lines[0].ContextMap()
	if fields["operation"] != "PutObject" || fields["bucket"] != "b" || fields["key"] != "k" || fields["status"] != int64(200) ||
		fields["bytes_in"] != int64(5) || fields["id"] == "" {
		t.Errorf("got %v", fields)
	}
	res := call{method: "GET", target: "/b/k?X-Amz-Signature=topsecret"}.do(t, g) // the fake panics
	if f := readFailure(t, res); res.StatusCode != 500 || f.Code != "InternalError" || strings.Contains(f.Message, "nil") {
		t.Errorf("got %d %+v", res.StatusCode, f)
	}
	var text strings.Builder
	stack := false
	for _, l := range logs.All() {
		for k, v := range l.ContextMap() {
			stack = stack || k == "stack"
			if s, ok := v.(string); ok {
				text.WriteString(s)
			}
		}
	}
	if !stack || strings.Contains(text.String(), "topsecret") {
		t.Errorf("stack logged: %v; log: %s", stack, text.String())
	}
}

// TestClientGone cancels a request whose client has left; nothing is answered and it is counted as 499.
func TestClientGone(t *testing.T) {
	var counted seen
	entered, ended := make(chan struct{}), make(chan struct{})
	f := &fake{put: func(ctx context.Context, p store.PutObject) (store.Put, error) {
		_, _ = putAnything(ctx, p)
		close(entered)
		<-ctx.Done()
		return store.Put{}, ctx.Err()
	}}
	g := newGateway(t, f, func(o *gateway.Options) { o.Metrics = &counted })
	addr := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		g.ServeHTTP(w, r)
	}))
	w := dial(t, addr)
	w.send("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
	<-entered
	_ = w.conn.Close()
	<-ended
	if counted.last.Status != 499 {
		t.Errorf("counted as %+v", counted.last)
	}
}
