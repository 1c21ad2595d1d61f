//go:build fdb && race

package fdbkv_test

// raceEnabled: the race detector keeps memory of its own for all that it has seen.
const raceEnabled = true
