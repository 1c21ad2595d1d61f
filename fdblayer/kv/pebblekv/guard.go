package pebblekv

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is a file system that stands between Pebble and the real one. Pebble
// ends the process, or panics with its locks in disorder, when its write-ahead
// log or its manifest can't be written. The guard makes the first such failure the end of
// all writing instead: the disk stays as it was in that moment, as after a crash, and the process
// lives on for reading.
//
//   - Of a failure in the log Pebble is not told; what follows into the log is dropped. The committer asks
//     failure() after every batch and acknowledges nothing from then on.
//   - A failed manifest keeps failing: a record behind one that may or may not be there would
//     make the manifest unreadable.
//   - Tables can't be written any more, so memory is never replaced by a file.
//
// A failure to write a table is none of these: Pebble tries again with a new file. The
// guard only tells of it and slows Pebble down.
type guard struct {
	vfs.FS
	onFailure      func(error) // once
	onTableFailure func(error) // every time

	failed  atomic.Pointer[error]
	closing chan struct{}
	once    sync.Once
}

// retryPause is how long a failed flush waits before Pebble's next attempt,
// which would follow at once.
const retryPause = 100 * time.Millisecond

func newGuard(fs vfs.FS, onFailure, onTableFailure func(error)) *guard {
	return &guard{FS: fs, onFailure: onFailure, onTableFailure: onTableFailure, closing: make(chan struct{})}
}

// failure is the error that ended all writing, nil while there is none.
func (g *guard) failure() error {
	if e := g.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// fail ends all writing.
func (g *guard) fail(err error) {
	if g.failed.CompareAndSwap(nil, &err) {
		g.onFailure(err)
	}
}

// close ends the pauses: the database is being closed.
func (g *guard) close() { g.once.Do(func() { close(g.closing) }) }

func (g *guard) pause() {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.closing:
	}
}

// role is what a failure to write a file means.
type role uint8

const (
	roleTable role = iota
	roleLog
	roleManifest
)

func (g *guard) roleOf(name string) role {
	base := g.FS.PathBase(name)
	switch {
	case strings.HasSuffix(base, ".log"):
		return roleLog
	case strings.HasPrefix(base, "MANIFEST-"), strings.HasPrefix(base, "marker."):
		return roleManifest
	default:
		return roleTable
	}
}

// outcome turns the result of a write on a file into what Pebble is told.
func (g *guard) outcome(r role, err error) error {
	if err == nil {
		return nil
	}
	if r == roleTable {
		g.onTableFailure(err)
		g.pause()
		return err
	}
	g.fail(err)
	if r == roleLog {
		return nil
	}
	return err
}

// before is asked before a write: whether to do it, and otherwise what to tell.
func (g *guard) before(r role) (write bool, err error) {
	failure := g.failure()
	if failure == nil {
		return true, nil
	}
	switch r {
	case roleLog:
		return false, nil
	case roleTable:
		g.pause()
	}
	return false, failure
}

// Create makes a file. Pebble calls it for every table, log and manifest.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// ReuseForWrite makes a log of an old one.
func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(newname, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

func (g *guard) create(name string, create func() (vfs.File, error)) (vfs.File, error) {
	r := g.roleOf(name)
	write, err := g.before(r)
	var f vfs.File
	if write {
		f, err = create()
		err = g.outcome(r, err)
	}
	if err != nil {
		return nil, err
	}
	if f == nil {
		return &droppedFile{}, nil
	}
	return &guardedFile{File: f, g: g, role: r}, nil
}

// OpenDir opens a folder. Pebble syncs it after making a log or a table; it can't tell
// which, and panics for a log.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, g: g, role: roleLog}, nil
}

// Rename is used for markers only.
func (g *guard) Rename(oldname, newname string) error {
	write, err := g.before(roleManifest)
	if !write {
		return err
	}
	return g.outcome(roleManifest, g.FS.Rename(oldname, newname))
}

// Unwrap returns the real file system.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardedFile is a file that Pebble writes, or a folder that it syncs.
type guardedFile struct {
	vfs.File
	g    *guard
	role role
}

func (f *guardedFile) do(write func() error) error {
	ok, err := f.g.before(f.role)
	if !ok {
		return err
	}
	return f.g.outcome(f.role, write())
}

func (f *guardedFile) Write(p []byte) (int, error) {
	n := len(p)
	if err := f.do(func() error { _, err := f.File.Write(p); return err }); err != nil {
		return 0, err
	}
	return n, nil
}

func (f *guardedFile) WriteAt(p []byte, offset int64) (int, error) {
	n := len(p)
	if err := f.do(func() error { _, err := f.File.WriteAt(p, offset); return err }); err != nil {
		return 0, err
	}
	return n, nil
}

func (f *guardedFile) Sync() error     { return f.do(f.File.Sync) }
func (f *guardedFile) SyncData() error { return f.do(f.File.SyncData) }

func (f *guardedFile) SyncTo(length int64) (full bool, err error) {
	err = f.do(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close frees the descriptor also after a failure.
func (f *guardedFile) Close() error {
	err := f.File.Close()
	if f.role == roleLog && f.g.failure() != nil {
		return nil
	}
	return f.g.outcome(f.role, err)
}

// droppedFile takes the place of a log that could not be made.
type droppedFile struct{ vfs.File }

func (*droppedFile) Write(p []byte) (int, error)            { return len(p), nil }
func (*droppedFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (*droppedFile) Preallocate(_, _ int64) error           { return nil }
func (*droppedFile) Prefetch(_, _ int64) error              { return nil }
func (*droppedFile) Stat() (vfs.FileInfo, error)            { return droppedInfo{}, nil }
func (*droppedFile) Sync() error                            { return nil }
func (*droppedFile) SyncTo(int64) (bool, error)             { return false, nil }
func (*droppedFile) SyncData() error                        { return nil }
func (*droppedFile) Close() error                           { return nil }
func (*droppedFile) Fd() uintptr                            { return vfs.InvalidFd }

// droppedInfo describes an empty file; Pebble asks for the size alone.
type droppedInfo struct{ vfs.FileInfo }

func (droppedInfo) Size() int64 { return 0 }
