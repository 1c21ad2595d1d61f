package sigv4_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
)

// TestConcurrent verifies good and bad requests of many access keys at the same
// time, more keys than are kept: each answer must be that of its own request.
func TestConcurrent(t *testing.T) {
	const keys, workers = 1500, 4
	// Every access key has the same secret, so one signature serves for all.
	v := &sigv4.Verifier{
		Region: region,
		Now:    func() time.Time { return signTime },
		Secret: func(key string) (string, bool) { return secretKey, key != "unknown" },
	}
	good := signedRequest(t, "GET", keyURL("a b", "?x=1"), "", emptyHash, "x-amz-meta-a", "v")
	header := func(key, signature string) http.Header {
		h := good.Header.Clone()
		h.Set("Authorization", authorization(key, scope,
			"host;x-amz-content-sha256;x-amz-date;x-amz-meta-a", signature)[len("Authorization: "):])
		return h
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range keys {
				key := fmt.Sprintf("AK%d", (i*(w+1))%keys)
				for _, row := range []struct {
					key, signature string
					want           error
				}{
					{key, seed(good), nil},
					{key, emptyHash, object.SignatureMismatch},
					{"unknown", seed(good), object.InvalidAccessKeyID},
				} {
					r := good.WithContext(t.Context())
					r.Header = header(row.key, row.signature)
					auth, err := v.Verify(r)
					if !errors.Is(err, row.want) || err == nil && auth.AccessKey != row.key {
						t.Errorf("key %s: got %v, %v, want %v", row.key, auth, err, row.want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
