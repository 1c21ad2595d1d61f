package segment

import "sync"

// checkpoint bounds how far the durable index is behind the segments.
type checkpoint struct {
	mu   sync.Mutex
	cond *sync.Cond
	// appended counts the bytes of all records that the index was told of; durable
	// is its value at the last flush that ended; flushing is set during one.
	appended, durable int64
	flushing          bool
	failed            bool
	// starved is set while the disk has no space for the index: flushes are tried again until
	// there is some, and nobody waits for that.
	starved  bool
	flushers sync.WaitGroup
}

func (c *checkpoint) init() { c.cond = sync.NewCond(&c.mu) }

func (c *checkpoint) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
	c.cond.Broadcast()
}

// starve says that a flush found no space.
func (c *checkpoint) starve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starved = true
	c.cond.Broadcast()
}

// waitForRoom blocks while the index is too far behind for another batch, or until
// the disk failed. errFull: there is no space to bring the index up to it.
func (c *checkpoint) waitForRoom() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.appended-c.durable > ReplayMaxBytes-batchMaxBytes && !c.failed {
		if c.starved {
			return errFull
		}
		c.cond.Wait()
	}
	return nil
}

// wait blocks until no flush is under way, or the disk failed. errFull: there is no space for
// the one under way.
func (c *checkpoint) wait() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing && !c.failed {
		if c.starved {
			return errFull
		}
		c.cond.Wait()
	}
	return nil
}

// begin reports whether a flush may start, and that it has.
func (c *checkpoint) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flushing || c.failed {
		return false
	}
	c.flushing = true
	return true
}

// advance counts what was appended, and starts a flush when enough has come
// together. The writer calls it, so that the flush covers exactly what was counted.
func (s *Store) advance(bytes int64) {
	c := &s.checkpoint
	c.mu.Lock()
	c.appended += bytes
	due := c.appended-c.durable >= checkpointBytes
	c.mu.Unlock()
	if due && c.begin() {
		if err := s.startFlush(); err != nil {
			s.fail(err)
		}
	}
}

// startFlush makes all that was committed to the index durable, in the background.
// There must be none under way.
func (s *Store) startFlush() error {
	c := &s.checkpoint
	c.mu.Lock()
	// Read before the flush begins: what is counted is committed.
	reached := c.appended
	c.mu.Unlock()
	done, err := s.index.db.AsyncFlush()
	if err != nil {
		return err
	}
	c.flushers.Go(func() {
		select {
		case <-done:
		case <-s.failedSignal:
			// Pebble never closes the channel of a flush that can't end.
			return
		}
		s.metrics.checkpoints.Add(1)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flushing, c.starved = false, false
		c.durable = reached
		c.cond.Broadcast()
	})
	return nil
}

// flushIndex makes durable what was committed to the index before the call, and waits
// for it. errFull: there is no space for that now.
func (s *Store) flushIndex() error {
	for s.failed() == nil {
		if err := s.checkpoint.wait(); err != nil {
			return err
		}
		if !s.checkpoint.begin() {
			continue // another one was faster; it may not cover all
		}
		if err := s.startFlush(); err != nil {
			s.fail(err)
			return err
		}
		if err := s.checkpoint.wait(); err != nil {
			return err
		}
		break
	}
	return s.failed()
}
