//go:build fdb && !race

package fdbkv_test

const raceEnabled = false
