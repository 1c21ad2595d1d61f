package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
)

// signingKey is what signs everything of one access key, day and region.
type signingKey struct {
	secret string // what it was derived from
	key    [sha256.Size]byte
}

// newSigningKey derives the key for a scope. See "Signing key" in the S3 API
// reference.
func newSigningKey(secret, date, region string) *signingKey {
	k := &signingKey{secret: secret}
	sum := hmacOf([]byte("AWS4"+secret), date)
	sum = hmacOf(sum, region)
	sum = hmacOf(sum, scopeService)
	copy(k.key[:], hmacOf(sum, scopeTerminal))
	return k
}

func hmacOf(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func (k *signingKey) sign(text []byte) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.key[:])
	mac.Write(text)
	mac.Sum(sum[:0])
	return sum
}

// keyID names an entry of the cache.
type keyID struct{ accessKey, date, region string }

// keyCache saves the four HMACs of a derivation. It holds entries for access
// keys that exist only (and one a day for all others), so strangers can't fill
// it. The zero value is ready.
type keyCache struct {
	mu   sync.RWMutex
	keys map[keyID]*signingKey // guarded by mu
}

// get gives the signing key for id, derived from secret: an entry made from
// another secret is replaced.
func (c *keyCache) get(id keyID, secret string) *signingKey {
	c.mu.RLock()
	k := c.keys[id]
	c.mu.RUnlock()
	if k != nil && subtle.ConstantTimeCompare([]byte(k.secret), []byte(secret)) == 1 {
		return k
	}
	k = newSigningKey(secret, id.date, id.region)
	// The strings are parts of a request's header, which would be kept alive.
	id = keyID{strings.Clone(id.accessKey), strings.Clone(id.date), strings.Clone(id.region)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[keyID]*signingKey)
	}
	if len(c.keys) >= signingKeysMax {
		// Days pass, so most of what is here is old: start over rather than
		// keep an order.
		clear(c.keys)
	}
	c.keys[id] = k
	return k
}
