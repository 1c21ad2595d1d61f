// Package crash_test kills a real server with SIGKILL in the middle of parallel
// writes and checks, after a restart, that every acknowledged write reads back
// byte for byte, every acknowledged delete stays, and nothing half is visible.
package crash_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stampede-store/stampede/internal/testenv"
	"github.com/stampede-store/stampede/object"
)

var (
	kills = flag.Int("kills", 10, "how often the server is killed")
	seed  = flag.Uint64("seed", 0, "seed of the operations and of the moments, 0 for a random one")
)

const (
	workers       = 8
	keysPerWorker = 6
	bucket        = "crash"
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	testenv.Cleanup()
	os.Exit(code)
}

// content is the bytes of an object, by what makes them; size -1: no object.
type content struct {
	seed uint64
	size int
}

var absent = content{size: -1}

func (c content) bytes() []byte {
	b := make([]byte, c.size)
	r := rand.NewChaCha8([32]byte{byte(c.seed), byte(c.seed >> 8), byte(c.seed >> 16), byte(c.seed >> 24), byte(c.seed >> 32)})
	_, _ = r.Read(b) // never fails
	return b
}

// register is what is known of one key, which one worker alone writes: its
// acknowledged content, and that of a write whose outcome is not known.
type register struct {
	acknowledged content
	unknown      []content
}

func (r *register) allows(c content) bool {
	for _, u := range append([]content{r.acknowledged}, r.unknown...) {
		if u == c {
			return true
		}
	}
	return false
}

// worker writes its own keys, one request after another.
type worker struct {
	number int
	c      *s3.Client
	r      *rand.Rand
	keys   []register
	writes uint64
}

func (w *worker) key(i int) *string { return aws.String(fmt.Sprintf("worker-%d/key-%d", w.number, i)) }

// fresh makes a content that was never written before.
func (w *worker) fresh(size int) content {
	w.writes++
	return content{seed: uint64(w.number)<<32 | w.writes, size: size}
}

// step does one random write. It reports whether the write was acknowledged.
func (w *worker) step(ctx context.Context) bool {
	i := w.r.IntN(len(w.keys))
	reg := &w.keys[i]
	var next content
	var err error
	switch n := w.r.IntN(20); {
	case n < 8:
		next = w.fresh(w.r.IntN(object.InlineMaxBytes + 1))
		err = w.put(ctx, i, next)
	case n < 13:
		next = w.fresh(object.InlineMaxBytes + w.r.IntN(3<<20))
		err = w.put(ctx, i, next)
	case n < 14:
		next = w.fresh(object.PartMinBytes + w.r.IntN(1<<20))
		err = w.multipart(ctx, i, next)
	case n < 17:
		from := w.r.IntN(len(w.keys))
		if from == i || w.keys[from].acknowledged == absent || len(w.keys[from].unknown) > 0 {
			return true
		}
		next = w.keys[from].acknowledged
		_, err = w.c.CopyObject(ctx, &s3.CopyObjectInput{
			Bucket: aws.String(bucket), Key: w.key(i), CopySource: aws.String(bucket + "/" + *w.key(from)),
		})
	default:
		next = absent
		_, err = w.c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: w.key(i)})
	}
	if err != nil {
		reg.unknown = append(reg.unknown, next)
		return false
	}
	*reg = register{acknowledged: next}
	return true
}

func (w *worker) put(ctx context.Context, i int, c content) error {
	_, err := w.c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: w.key(i), Body: bytes.NewReader(c.bytes())})
	return err
}

// multipart uploads two parts.
func (w *worker) multipart(ctx context.Context, i int, c content) error {
	b, key, body := aws.String(bucket), w.key(i), c.bytes()
	u, err := w.c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for n, piece := range [][]byte{body[:object.PartMinBytes], body[object.PartMinBytes:]} {
		p, err := w.c.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: b, Key: key, UploadId: u.UploadId, PartNumber: aws.Int32(int32(n + 1)), Body: bytes.NewReader(piece),
		})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: p.ETag})
	}
	_, err = w.c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: b, Key: key, UploadId: u.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// check reads every key of the worker and settles what was unknown.
func (w *worker) check(t *testing.T) {
	for i := range w.keys {
		reg := &w.keys[i]
		found, ok := w.find(t, i, reg)
		if !ok {
			t.Errorf("%s: acknowledged %v, unknown %v, but something else is there", *w.key(i), reg.acknowledged, reg.unknown)
			continue
		}
		*reg = register{acknowledged: found}
	}
}

// find reads a key; false if what is there is none of what may be.
func (w *worker) find(t *testing.T, i int, reg *register) (content, bool) {
	out, err := w.c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: w.key(i)})
	if err != nil {
		if !isNoSuchKey(err) {
			t.Errorf("%s: %v", *w.key(i), err)
		}
		return absent, isNoSuchKey(err) && reg.allows(absent)
	}
	defer out.Body.Close()
	got, err := io.ReadAll(out.Body)
	if err != nil {
		t.Errorf("%s: body: %v", *w.key(i), err)
		return absent, false
	}
	for _, c := range append([]content{reg.acknowledged}, reg.unknown...) {
		if c.size == len(got) && bytes.Equal(c.bytes(), got) {
			return c, true
		}
	}
	return absent, false
}

// TestKill is the test of the package.
func TestKill(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	if testing.Short() {
		*kills = min(*kills, 3)
	}
	t.Logf("seed %d (-seed repeats the operations)", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	server := testenv.Start(t)
	ws := make([]*worker, workers)
	for n := range ws {
		ws[n] = &worker{number: n, r: rand.New(rand.NewPCG(*seed, uint64(n+1))), keys: make([]register, keysPerWorker)}
		for i := range ws[n].keys {
			ws[n].keys[i].acknowledged = absent
		}
	}
	if _, err := client(server).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	for kill := range *kills {
		acknowledged := runUntilKilled(t, server, ws, 30+r.Int64N(200))
		server.StartAgain(t)
		for _, w := range ws {
			w.c = client(server)
			w.check(t)
		}
		checkListing(t, server, ws)
		if t.Failed() {
			t.Fatalf("after kill %d (seed %d):\n%s", kill+1, *seed, server.Log())
		}
		t.Logf("kill %d: %d writes acknowledged before it", kill+1, acknowledged)
	}
}

// runUntilKilled lets the workers write until so many writes were acknowledged,
// kills the server, and waits until each worker has seen an error.
func runUntilKilled(t *testing.T, server *testenv.Server, ws []*worker, after int64) int64 {
	var acknowledged atomic.Int64
	var killed atomic.Bool
	var once sync.Once
	var wg sync.WaitGroup
	for _, w := range ws {
		w.c = client(server)
		wg.Go(func() {
			for w.step(t.Context()) {
				if acknowledged.Add(1) >= after {
					once.Do(func() {
						killed.Store(true)
						wg.Go(server.Kill)
					})
				}
			}
			if !killed.Load() {
				t.Errorf("worker %d: a write failed before the kill:\n%s", w.number, server.Log())
			}
		})
	}
	wg.Wait()
	server.Kill() // had every worker failed before
	return acknowledged.Load()
}

// checkListing compares the listing with the keys that are there.
func checkListing(t *testing.T, server *testenv.Server, ws []*worker) {
	t.Helper()
	listed := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(client(server), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for _, o := range page.Contents {
			listed[*o.Key] = *o.Size
		}
	}
	for _, w := range ws {
		for i, reg := range w.keys {
			size, ok := listed[*w.key(i)]
			if ok != (reg.acknowledged != absent) || ok && size != int64(reg.acknowledged.size) {
				t.Errorf("%s: listed %v with %d bytes, but it reads as %v", *w.key(i), ok, size, reg.acknowledged)
			}
		}
	}
}

func client(s *testenv.Server) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: testenv.Region, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(testenv.AccessKey, testenv.SecretKey, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{}},
	})
}

func isNoSuchKey(err error) bool {
	_, ok := errors.AsType[*types.NoSuchKey](err)
	return ok
}
