// Package server_test looks at the process itself: how it starts, what it
// refuses, how it ends.
package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/stampede-store/stampede/internal/testenv"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testenv.Cleanup()
	os.Exit(code)
}

func client(s *testenv.Server, options ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: testenv.Region, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(testenv.AccessKey, testenv.SecretKey, ""),
	}, options...)
}

// command runs the program to its end, in an environment of its own, and
// returns its status and output.
func command(t *testing.T, env []string, args ...string) (int, string, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Binary(t), args...)
	c.Env = append(env, "PATH="+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func put(t *testing.T, c *s3.Client, key, body string) {
	t.Helper()
	if err := tryPut(t, c, key, body); err != nil {
		t.Fatal(err)
	}
}

func tryPut(t *testing.T, c *s3.Client, key, body string) error {
	t.Helper()
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(body)})
	return err
}

func wantBody(t *testing.T, c *s3.Client, key, want string) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != want {
		t.Errorf("%s: got %.40q (%d bytes) %v, want %d bytes", key, got, len(got), err, len(want))
	}
}

func createBucket(t *testing.T, c *s3.Client) {
	t.Helper()
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
}

// TestStopAndStart: a clean stop ends with status 0 and everything is there
// again.
func TestStopAndStart(t *testing.T) {
	s := testenv.Start(t)
	createBucket(t, client(s))
	large := strings.Repeat("0123456789abcdef", 200_000)
	put(t, client(s), "small", "x")
	put(t, client(s), "large", large)
	s.Stop()
	if code := s.ExitCode(); code != 0 || !strings.Contains(s.Log(), `"msg":"stopped"`) {
		t.Errorf("SIGTERM ended it with status %d:\n%s", code, s.Log())
	}
	s.StartAgain(t)
	wantBody(t, client(s), "small", "x")
	wantBody(t, client(s), "large", large)
}

// TestStopLetsRequestsFinish: an upload under way when the signal comes is
// finished, and kept.
func TestStopLetsRequestsFinish(t *testing.T) {
	s := testenv.Start(t)
	createBucket(t, client(s))
	presigned, err := s3.NewPresignClient(client(s)).PresignPutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("slow"),
	})
	if err != nil {
		t.Fatal(err)
	}
	body, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := upload(t.Context(), presigned.URL, body, 2<<20)
		body.CloseWithError(err) // or the writer would wait for ever
		done <- err
	}()
	half := strings.Repeat("h", 1<<20)
	if _, err := io.WriteString(w, half); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(s.Metrics(t), "\nstampede_s3_requests_in_flight 1\n") {
		// What was written may not have come to the server yet.
		if t.Context().Err() != nil {
			t.Fatal("the upload does not begin")
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
	}()
	awaitRefusal(t, s)
	if _, err := io.WriteString(w, half); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Errorf("the upload under way: %v", err)
	}
	<-stopped
	s.StartAgain(t)
	wantBody(t, client(s), "slow", half+half)
}

// upload sends size bytes of body to a presigned URL.
func upload(ctx context.Context, url string, body io.Reader, size int64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return err
	}
	request.ContentLength = size
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// awaitRefusal waits until a stopping server takes no new connection.
func awaitRefusal(t *testing.T, s *testenv.Server) {
	t.Helper()
	address := strings.TrimPrefix(s.Endpoint, "http://")
	for range 10_000 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		// A connection that was still accepted is closed by the server.
		_, _ = c.Read(make([]byte, 1))
		c.Close()
	}
	t.Fatal("a stopping server still takes connections")
}

// TestFolderInUse: a second server on the same folder is told so.
func TestFolderInUse(t *testing.T) {
	s := testenv.Start(t)
	code, _, stderr := command(t, nil, "server", "--data", s.Folder, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(stderr, "in use by another stampede process") {
		t.Errorf("got status %d, %s", code, stderr)
	}
}

// TestFolderRefused: folders that are not ours, or of a newer release.
func TestFolderRefused(t *testing.T) {
	newer, foreign, file := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "file")
	write(t, filepath.Join(newer, "FORMAT"), "999\n")
	write(t, filepath.Join(foreign, "holiday.jpg"), "x")
	write(t, file, "x")
	for _, tc := range []struct{ name, folder, message string }{
		{"newer format", newer, "written by a newer stampede"},
		{"somebody's files", foreign, "not a stampede data folder"},
		{"a file", file, "not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, stderr := command(t, nil, "server", "--data", tc.folder, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
			if code != 1 || !strings.Contains(stderr, tc.message) {
				t.Errorf("got status %d, %s", code, stderr)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOptionsRefused: options that can't be, wherever they come from.
func TestOptionsRefused(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, "server:\n  lisden: 127.0.0.1:0\n")
	data := filepath.Join(t.TempDir(), "data")
	for _, tc := range []struct {
		name    string
		env     []string
		args    []string
		message string
	}{
		{"unknown option", nil, []string{"--nothing"}, "unknown flag --nothing"},
		{"address in use by nobody", nil, []string{"--listen", "256.0.0.1:1"}, "--listen"},
		{"half a TLS pair", nil, []string{"--tls-cert", "x"}, "--tls-cert and --tls-key go together"},
		{"absent TLS files", nil, []string{"--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "y"}, "--tls-cert"},
		{"half a root key", []string{"STAMPEDE_ROOT_ACCESS_KEY=a"}, nil, "STAMPEDE_ROOT_SECRET_KEY go together"},
		{"bad level in the environment", []string{"STAMPEDE_LOG_LEVEL=loud"}, nil, "--log-level"},
		{"misspelt name in the file", nil, []string{"--config", config}, `no option is called "server-lisden"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, stderr := command(t, tc.env, append([]string{"server", "--data", data}, tc.args...)...)
			if code == 0 || !strings.Contains(stderr, tc.message) {
				t.Errorf("got status %d, %s; want %q", code, stderr, tc.message)
			}
		})
	}
}

// TestOptionSources: an option from the file, from the environment, and from the command line,
// the later winning.
func TestOptionSources(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	write(t, config, "server:\n  region: from-file\n  data: "+filepath.Join(dir, "data")+"\n  log-format: json\n")
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"file", nil, nil, "from-file"},
		{"environment", []string{"STAMPEDE_REGION=from-env"}, nil, "from-env"},
		{"command line", []string{"STAMPEDE_REGION=from-env"}, []string{"--region", "from-args"}, "from-args"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testenv.StartWith(t, tc.env, append([]string{"--config", config}, tc.args...)...)
			if !strings.Contains(s.Log(), `"region":"`+tc.want+`"`) {
				t.Errorf("want region %s:\n%s", tc.want, s.Log())
			}
		})
	}
}

// TestFirstStart: a root key is made, shown once, kept for its owner only, and
// works.
func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	s := testenv.StartWith(t, nil, "--data", data)
	text, err := os.ReadFile(filepath.Join(data, "root-credentials"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Fields(string(text))
	info, err := os.Stat(filepath.Join(data, "root-credentials"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the credentials: %v %v", info.Mode(), err)
	}
	as := func(o *s3.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(key[0], key[1], "") }
	createBucket(t, client(s, as))
	output := s.Output()
	for _, shown := range []string{"AWS_ACCESS_KEY_ID=" + key[0], "AWS_SECRET_ACCESS_KEY=" + key[1], "AWS_ENDPOINT_URL="} {
		if !strings.Contains(output, shown) {
			t.Errorf("the first start did not show %s…", shown[:12])
		}
	}
	if strings.Contains(s.Log(), key[1]) {
		t.Error("the secret key is in the log")
	}
	again := testenv.StartWith(t, nil, "--data", data)
	put(t, client(again, as), "k", "x")
	if strings.Contains(again.Output(), key[1]) {
		t.Error("a later start shows the secret key")
	}
}

// TestAdminListener: health, readiness and metrics of a live process.
func TestAdminListener(t *testing.T) {
	s := testenv.Start(t)
	createBucket(t, client(s))
	for _, path := range []string{"/healthz", "/readyz"} {
		response, err := http.Get(s.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	metrics := s.Metrics(t)
	for _, name := range []string{
		`stampede_s3_requests_total{code="",operation="CreateBucket",status="200"} 1`,
		"stampede_meta_commits_total", "stampede_chunks_free_bytes", "stampede_janitor_events_total", "process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, name) {
			t.Errorf("metrics have no %s", name)
		}
	}
}

// TestTLS: S3 over TLS.
func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	s := testenv.Start(t, "--tls-cert", cert, "--tls-key", key)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	c := client(s, func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: transport} })
	createBucket(t, c)
	put(t, c, "k", "over TLS")
	wantBody(t, c, "k", "over TLS")
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, certFile, string(certPEM))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}
