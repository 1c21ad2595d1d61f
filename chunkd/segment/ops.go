package segment

import (
	"context"
	"errors"
	"fmt"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// errKind is an error that has its kind already.
type errKind struct {
	kind object.Kind
	err  error
}

func (e *errKind) Error() string { return e.kind.Error() }

// wrap gives an error its kind and what it is about. Context errors pass.
func wrap(op string, ref object.Ref, err error) error {
	var kinded *errKind
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &kinded):
		return &object.Error{Op: op, Kind: kinded.kind, Ref: ref, Err: kinded.err}
	case errors.Is(err, errFull):
		return &object.Error{Op: op, Kind: object.Full, Ref: ref, Err: err}
	default:
		return &object.Error{Op: op, Kind: object.Unavailable, Ref: ref, Err: err}
	}
}

// Put stores a chunk: it is on stable storage when Put returns nil. The same id and
// bytes again succeed, whether the first put is done or still waits; other bytes are
// ChunkConflict. Data that does not match its sums is Corrupt, a sequence below the
// session's fence Fenced, no space Full, a failed disk or a closed store
// Unavailable. Put blocks while Options.QueueBytes are waiting. When ctx ends
// before the writer has taken the chunk, nothing is stored; else Put
// returns the outcome.
//
// A chunk that was deleted can be put again. Ids are never reused, so that is a
// put that came late; it is an orphan like any other, and the sweep finds it:
// below the fence it is refused, above it the inventory shows it.
func (s *Store) Put(ctx context.Context, p chunkwire.Put) error {
	return wrap("segment.Put", chunkRef(p.ID), s.put(ctx, p))
}

func (s *Store) put(ctx context.Context, p chunkwire.Put) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n := len(p.Data); n == 0 || n > object.ChunkMaxBytes {
		return &errKind{object.InvalidArgument, fmt.Errorf("%d bytes of data", n)}
	}
	if !goodData(p.Data, p.Sums) {
		return &errKind{object.Corrupt, errors.New("the data does not match its checksums")}
	}
	need := recordBytes(uint32(len(p.Data)), len(p.Sums))
	if err := s.room.Acquire(ctx, need); err != nil {
		return err
	}
	s.metrics.queuedBytes.Add(need)
	defer func() {
		s.metrics.queuedBytes.Add(-need)
		s.room.Release(need)
	}()
	wrote := false
	o := newOp(need, func(b *batch) error {
		var err error
		wrote, err = b.planPut(&p, need)
		return err
	})
	o.put = true
	err := s.do(ctx, o)
	switch {
	case errors.Is(err, errFull):
		s.metrics.refusedFull.Add(1)
	case err == nil && wrote:
		s.metrics.puts.Add(1)
		s.metrics.putBytes.Add(uint64(len(p.Data)))
	case err == nil:
		s.metrics.repeated.Add(1)
	}
	return err
}

func (b *batch) planPut(p *chunkwire.Put, need int64) (wrote bool, err error) {
	fence, err := b.u.fence(p.ID.Blob.Session)
	if err != nil {
		return false, err
	}
	if p.ID.Blob.Sequence < fence.position {
		return false, &errKind{object.Fenced, fmt.Errorf("the fence is at %d", fence.position)}
	}
	l, err := b.u.chunk(p.ID)
	if err != nil {
		return false, err
	}
	if l != nil {
		if !l.sameContent(len(p.Data), p.Sums) {
			return false, &errKind{object.ChunkConflict, errors.New("the chunk is there with other bytes")}
		}
		return false, nil
	}
	if err := b.admit(need); err != nil {
		return false, err
	}
	// The index keeps the sums for as long as the update lives; the caller's slice
	// is only lent.
	sums := append([]uint32(nil), p.Sums...)
	r := record{kind: recordPut, id: p.ID, length: uint32(len(p.Data)), sums: sums}
	return true, b.add(r, p.Data)
}

// Delete removes up to chunkwire.DeleteMax chunks; unknown ids succeed. When it
// returns nil none of them comes back, also after a crash. After an error some may
// be gone. It is safe to repeat.
func (s *Store) Delete(ctx context.Context, ids []object.ChunkID) error {
	return wrap("segment.Delete", object.Ref{}, s.delete(ctx, ids))
}

func (s *Store) delete(ctx context.Context, ids []object.ChunkID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(ids) > chunkwire.DeleteMax {
		return &errKind{object.InvalidArgument, fmt.Errorf("%d ids in one delete", len(ids))}
	}
	if len(ids) == 0 {
		return nil
	}
	deleted := 0
	o := newOp(int64(len(ids))*headerBytes, func(b *batch) error {
		deleted = 0
		for _, id := range ids {
			l, err := b.u.chunk(id)
			if err != nil {
				return err
			}
			if l == nil {
				continue
			}
			if err := b.add(record{kind: recordDelete, id: id, killed: l.place}, nil); err != nil {
				return err
			}
			deleted++
		}
		return nil
	})
	err := s.do(ctx, o)
	if err == nil {
		s.metrics.deletes.Add(uint64(deleted))
	}
	return err
}

// Fence refuses from now on, also after a crash, every Put of the session with a
// sequence below position. A position never goes back; a lower one succeeds and
// changes nothing. A put that was queued before the fence may still succeed, and is
// in every inventory that is taken after Fence returned.
func (s *Store) Fence(ctx context.Context, session object.SessionID, position uint64) error {
	ref := object.Ref{Argument: "session", Value: session.String()}
	return wrap("segment.Fence", ref, s.raiseFence(ctx, session, position))
}

func (s *Store) raiseFence(ctx context.Context, session object.SessionID, position uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raised := false
	o := newOp(headerBytes, func(b *batch) error {
		f, err := b.u.fence(session)
		if raised = err == nil && position > f.position; !raised {
			return err
		}
		id := object.ChunkID{Blob: object.BlobID{Session: session, Sequence: position}}
		return b.add(record{kind: recordFence, id: id}, nil)
	})
	err := s.do(ctx, o)
	if err == nil && raised {
		s.metrics.fences.Add(1)
	}
	return err
}
