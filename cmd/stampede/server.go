package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/stampede-store/stampede/admin"
	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/store"
)

type serverCommand struct {
	Data                string   `help:"Folder where everything is kept." default:"./stampede-data" placeholder:"FOLDER"`
	Meta                string   `help:"Metadata engine: embedded, or fdb:CLUSTER-FILE?prefix=NAME for FoundationDB." default:"embedded" placeholder:"ENGINE"`
	Listen              string   `help:"Address of S3." default:"127.0.0.1:9000" placeholder:"HOST:PORT"`
	AdminListen         string   `help:"Address of health, metrics and profiles." default:"127.0.0.1:9001" placeholder:"HOST:PORT"`
	Region              string   `help:"Region that clients sign for." default:"us-east-1"`
	Domain              []string `help:"Serve buckets as virtual hosts of this domain too; may be repeated." placeholder:"NAME"`
	TLSCert             string   `name:"tls-cert" help:"Certificate chain for S3 over TLS, PEM." placeholder:"FILE"`
	TLSKey              string   `name:"tls-key" help:"Its private key, PEM." placeholder:"FILE"`
	RootCredentialsFile string   `help:"File with the root access key and its secret key, a line each." placeholder:"FILE"`
	RequestsMax         int      `help:"S3 requests served at a time; more are told to slow down." default:"1024" placeholder:"N"`
	logOptions
}

// Names of the environment that carry the root access key. They are not
// options: what stands on a command line is there for every user to see.
const (
	rootAccessKeyEnv = "STAMPEDE_ROOT_ACCESS_KEY"
	rootSecretKeyEnv = "STAMPEDE_ROOT_SECRET_KEY"
)

// stopTimeout bounds how long requests under way may go on after a signal.
const stopTimeout = 30 * time.Second

// Run serves until ctx ends, then lets requests finish.
func (c *serverCommand) Run(ctx context.Context, s *streams) error {
	log, err := c.open(s.Err)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // a terminal can't be synced
	if err := c.validate(); err != nil {
		return err
	}
	meta, err := parseMeta(c.Meta)
	if err != nil {
		return err
	}
	folder, err := openFolder(c.Data)
	if err != nil {
		return err
	}
	defer folder.close()
	if err := folder.checkMeta(meta.String()); err != nil {
		return err
	}
	root, err := c.rootCredentials(folder, s.Out)
	if err != nil {
		return err
	}
	p := &process{command: c, meta: meta, folder: folder, log: log, metrics: newMetrics()}
	p.state.Store(&errStarting)
	return p.run(ctx, root)
}

func (c *serverCommand) validate() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if c.Region == "" {
		return errors.New("--region must not be empty")
	}
	return nil
}

// rootCredentials finds the root access key: in the environment, in the file
// that was named, or in the data folder, where it is made at the first start.
func (c *serverCommand) rootCredentials(f *folder, out io.Writer) (credentials, error) {
	access, secret := os.Getenv(rootAccessKeyEnv), os.Getenv(rootSecretKeyEnv)
	switch {
	case (access == "") != (secret == ""):
		return credentials{}, fmt.Errorf("%s and %s go together", rootAccessKeyEnv, rootSecretKeyEnv)
	case access != "":
		return credentials{AccessKey: access, SecretKey: secret}, nil
	case c.RootCredentialsFile != "":
		return readCredentials(c.RootCredentialsFile)
	}
	root, made, err := f.rootCredentials()
	if err != nil {
		return root, err
	}
	if made {
		c.greet(out, root, f.credentialsPath())
	}
	return root, nil
}

// greet shows a new root access key as a client configuration to paste.
func (c *serverCommand) greet(out io.Writer, root credentials, path string) {
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(out, `A root access key was made for this store. It is kept in %s.
To use it with the aws cli and the SDKs:

    export AWS_ACCESS_KEY_ID=%s
    export AWS_SECRET_ACCESS_KEY=%s
    export AWS_REGION=%s
    export AWS_ENDPOINT_URL=%s://%s

`, path, root.AccessKey, root.SecretKey, c.Region, scheme, c.Listen)
}

// process is a running server.
type process struct {
	command *serverCommand
	meta    metaOptions
	folder  *folder
	log     *zap.Logger
	metrics *metrics
	// state says nil when requests are served, else why not.
	state atomic.Pointer[error]
}

var (
	errStarting = errors.New("starting: the metadata and the chunk store are being opened")
	errStopping = errors.New("stopping")
	errNone     error
)

func (p *process) ready() error { return *p.state.Load() }

// run listens at once, so that clients get an answer, opens the engines side by
// side, and serves until ctx ends or something breaks.
func (p *process) run(ctx context.Context, root credentials) error {
	g, err := gateway.New(gateway.Options{
		Auth: &sigv4.Verifier{Region: p.command.Region, Secret: func(accessKey string) (string, bool) {
			return root.SecretKey, accessKey == root.AccessKey
		}},
		Region:  p.command.Region,
		Domains: p.command.Domain,
		Limits:  gateway.Limits{RequestsMax: p.command.RequestsMax},
		Ready:   p.ready,
		Log:     p.log,
		Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.metrics.gauge("s3_requests_in_flight", "S3 requests being served.", func() float64 {
		requests, _ := g.InFlight()
		return float64(requests)
	})
	s3, err := p.listenS3(g)
	if err != nil {
		return err
	}
	operators, err := p.listenAdmin()
	if err != nil {
		return errors.Join(err, s3.Close())
	}
	var group errgroup.Group
	failed := make(chan error, 3) // one from each goroutine
	for _, l := range []*listener{s3, operators} {
		group.Go(func() error {
			err := l.serve()
			failed <- err
			return err
		})
	}
	err = p.serve(ctx, g, s3, failed)
	p.state.Store(&errStopping)
	err = errors.Join(err, operators.Close(), s3.Close())
	_ = group.Wait() // its errors came through failed
	return err
}

// serve opens the engines, attaches them to g and waits for the end; then it stops in
// the opposite order.
func (p *process) serve(ctx context.Context, g *gateway.Gateway, s3 *listener, failed <-chan error) error {
	began := time.Now()
	e, err := openEngines(ctx, p)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting
		}
		return err
	}
	g.Attach(gateway.FromStore(store.New(store.Options{Layer: e.layer, Chunks: e.chunks, Log: p.log})))
	p.state.Store(&errNone)
	p.log.Info("ready", zap.Duration("after", time.Since(began)), zap.String("data", p.folder.path))

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var janitors sync.WaitGroup
	janitors.Go(func() { _ = e.janitor.Run(background) }) // it ends with background only

	select {
	case <-ctx.Done():
		p.log.Info("stopping")
	case err = <-failed:
		p.log.Error("a listener failed", zap.Error(err))
	}
	p.state.Store(&errStopping)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if shutdown := s3.server.Shutdown(drain); shutdown != nil {
		p.log.Warn("requests were cut off", zap.Error(shutdown))
	}
	stopBackground()
	janitors.Wait()
	err = errors.Join(err, e.close(drain))
	p.log.Info("stopped")
	return err
}

// listener is an HTTP server on its socket.
type listener struct {
	server *http.Server
	socket net.Listener
}

func (l *listener) serve() error {
	serve := func() error { return l.server.Serve(l.socket) }
	if l.server.TLSConfig != nil {
		serve = func() error { return l.server.ServeTLS(l.socket, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the listener and its connections.
func (l *listener) Close() error { return l.server.Close() }

func (p *process) listenS3(g *gateway.Gateway) (*listener, error) {
	socket, err := net.Listen("tcp", p.command.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	server, scheme := gateway.NewHTTPServer(g), "http"
	if p.command.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(p.command.TLSCert, p.command.TLSKey)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--tls-cert, --tls-key: %w", err), socket.Close())
		}
		server.TLSConfig, scheme = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, "https"
	}
	p.log.Info("S3 is listening", zap.String("url", scheme+"://"+socket.Addr().String()), zap.String("region", p.command.Region),
		zap.String("domains", strings.Join(p.command.Domain, " ")))
	return &listener{server, socket}, nil
}

func (p *process) listenAdmin() (*listener, error) {
	socket, err := net.Listen("tcp", p.command.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("--admin-listen: %w", err)
	}
	server := &http.Server{
		Handler:           admin.New(admin.Options{Ready: p.ready, Metrics: p.metrics.registry}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // a profile takes as long as it is asked for
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          zap.NewStdLog(p.log.Named("admin")),
	}
	p.log.Info("admin is listening", zap.String("url", "http://"+socket.Addr().String()))
	return &listener{server, socket}, nil
}
