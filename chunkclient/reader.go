package chunkclient

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stampede-store/stampede/object"
)

// Piece is a run of bytes to read: a range of a blob, or bytes at hand.
type Piece struct {
	// Inline, if not nil, is the bytes themselves; the other fields are not used.
	Inline []byte
	Blob   object.Blob
	// Offset and Length are the range of Blob.
	Offset, Length int64
}

// Source yields the pieces of a read, in order. It is called by one goroutine
// at a time, that of WriteTo.
type Source interface {
	// Next returns the next piece, io.EOF behind the last.
	Next(ctx context.Context) (Piece, error)
}

// onePiece is the Source of a single piece.
type onePiece struct {
	piece Piece
	given bool
}

func (o *onePiece) Next(context.Context) (Piece, error) {
	if o.given {
		return Piece{}, io.EOF
	}
	o.given = true
	return o.piece, nil
}

// Reader reads pieces, ahead of its consumer within the bounds of Options. It belongs to one
// goroutine at a time. Close it.
type Reader struct {
	client *Client
	// ctx is that of Open. It is kept because io.WriterTo takes none.
	ctx    context.Context
	cancel context.CancelFunc

	plan planner
	// queue holds the fetches under way or done, in reading order.
	queue      []*fetch
	queueBytes int64
	err        error // ends the read
}

// OpenBlob reads length bytes of b from offset on. Nothing is read before WriteTo. A range outside the
// blob is InvalidArgument.
func (c *Client) OpenBlob(ctx context.Context, b object.Blob, offset, length int64) (*Reader, error) {
	p := Piece{Blob: b, Offset: offset, Length: length}
	if err := p.validate(); err != nil {
		return nil, err
	}
	return c.Open(ctx, &onePiece{piece: p}), nil
}

// Open reads the pieces of a source one after the other, with read-ahead over
// their borders. Reading ends when ctx does.
func (c *Client) Open(ctx context.Context, s Source) *Reader {
	r := &Reader{client: c, plan: planner{groups: c.o.Groups, source: s}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

func (p Piece) validate() error {
	b := p.Blob
	if p.Inline != nil {
		return nil
	}
	if p.Offset < 0 || p.Length < 0 || p.Offset > b.SizeBytes || p.Length > b.SizeBytes-p.Offset {
		return &object.Error{
			Op: "chunkclient.Read", Kind: object.InvalidArgument, Ref: object.Ref{Chunk: b.ID.String()},
			Err: fmt.Errorf("range %d+%d is outside a blob of %d bytes", p.Offset, p.Length, b.SizeBytes),
		}
	}
	if p.Length > 0 && (b.StripeBytes <= 0 || b.StripeBytes > object.ChunkMaxBytes || b.StripeBytes%object.BlockBytes != 0) {
		return &object.Error{
			Op: "chunkclient.Read", Kind: object.Corrupt, Ref: object.Ref{Chunk: b.ID.String()},
			Err: fmt.Errorf("a blob has stripes of %d bytes", b.StripeBytes),
		}
	}
	return nil
}

// WriteTo writes all bytes to dst, in writes of up to a stripe. It fetches no further ahead than the bounds
// allow while dst is slow. Every block is verified before a byte of it is written. Wrong bytes are Corrupt, missing ones
// LostBytes, a node that can't be reached Unavailable; errors of dst and of the Source are returned as they are.
func (r *Reader) WriteTo(dst io.Writer) (int64, error) {
	var written int64
	for {
		if r.err == nil {
			r.err = r.readAhead()
		}
		if len(r.queue) == 0 {
			if errors.Is(r.err, io.EOF) {
				return written, nil
			}
			return written, r.err
		}
		n, err := r.writeHead(dst)
		written += n
		if err != nil {
			r.err = err
			r.dropQueue()
			return written, err
		}
	}
}

// writeHead waits for the first fetch of the queue and writes its bytes.
func (r *Reader) writeHead(dst io.Writer) (int64, error) {
	f := r.queue[0]
	if f.done != nil {
		select {
		case <-f.done:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.queueBytes -= f.memoryBytes()
	defer f.release()
	if f.err != nil {
		return 0, f.err
	}
	n, err := dst.Write(f.data)
	if err == nil && n < len(f.data) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}

// readAhead starts fetches until the bounds are met. The first one waits for memory; the
// others are only begun if there is some to spare, so that under pressure every reader
// goes on with one buffer.
func (r *Reader) readAhead() error {
	limitBytes := int64(r.client.o.ReadAhead) * object.ChunkMaxBytes
	for len(r.queue) == 0 || len(r.queue) < r.fetchesMax() {
		f, err := r.plan.peek(r.ctx)
		if err != nil {
			return err
		}
		if len(r.queue) > 0 && r.queueBytes+f.memoryBytes() > limitBytes {
			return nil
		}
		if f.data == nil { // not inline
			if len(r.queue) == 0 {
				if f.buffer, err = r.client.memory.get(r.ctx, f.bufferBytes()); err != nil {
					return err
				}
			} else if f.buffer = r.client.memory.tryGet(f.bufferBytes()); f.buffer == nil {
				return nil
			}
		}
		r.plan.take()
		r.start(f)
	}
	return nil
}

func (r *Reader) fetchesMax() int {
	if r.client.o.ReadAhead == 1 {
		return 1
	}
	return fetchesMax
}

// start runs f: here if nothing else is to be fetched beside it, otherwise in a goroutine.
func (r *Reader) start(f *fetch) {
	r.queue = append(r.queue, f)
	r.queueBytes += f.memoryBytes()
	switch {
	case f.data != nil:
	case len(r.queue) == 1 && (r.plan.finished() || r.fetchesMax() == 1):
		f.run(r.ctx)
	default:
		f.done = make(chan struct{})
		r.client.tasks.Go(func() {
			defer close(f.done)
			f.run(r.ctx)
		})
	}
}

// Close ends reading, waits for the fetches under way and gives their buffers
// back. It may be called twice.
func (r *Reader) Close() error {
	r.cancel()
	r.dropQueue()
	if r.err == nil {
		r.err = errReaderClosed
	}
	return nil
}

var errReaderClosed = errors.New("chunkclient: reader is closed")

func (r *Reader) dropQueue() {
	if len(r.queue) == 0 {
		return
	}
	r.cancel()
	for _, f := range r.queue {
		if f.done != nil {
			<-f.done
		}
		f.release()
	}
	r.queue, r.queueBytes = nil, 0
}
