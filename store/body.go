package store

import (
	"bytes"
	"context"
	"errors"
	"io"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// body is the bytes that a request brings for an object or a part.
type body struct {
	op        string
	reader    io.Reader
	sizeBytes int64 // that it must have, -1 if unknown
	digests   Digests
	// inlineMaxBytes is the longest that is kept in the row itself.
	inlineMaxBytes int64
}

// received is a body that is stored and verified, and waits for its commit.
type received struct {
	content   object.Content
	sizeBytes int64
	etag      object.ETag
	checksum  *object.Checksum
	lease     *fdblayer.BlobLease // nil without a blob
}

// validate checks what can be known before the first byte is read.
func (b *body) validate() error {
	if b.sizeBytes > object.PutMaxBytes {
		return &object.Error{Op: b.op, Kind: object.EntityTooLarge}
	}
	if b.reader == nil {
		b.reader = bytes.NewReader(nil)
	}
	return b.digests.validate(b.op)
}

// receive reads a body once, to its end: short ones into memory, long ones to the nodes. All that was
// claimed of it is verified. After an error nothing is left of it but what could not be deleted.
func (s *Store) receive(ctx context.Context, b body) (received, error) {
	if b.sizeBytes > b.inlineMaxBytes {
		return s.receiveBlob(ctx, b)
	}
	head, whole, err := b.readHead()
	if err != nil {
		return received{}, err
	}
	if whole {
		return b.inline(head)
	}
	b.reader = io.MultiReader(bytes.NewReader(head), b.reader)
	return s.receiveBlob(ctx, b)
}

// readHead reads up to one byte more than may be kept inline. whole says that the
// body ended within.
func (b *body) readHead() (head []byte, whole bool, err error) {
	limit := b.inlineMaxBytes
	if b.sizeBytes >= 0 {
		limit = b.sizeBytes
	}
	head = make([]byte, limit+1)
	n := 0
	for n < len(head) {
		m, err := b.reader.Read(head[n:])
		n += m
		if err == io.EOF {
			return head[:n], true, b.checkSize(int64(n))
		}
		if err != nil {
			return nil, false, b.readError(err)
		}
	}
	if b.sizeBytes >= 0 {
		return nil, false, b.checkSize(int64(n))
	}
	return head, false, nil
}

func (b *body) inline(data []byte) (received, error) {
	h := newHashes(b.digests)
	h.write(data)
	etag, sum, err := h.verify(b.op, b.digests)
	if err != nil {
		return received{}, err
	}
	r := received{sizeBytes: int64(len(data)), etag: etag, checksum: sum}
	if len(data) > 0 {
		r.content.Inline = data
	}
	return r, nil
}

// receiveBlob writes the body as a blob.
func (s *Store) receiveBlob(ctx context.Context, b body) (received, error) {
	lease, err := s.layer.NewBlob()
	if err != nil {
		return received{}, err
	}
	h := newHashes(b.digests)
	blob, err := s.writeBlob(ctx, b, lease, h)
	if err != nil {
		lease.Abandon()
		return received{}, notNow(b.op, err)
	}
	r := received{content: object.Content{Blob: &blob}, sizeBytes: blob.SizeBytes, lease: lease}
	if err = b.checkSize(blob.SizeBytes); err == nil {
		r.etag, r.checksum, err = h.verify(b.op, b.digests)
	}
	if err != nil {
		s.discard(ctx, r)
		return received{}, err
	}
	return r, nil
}

// writeBlob copies the body into a blob. After an error its chunks are deleted.
func (s *Store) writeBlob(ctx context.Context, b body, lease *fdblayer.BlobLease, h hashes) (object.Blob, error) {
	w, err := s.chunks.Create(ctx, chunkclient.WriteBlob{
		ID: lease.ID(), Group: lease.Group(), SizeBytes: b.sizeBytes, Hashes: h.writers(),
	})
	if err != nil {
		return object.Blob{}, err
	}
	limited := &sourceError{reader: io.LimitReader(b.reader, object.PutMaxBytes+1)}
	n, err := w.ReadFrom(limited)
	switch {
	case errors.Is(err, chunkclient.ErrTooLong):
		err = b.incomplete(err)
	case limited.err != nil && err != nil:
		err = b.readError(err)
	case err == nil && n > object.PutMaxBytes:
		err = &object.Error{Op: b.op, Kind: object.EntityTooLarge}
	case err == nil && b.sizeBytes >= 0 && n < b.sizeBytes:
		err = b.incomplete(nil)
	}
	var blob object.Blob
	if err == nil {
		blob, err = w.Finish(ctx)
	}
	if err != nil {
		if aerr := w.Abort(ctx); aerr != nil {
			s.log.Warn("chunks of a failed upload are left to the sweep", zap.Stringer("blob", lease.ID()), zap.Error(aerr))
		}
		return object.Blob{}, err
	}
	return blob, nil
}

// sourceError remembers that it was the body's reader that failed.
type sourceError struct {
	reader io.Reader
	err    error
}

func (r *sourceError) Read(p []byte) (int, error) {
	n, err := r.reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// readError says of an error of the body's reader what it means: its own errors pass as they
// are, except that a body cut short is IncompleteBody.
func (b *body) readError(err error) error {
	if err == io.ErrUnexpectedEOF {
		return b.incomplete(err)
	}
	return err
}

func (b *body) checkSize(n int64) error {
	if b.sizeBytes >= 0 && n != b.sizeBytes {
		return b.incomplete(nil)
	}
	return nil
}

func (b *body) incomplete(cause error) error {
	return &object.Error{Op: b.op, Kind: object.IncompleteBody, Err: cause}
}

// discard deletes what was received for a version that does not exist and
// never will. Best effort: the sweep finds the rest.
func (s *Store) discard(ctx context.Context, r received) {
	if r.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := s.chunks.Delete(ctx, *r.content.Blob); err != nil {
		s.log.Warn("chunks of a failed upload are left to the sweep", zap.Stringer("blob", r.content.Blob.ID), zap.Error(err))
	}
	r.lease.Abandon()
}

// commitReceived makes what was received visible by f. If that certainly failed, the bytes
// are deleted; while it is unknown they stay.
func (s *Store) commitReceived(ctx context.Context, op string, r received, f func(ctx context.Context) error) error {
	begun := false
	err := commit(ctx, func(ctx context.Context) error {
		begun = true
		return f(ctx)
	})
	switch {
	case err == nil:
		return nil
	case begun && !certain(err):
		if r.lease != nil {
			s.log.Warn("the outcome of a commit is unknown, its chunks stay", zap.Stringer("blob", r.content.Blob.ID), zap.Error(err))
		}
	default:
		s.discard(ctx, r)
	}
	return notNow(op, err)
}

// certain says that a commit that failed with err did not happen. An error without a kind, or of ours
// (Internal, as of a broken engine), is not trusted to say so: that costs some chunks, which the sweep will find, where
// deleting the bytes of a version that exists would lose them.
func certain(err error) bool {
	var kind object.Kind
	return errors.As(err, &kind) && kind != object.Internal && !errors.Is(err, object.OutcomeUnknown)
}
