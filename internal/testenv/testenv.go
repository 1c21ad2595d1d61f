// Package testenv starts real stampede processes for tests: the binary of this
// checkout on free ports, with a folder of its own, stopped and removed when
// the test ends. It is imported by tests only.
package testenv

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
)

// Root credentials of every server that a test starts.
const (
	AccessKey = "TESTACCESSKEY0000000"
	SecretKey = "test/secret+key/0123456789/abcdefghijklm"
	Region    = "us-east-1"
)

// startMax bounds how long a process may take to become ready; it is long
// because a test must not fail for a slow machine.
const startMax = 2 * time.Minute

// Binary builds ./cmd/stampede once per test binary, with the race detector if the
// test has it, and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stampede-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stampede")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if kvenv.OnFoundationDB() {
		args = append(args, "-tags", "fdb")
	}
	build := exec.Command("go", append(args, "github.com/stampede-store/stampede/cmd/stampede")...)
	if libraries := os.Getenv("LD_LIBRARY_PATH"); libraries != "" && kvenv.OnFoundationDB() {
		// Servers are started with an environment of their own.
		build.Env = append(os.Environ(), "CGO_LDFLAGS="+os.Getenv("CGO_LDFLAGS")+" -Wl,-rpath,"+libraries)
	}
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Cleanup removes what Binary made. Call it at the end of TestMain.
func Cleanup() {
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a leftover in the temporary folder harms nobody
	}
}

// Server is one running process of `stampede server`.
type Server struct {
	// Endpoint is the base URL of S3, Admin that of the admin listener.
	Endpoint, Admin string
	// Folder is its data folder; it outlives the process.
	Folder string

	args []string
	env  []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	log  *logReader
	out  bytes.Buffer // standard output; complete when done is closed
}

// Start runs a server on a new folder, with args beside the usual ones, and
// waits until it is ready. It is killed when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "data")
	s := StartWith(t, []string{"STAMPEDE_ROOT_ACCESS_KEY=" + AccessKey, "STAMPEDE_ROOT_SECRET_KEY=" + SecretKey},
		append([]string{"--data", folder, "--region", Region}, args...)...)
	s.Folder = folder
	return s
}

// StartWith runs a server with just these variables and arguments, but for the
// ports and the format of the log.
func StartWith(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	s := &Server{env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...), args: args}
	s.args = append(slices.Clip(s.args), metaArgs(t, s.args)...)
	t.Cleanup(s.Kill)
	s.StartAgain(t)
	return s
}

// StartAgain runs the server again on its folder, on new ports, and waits until
// it is ready.
func (s *Server) StartAgain(t testing.TB) {
	t.Helper()
	args := append([]string{
		"server", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json",
	}, s.args...)
	s.cmd = exec.Command(Binary(t), args...)
	s.cmd.Env = s.env
	s.cmd.Stdout = &s.out
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.log, s.done = newLogReader(), make(chan struct{})
	go func(cmd *exec.Cmd, log *logReader, done chan struct{}) {
		log.read(stderr)
		_ = cmd.Wait() // the tests look at what the server did, not at its status
		close(done)
	}(s.cmd, s.log, s.done)
	s.awaitReady(t)
}

func (s *Server) awaitReady(t testing.TB) {
	t.Helper()
	timeout := time.After(startMax)
	for {
		select {
		case line := <-s.log.lines:
			switch line.Message {
			case "S3 is listening":
				s.Endpoint = line.URL
			case "admin is listening":
				s.Admin = line.URL
			case "ready":
				return
			}
		case <-s.done:
			t.Fatalf("the server ended before it was ready:\n%s", s.Log())
		case <-timeout:
			t.Fatalf("the server is not ready after %s:\n%s", startMax, s.Log())
		}
	}
}

// Kill ends the process with SIGKILL, if it runs, and waits for its end.
func (s *Server) Kill() { s.stop(syscall.SIGKILL) }

// Stop ends the process with SIGTERM and waits for its end.
func (s *Server) Stop() { s.stop(syscall.SIGTERM) }

func (s *Server) stop(signal syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal) // it may have ended already
	<-s.done
}

// ExitCode is the status of an ended process.
func (s *Server) ExitCode() int { return s.cmd.ProcessState.ExitCode() }

// Log is what the process has logged so far.
func (s *Server) Log() string { return s.log.text() }

// Output is what the process wrote to standard output. It stops the process, so
// that the output is complete.
func (s *Server) Output() string {
	s.Stop()
	return s.out.String()
}

// Metrics reads /metrics.
func (s *Server) Metrics(t testing.TB) string {
	t.Helper()
	response, err := http.Get(s.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %s %v", response.Status, err)
	}
	return string(body)
}

// logLine is what the tests need of a line of the log.
type logLine struct {
	Message string `json:"msg"`
	URL     string `json:"url"`
}

// logReader collects a log and passes on the lines until nobody wants more.
type logReader struct {
	lines chan logLine
	mu    sync.Mutex
	all   bytes.Buffer // guarded by mu
}

// logLinesMax is more lines than a server logs before it is ready.
const logLinesMax = 1000

func newLogReader() *logReader { return &logReader{lines: make(chan logLine, logLinesMax)} }

func (l *logReader) read(r io.Reader) {
	for in := bufio.NewReader(r); ; {
		text, err := in.ReadBytes('\n')
		l.mu.Lock()
		l.all.Write(text)
		l.mu.Unlock()
		var line logLine
		if json.Unmarshal(text, &line) == nil {
			select {
			case l.lines <- line:
			default: // nobody reads any more
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *logReader) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
