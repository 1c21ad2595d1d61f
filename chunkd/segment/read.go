package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/cockroachdb/errors/oserror"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// Get reads the whole blocks that cover a range, into g.Buffer if its capacity is
// enough. The blocks are not checked: whoever uses them must, with the sums that
// come with them. An unknown chunk, also one that is deleted while it is read, is
// NoSuchChunk; a range outside the chunk InvalidArgument; a chunk whose bytes are
// not there Corrupt; a disk that does not read Unavailable.
func (s *Store) Get(ctx context.Context, g chunkwire.Get) (chunkwire.Blocks, error) {
	blocks, err := s.get(ctx, g)
	if err != nil {
		return chunkwire.Blocks{}, wrap("segment.Get", chunkRef(g.ID), err)
	}
	s.metrics.gets.Add(1)
	s.metrics.getBytes.Add(uint64(len(blocks.Data)))
	return blocks, nil
}

func (s *Store) get(ctx context.Context, g chunkwire.Get) (chunkwire.Blocks, error) {
	if g.Offset < 0 || g.Length <= 0 || g.Offset > math.MaxInt-g.Length {
		return chunkwire.Blocks{}, &errKind{object.InvalidArgument, fmt.Errorf("range %d+%d", g.Offset, g.Length)}
	}
	if !s.reading.enter() {
		return chunkwire.Blocks{}, errClosed
	}
	defer s.reading.leave()
	for range relocationsMax {
		if err := ctx.Err(); err != nil {
			return chunkwire.Blocks{}, err
		}
		punches := s.punches.Load()
		l, err := s.index.chunk(g.ID)
		if err != nil {
			return chunkwire.Blocks{}, err
		}
		if l == nil {
			return chunkwire.Blocks{}, &errKind{kind: object.NoSuchChunk}
		}
		if g.Offset+g.Length > int(l.length) {
			return chunkwire.Blocks{}, &errKind{
				object.InvalidArgument,
				fmt.Errorf("range %d+%d of a chunk of %d bytes", g.Offset, g.Length, l.length),
			}
		}
		blocks, err := s.readBlocks(l, g)
		if err == nil && s.punches.Load() == punches {
			return blocks, nil
		}
		// A hole may have been made where the bytes were, or their file be gone.
		now, lookErr := s.index.chunk(g.ID)
		if lookErr != nil {
			return chunkwire.Blocks{}, lookErr
		}
		if now != nil && now.place == l.place {
			return blocks, err
		}
	}
	return chunkwire.Blocks{}, errors.New("the chunk is moved again and again")
}

// readBlocks reads from where a chunk was a moment ago.
func (s *Store) readBlocks(l *location, g chunkwire.Get) (chunkwire.Blocks, error) {
	first := g.Offset / object.BlockBytes
	last := (g.Offset + g.Length - 1) / object.BlockBytes
	from := first * object.BlockBytes
	n := min((last+1)*object.BlockBytes, int(l.length)) - from
	data := g.Buffer
	if cap(data) < n {
		data = make([]byte, n)
	}
	data = data[:n]
	f, err := s.files.acquire(l.segment)
	if err != nil {
		if oserror.IsNotExist(err) {
			return chunkwire.Blocks{}, &errKind{object.Corrupt, err}
		}
		return chunkwire.Blocks{}, err
	}
	defer s.files.release(f)
	at := int64(l.offset) + headBytes(len(l.sums)) + int64(from)
	if got, err := f.ReadAt(data, at); got < n {
		if err == nil || errors.Is(err, io.EOF) {
			return chunkwire.Blocks{}, &errKind{object.Corrupt, io.ErrUnexpectedEOF}
		}
		return chunkwire.Blocks{}, err
	}
	return chunkwire.Blocks{Offset: from, Data: data, Sums: l.sums[first : last+1], ChunkBytes: int(l.length)}, nil
}

// Inventory lists the chunks of a session with a sequence in [From, To), by id,
// chunkwire.InventoryMax to a page: all that was acknowledged before the call, and
// of what is acknowledged meanwhile any part.
func (s *Store) Inventory(ctx context.Context, q chunkwire.Inventory) (chunkwire.InventoryPage, error) {
	page, err := s.inventory(ctx, q)
	ref := object.Ref{Argument: "session", Value: q.Session.String()}
	return page, wrap("segment.Inventory", ref, err)
}

func (s *Store) inventory(ctx context.Context, q chunkwire.Inventory) (page chunkwire.InventoryPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	if !s.reading.enter() {
		return page, errClosed
	}
	defer s.reading.leave()
	low := object.ChunkID{Blob: object.BlobID{Session: q.Session, Sequence: q.From}}
	high := object.ChunkID{Blob: object.BlobID{Session: q.Session, Sequence: q.To}}
	from, to := chunkKey(low), chunkKey(high)
	if q.After != (object.ChunkID{}) && q.After.Compare(low) >= 0 {
		from = append(chunkKey(q.After), 0) // the next key there can be
	}
	if string(from) >= string(to) {
		return page, nil
	}
	err = s.index.each(from, to, func(k, v []byte) (bool, error) {
		if len(k) != 1+chunkIDBytes || len(v) < 12 {
			return false, errIndexValue
		}
		if len(page.Entries) == chunkwire.InventoryMax {
			page.More = true
			return false, nil
		}
		e := chunkwire.Entry{ID: parseChunkID(k[1:]), Bytes: int(binary.BigEndian.Uint32(v[8:]))}
		page.Entries = append(page.Entries, e)
		return true, nil
	})
	return page, err
}

// gate lets Close wait for the calls that use the index and the files.
type gate struct {
	mu     sync.Mutex // guards closed
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

func (g *gate) leave() { g.inside.Done() }

// close refuses who comes later and waits for who is inside.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
