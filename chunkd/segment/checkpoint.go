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
	flushers          sync.WaitGroup
}

func (c *checkpoint) init() { c.cond = sync.NewCond(&c.mu) }

func (c *checkpoint) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
	c.cond.Broadcast()
}

// waitForRoom blocks while the index is too far behind for another batch, or until
// the disk failed.
func (c *checkpoint) waitForRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.appended-c.durable > ReplayMaxBytes-batchMaxBytes && !c.failed {
		c.cond.Wait()
	}
}

// wait blocks until no flush is under way, or the disk failed.
func (c *checkpoint) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing && !c.failed {
		c.cond.Wait()
	}
}

// advance counts what was appended, and starts a flush when enough has come
// together. The writer calls it, so that the flush covers exactly what was counted.
func (s *Store) advance(bytes int64) {
	c := &s.checkpoint
	c.mu.Lock()
	c.appended += bytes
	due := c.appended-c.durable >= checkpointBytes && !c.flushing && !c.failed
	c.mu.Unlock()
	if due {
		if err := s.startFlush(); err != nil {
			s.fail(err)
		}
	}
}

// startFlush makes all that was committed to the index durable, in the background.
func (s *Store) startFlush() error {
	c := &s.checkpoint
	done, err := s.index.db.AsyncFlush()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.flushing = true
	reached := c.appended
	c.mu.Unlock()
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
		c.flushing = false
		c.durable = reached
		c.cond.Broadcast()
	})
	return nil
}

// flushIndex makes the index durable and waits for it.
func (s *Store) flushIndex() error {
	s.checkpoint.wait()
	if err := s.startFlush(); err != nil {
		return err
	}
	s.checkpoint.wait()
	return s.failed()
}
