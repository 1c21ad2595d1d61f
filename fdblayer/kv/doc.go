// Package kv is the transactional seam: FoundationDB's model as a small
// interface that the embedded engine and FoundationDB both implement, the
// typed errors of both, and the one retry loop.
package kv
