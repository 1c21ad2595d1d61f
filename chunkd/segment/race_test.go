//go:build race

package segment_test

// slow is set under the race detector, where long loops do less.
const slow = true
