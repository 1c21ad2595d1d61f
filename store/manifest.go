package store

import (
	"context"
	"fmt"
	"io"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// manifestSource yields the pieces of a multipart object's parts that lie in a range. It reads the
// parts' records as they are needed, a window at a time.
type manifestSource struct {
	object  *Object
	reading *fdblayer.Reading
	parts   []object.ManifestPart

	next, last  int   // parts still to come: [next, last)
	skip        int64 // bytes of the next part before the range
	left        int64 // bytes still to come
	window      []object.Part
	windowFirst int // index of window[0]
}

// newManifestSource covers o's Offset and Length, which is not 0.
func newManifestSource(o *Object) *manifestSource {
	m := &manifestSource{object: o, reading: o.reading, parts: o.Version.Content.Manifest.Parts, skip: o.Offset, left: o.Length}
	for m.next < len(m.parts) && m.skip >= m.parts[m.next].SizeBytes {
		m.skip -= m.parts[m.next].SizeBytes
		m.next++
	}
	covered := -m.skip
	for m.last = m.next; m.last < len(m.parts) && covered < o.Length; m.last++ {
		covered += m.parts[m.last].SizeBytes
	}
	return m
}

// Next implements chunkclient.Source.
func (m *manifestSource) Next(ctx context.Context) (chunkclient.Piece, error) {
	if m.left == 0 {
		return chunkclient.Piece{}, io.EOF
	}
	if m.next == m.last {
		return chunkclient.Piece{}, m.object.inconsistent("the parts are shorter than the row says")
	}
	part, err := m.part(ctx)
	if err != nil {
		return chunkclient.Piece{}, err
	}
	offset := m.skip
	length := min(part.SizeBytes-offset, m.left)
	m.next, m.skip, m.left = m.next+1, 0, m.left-length
	switch {
	case length == 0:
		return chunkclient.Piece{}, nil
	case part.Content.Inline != nil && int64(len(part.Content.Inline)) == part.SizeBytes:
		return chunkclient.Piece{Inline: part.Content.Inline[offset : offset+length]}, nil
	case part.Content.Blob != nil && part.Content.Blob.SizeBytes == part.SizeBytes:
		return chunkclient.Piece{Blob: *part.Content.Blob, Offset: offset, Length: length}, nil
	}
	return chunkclient.Piece{}, m.object.inconsistent(fmt.Sprintf("part %d has no content of its size", part.Number))
}

// part is the record of the next part.
func (m *manifestSource) part(ctx context.Context) (object.Part, error) {
	if m.next >= m.windowFirst+len(m.window) {
		end := min(m.last, m.next+partsWindowMax)
		window, err := m.reading.Parts(ctx, m.next, end)
		if err != nil {
			return object.Part{}, err
		}
		if len(window) != end-m.next {
			return object.Part{}, m.object.inconsistent(fmt.Sprintf("%d of %d part records are there", len(window), end-m.next))
		}
		m.window, m.windowFirst = window, m.next
	}
	part, listed := m.window[m.next-m.windowFirst], m.parts[m.next]
	if part.Number != listed.Number || part.SizeBytes != listed.SizeBytes {
		return object.Part{}, m.object.inconsistent(fmt.Sprintf("part %d is not the one that was listed", listed.Number))
	}
	return part, nil
}
