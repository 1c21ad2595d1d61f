package chunkclient

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/stampede-store/stampede/object"
)

// blocksMax is the number of blocks, and block checksums, of a chunk.
const blocksMax = object.ChunkMaxBytes / object.BlockBytes

// Buffers come in sizes of powers of two, from 4 KiB to a whole chunk, so that a
// small object holds little, and few are made anew.
const (
	bufferBytesMin = 4 << 10
	bufferClasses  = 9 // 4 KiB << 8 = 1 MiB
)

// memory hands out buffers within a bound, first come first served.
//
// Nobody waits for a buffer while it holds one that only it can give back: a
// Writer asks for the next when the last one is on its way to nodes and hashes,
// a Reader waits only with empty hands. So the wait always ends.
type memory struct {
	budget *semaphore.Weighted // bytes
	used   atomic.Int64        // bytes
	free   [bufferClasses]sync.Pool
}

// buffer is the bytes of a stripe, or of a piece of one.
type buffer struct {
	memory *memory
	class  int
	bytes  []byte
}

func newMemory(limitBytes int64) *memory {
	return &memory{budget: semaphore.NewWeighted(limitBytes)}
}

// classOf is the smallest class that holds n bytes.
func classOf(n int) int {
	if n <= bufferBytesMin {
		return 0
	}
	return bits.Len(uint((n - 1) / bufferBytesMin))
}

func classBytes(class int) int64 { return bufferBytesMin << class }

// get waits for a buffer of at least n bytes, 1 to object.ChunkMaxBytes.
func (m *memory) get(ctx context.Context, n int) (*buffer, error) {
	class := classOf(n)
	if err := m.budget.Acquire(ctx, classBytes(class)); err != nil {
		return nil, err
	}
	return m.take(class), nil
}

// tryGet is get, but returns nil instead of waiting.
func (m *memory) tryGet(n int) *buffer {
	class := classOf(n)
	if !m.budget.TryAcquire(classBytes(class)) {
		return nil
	}
	return m.take(class)
}

func (m *memory) take(class int) *buffer {
	m.used.Add(classBytes(class))
	if b, ok := m.free[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{memory: m, class: class, bytes: make([]byte, classBytes(class))}
}

// release gives the buffer back; nobody may use its bytes any more.
func (b *buffer) release() {
	m, n := b.memory, classBytes(b.class)
	m.free[b.class].Put(b)
	m.used.Add(-n)
	m.budget.Release(n)
}
