package pebblekv

import (
	"bytes"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// applyAtomic returns the value that an atomic operation leaves; nil is absent,
// for the old value and the result alike. The rules for absent values and for
// lengths are FoundationDB's (its developer guide, "Atomic operations", and Atomic.h): the
// result of add, min and max is as long as the operand.
func applyAtomic(op kv.AtomicOp, old, operand []byte) []byte {
	switch op {
	case kv.Add:
		return add(old, operand)
	case kv.Min:
		if old == nil {
			return present(operand)
		}
		if compareLittleEndian(old, operand) < 0 {
			return resize(old, len(operand))
		}
		return present(operand)
	case kv.Max:
		if compareLittleEndian(old, operand) > 0 {
			return resize(old, len(operand))
		}
		return present(operand)
	case kv.CompareAndClear:
		if old == nil || bytes.Equal(old, operand) {
			return nil
		}
		return old
	default:
		panic("pebblekv: not an arithmetic operation")
	}
}

// present makes an empty value out of nil.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// add adds little-endian integers, dropping what overflows the operand's length.
func add(old, operand []byte) []byte {
	sum := make([]byte, len(operand))
	carry := 0
	for i := range operand {
		carry += int(operand[i])
		if i < len(old) {
			carry += int(old[i])
		}
		sum[i] = byte(carry)
		carry >>= 8
	}
	return sum
}

// resize truncates, or pads with the most significant zeros.
func resize(b []byte, n int) []byte {
	r := make([]byte, n)
	copy(r, b)
	return r
}

// compareLittleEndian compares the low bytes of old, as many as the operand
// has, with the operand, as unsigned integers.
func compareLittleEndian(old, operand []byte) int {
	for i := len(operand) - 1; i >= 0; i-- {
		var o byte
		if i < len(old) {
			o = old[i]
		}
		if o != operand[i] {
			if o < operand[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}
