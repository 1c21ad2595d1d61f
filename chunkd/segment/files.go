package segment

import (
	"container/list"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// files keeps segment files open for reading, filesMax of them. A file that is
// dropped stays open until its last reader lets go. Safe for concurrent use.
type files struct {
	fs   vfs.FS
	path func(uint32) string

	mu sync.Mutex // guards all below and the fields of readers
	// open holds the readers by segment; recent orders them, last used first.
	open   map[uint32]*reader
	recent *list.List
}

// reader is an open segment file.
type reader struct {
	vfs.File
	segment uint32
	users   int
	dropped bool
	element *list.Element
}

func newFiles(fs vfs.FS, path func(uint32) string) *files {
	return &files{fs: fs, path: path, open: map[uint32]*reader{}, recent: list.New()}
}

// acquire opens a segment's file, or takes the one that is open.
func (c *files) acquire(segment uint32) (*reader, error) {
	c.mu.Lock()
	r := c.take(segment)
	c.mu.Unlock()
	if r != nil {
		return r, nil
	}
	f, err := c.fs.Open(c.path(segment))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if r = c.take(segment); r != nil {
		c.mu.Unlock()
		return r, f.Close()
	}
	r = &reader{File: f, segment: segment, users: 1}
	r.element = c.recent.PushFront(r)
	c.open[segment] = r
	idle := c.evict()
	c.mu.Unlock()
	for _, old := range idle {
		_ = old.Close() // nothing was written through it
	}
	return r, nil
}

// take must be called with mu held.
func (c *files) take(segment uint32) *reader {
	r := c.open[segment]
	if r != nil {
		r.users++
		c.recent.MoveToFront(r.element)
	}
	return r
}

// evict must be called with mu held.
func (c *files) evict() (idle []*reader) {
	for e := c.recent.Back(); e != nil && c.recent.Len() > filesMax; {
		r := e.Value.(*reader)
		e = e.Prev()
		if r.users == 0 {
			c.forget(r)
			idle = append(idle, r)
		}
	}
	return idle
}

// forget must be called with mu held.
func (c *files) forget(r *reader) {
	c.recent.Remove(r.element)
	delete(c.open, r.segment)
	r.dropped = true
}

func (c *files) release(r *reader) {
	c.mu.Lock()
	r.users--
	last := r.dropped && r.users == 0
	c.mu.Unlock()
	if last {
		_ = r.Close() // nothing was written through it
	}
}

// drop forgets a segment whose file is being removed.
func (c *files) drop(segment uint32) {
	c.mu.Lock()
	r := c.open[segment]
	idle := false
	if r != nil {
		c.forget(r)
		idle = r.users == 0
	}
	c.mu.Unlock()
	if idle {
		_ = r.Close() // nothing was written through it
	}
}

// close drops all.
func (c *files) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for _, r := range c.open {
		c.forget(r)
		if r.users == 0 {
			err = errors.Join(err, r.Close())
		}
	}
	return err
}
