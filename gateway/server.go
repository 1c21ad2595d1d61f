package gateway

import (
	"net/http"

	"go.uber.org/zap"
)

// NewHTTPServer makes the server for a gateway: HTTP/1.1 (S3's protocol; HTTP/2
// would share one connection's pace among many transfers), with bounds for
// headers and idle connections. Bodies are bounded by the gateway's minimum
// transfer rate, so long transfers live on. The caller sets Addr or TLSConfig as needed, serves, and shuts down.
func NewHTTPServer(g *Gateway) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMaxBytes,
		Protocols:         protocols,
	}
	// What the server says by itself (TLS handshakes that failed, connections
	// that spoke no HTTP) is worth a line, not a warning.
	if logger, err := zap.NewStdLogAt(g.log, zap.DebugLevel); err == nil {
		s.ErrorLog = logger
	}
	return s
}
