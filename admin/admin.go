// Package admin is the HTTP interface for operators: health, readiness and
// metrics. It is meant for a listener of its own, which clients of the store do
// not reach.
//
//	GET /healthz   200 as long as the process runs
//	GET /readyz    200 when requests are served, else 503 and the reason
//	GET /metrics   Prometheus text format
//	GET /debug/pprof/...  profiles of the running process
package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are the choices of a Handler; both are required.
type Options struct {
	// Ready says nil when requests are served, else why not.
	Ready func() error
	// Metrics is what /metrics shows.
	Metrics *prometheus.Registry
}

// New makes the handler of the admin listener. It is safe for concurrent use.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{Registry: o.Metrics}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
