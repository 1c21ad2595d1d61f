package chunkclient

import (
	"context"
	"io"

	"github.com/stampede-store/stampede/object"
)

// planner cuts the pieces of a source into fetches.
type planner struct {
	groups Groups
	source Source

	piece  Piece  // what is left of the current piece
	nodes  []Node // of its blob
	peeked *fetch
	ended  bool // the source gave io.EOF
}

// peek is the next fetch; it stays until take. io.EOF comes behind the last.
func (p *planner) peek(ctx context.Context) (*fetch, error) {
	for p.peeked == nil {
		if p.piece.Inline != nil {
			p.peeked = &fetch{data: p.piece.Inline}
			p.piece = Piece{}
			break
		}
		if p.piece.Length > 0 {
			p.peeked = p.cut()
			break
		}
		if err := p.nextPiece(ctx); err != nil {
			return nil, err
		}
	}
	return p.peeked, nil
}

func (p *planner) take() { p.peeked = nil }

// finished reports that nothing is left, when that is known without asking
// the source.
func (p *planner) finished() bool {
	if p.peeked != nil || p.piece.Length > 0 {
		return false
	}
	one, ok := p.source.(*onePiece)
	return p.ended || ok && one.given
}

func (p *planner) nextPiece(ctx context.Context) error {
	if p.ended {
		return io.EOF
	}
	piece, err := p.source.Next(ctx)
	if err != nil {
		p.ended = err == io.EOF
		return err
	}
	if err := piece.validate(); err != nil {
		return err
	}
	p.piece, p.nodes = piece, nil
	if piece.Inline != nil || piece.Length == 0 {
		return nil
	}
	nodes, err := p.groups.Nodes(ctx, piece.Blob.Group)
	if err != nil {
		p.piece = Piece{}
		return err
	}
	p.nodes = nodes[:min(len(nodes), max(int(piece.Blob.Copies), 1))]
	return nil
}

// cut takes from the current piece what lies in its first stripe.
func (p *planner) cut() *fetch {
	b := p.piece.Blob
	stripeBytes := int64(b.StripeBytes)
	stripe := p.piece.Offset / stripeBytes
	start := stripe * stripeBytes
	chunkBytes := min(stripeBytes, b.SizeBytes-start)
	from := p.piece.Offset - start
	to := min(from+p.piece.Length, chunkBytes)
	p.piece.Offset += to - from
	p.piece.Length -= to - from
	return &fetch{
		nodes:      p.nodes,
		id:         object.ChunkID{Blob: b.ID, Stripe: uint32(stripe)},
		chunkBytes: int(chunkBytes),
		from:       int(from), to: int(to),
	}
}
