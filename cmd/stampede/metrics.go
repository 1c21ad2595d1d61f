package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/stampede-store/stampede/gateway"
)

// metrics are what /metrics shows.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stampede_s3_requests_total", Help: "S3 requests by operation, status and error code.",
		}, []string{"operation", "status", "code"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stampede_s3_bytes_total", Help: "Bytes of S3 bodies by operation and direction.",
		}, []string{"operation", "direction"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stampede_s3_request_seconds", Help: "Time from a request's first byte to its answer's last.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18), // 0.5 ms to 65 s
		}, []string{"operation"}),
	}
	m.registry.MustRegister(m.requests, m.bytes, m.durations,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Served counts a request of the gateway.
func (m *metrics) Served(s gateway.Served) {
	m.requests.WithLabelValues(s.Operation, strconv.Itoa(s.Status), s.Code).Inc()
	m.bytes.WithLabelValues(s.Operation, "in").Add(float64(s.BytesIn))
	m.bytes.WithLabelValues(s.Operation, "out").Add(float64(s.BytesOut))
	m.durations.WithLabelValues(s.Operation).Observe(s.Duration.Seconds())
}

// counter shows a number that only grows, gauge one that may fall. Both are asked when
// /metrics is.
func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "stampede_" + name, Help: help}, value))
}

func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "stampede_" + name, Help: help}, value))
}
