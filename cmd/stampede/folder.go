package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderFormat is the layout of the data folder:
//
//	LOCK              held by the process that uses the folder
//	FORMAT            the number of this layout
//	root-credentials  the root access key, when it was made here (mode 0600)
//	METADATA          which metadata the chunks belong to; absent: the embedded one's
//	meta/             the embedded metadata engine
//	chunks/           the local chunk store
const folderFormat = 1

// folder is a data folder in use by this process.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder if need be, and takes its lock. It refuses a
// folder that another process uses, one of a newer layout, and one that has
// something else in it.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f := &folder{path: path, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another stampede process", path)
		}
		return nil, fmt.Errorf("data folder %s: lock: %w", path, err)
	}
	if err := f.checkFormat(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) checkFormat() error {
	name := filepath.Join(f.path, "FORMAT")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.initialise(name)
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	format, err := strconv.Atoi(strings.TrimSpace(string(text)))
	switch {
	case err != nil:
		return fmt.Errorf("data folder %s: FORMAT is %q, not a number", f.path, text)
	case format > folderFormat:
		return fmt.Errorf("data folder %s has format %d, written by a newer stampede; this one reads up to %d",
			f.path, format, folderFormat)
	}
	return nil
}

// initialise marks an empty folder as ours.
func (f *folder) initialise(name string) error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "LOCK" && e.Name() != "FORMAT.new" { // the latter after a crash just here
			return fmt.Errorf("data folder %s is not empty and has no FORMAT file: it is not a stampede data folder", f.path)
		}
	}
	return writeFile(name, strconv.Itoa(folderFormat)+"\n")
}

// checkMeta refuses a folder whose chunks belong to other metadata: its objects would not be
// there, and its chunks would be taken for garbage.
func (f *folder) checkMeta(meta string) error {
	name := filepath.Join(f.path, "METADATA")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if meta == metaEmbedded {
			return nil
		}
		if _, err := os.Stat(f.metaPath()); err == nil {
			return fmt.Errorf("data folder %s holds the chunks of its embedded metadata and can't be used with FoundationDB; take another folder", f.path)
		}
		return writeFile(name, meta+"\n")
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if was := strings.TrimSpace(string(text)); was != meta {
		return fmt.Errorf("data folder %s holds the chunks of the metadata %q, not of %q", f.path, was, meta)
	}
	return nil
}

// close lets go of the lock.
func (f *folder) close() { _ = f.lock.Close() } // closing drops the lock whatever it says

// metaPath and chunksPath are the folders of the two engines.
func (f *folder) metaPath() string   { return filepath.Join(f.path, "meta") }
func (f *folder) chunksPath() string { return filepath.Join(f.path, "chunks") }

// credentials are an access key and its secret.
type credentials struct {
	AccessKey, SecretKey string
}

// rootCredentials returns the folder's root access key; made says that it was
// made just now.
func (f *folder) rootCredentials() (c credentials, made bool, err error) {
	name := f.credentialsPath()
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		c = credentials{
			AccessKey: randomText(20, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
			SecretKey: randomSecret(),
		}
		return c, true, writeFile(name, c.AccessKey+"\n"+c.SecretKey+"\n")
	}
	c, err = parseCredentials(name, text, err)
	return c, false, err
}

// readCredentials reads a file of two lines: the access key, its secret key.
func readCredentials(name string) (credentials, error) {
	text, err := os.ReadFile(name)
	return parseCredentials(name, text, err)
}

func parseCredentials(name string, text []byte, err error) (credentials, error) {
	if err != nil {
		return credentials{}, fmt.Errorf("root credentials: %w", err)
	}
	lines := strings.Fields(string(text))
	if len(lines) != 2 {
		return credentials{}, fmt.Errorf("root credentials: %s must have two lines, the access key and the secret key", name)
	}
	return credentials{AccessKey: lines[0], SecretKey: lines[1]}, nil
}

func (f *folder) credentialsPath() string { return filepath.Join(f.path, "root-credentials") }

// randomText draws n characters, each equally likely.
func randomText(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err) // crypto/rand.Reader never fails (Go 1.24 release notes)
		}
		b[i] = alphabet[k.Int64()]
	}
	return string(b)
}

// randomSecret draws 240 bits, 40 characters as the secret keys of AWS have.
func randomSecret() string {
	b := make([]byte, 30)
	_, _ = rand.Read(b) // never fails (Go 1.24 release notes)
	return base64.RawURLEncoding.EncodeToString(b)
}

// writeFile makes a small file that is there whole or not at all, also after a
// crash, readable by its owner only.
func writeFile(name, text string) error {
	temp := name + ".new"
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // or the rename may be lost
}
