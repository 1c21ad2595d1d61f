//go:build !race

package segment_test

const slow = false
