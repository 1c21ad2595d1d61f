package admin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stampede-store/stampede/admin"
)

// TestEndpoints asks each endpoint of a ready and of an unready process.
func TestEndpoints(t *testing.T) {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "stampede_test_total", Help: "A counter."})
	registry.MustRegister(requests)
	requests.Add(3)
	var ready error
	h := admin.New(admin.Options{Ready: func() error { return ready }, Metrics: registry})
	for _, tc := range []struct {
		name, method, path string
		ready              error
		status             int
		body               string
	}{
		{"alive", "GET", "/healthz", nil, 200, "ok"},
		{"alive while not ready", "GET", "/healthz", errors.New("opening"), 200, "ok"},
		{"ready", "GET", "/readyz", nil, 200, "ready"},
		{"not ready", "GET", "/readyz", errors.New("opening the metadata"), 503, "opening the metadata"},
		{"metrics", "GET", "/metrics", nil, 200, "stampede_test_total 3"},
		{"pprof", "GET", "/debug/pprof/", nil, 200, "goroutine"},
		{"unknown", "GET", "/nothing", nil, 404, ""},
		{"wrong method", "POST", "/readyz", nil, 405, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ready = tc.ready
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, http.NoBody))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("got %d %q, want %d with %q", w.Code, w.Body, tc.status, tc.body)
			}
		})
	}
}
