package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
)

// level says what a request's path names.
type level int

const (
	service level = iota
	bucket
	anObject
	levels
)

// Names of the variables in mux's templates.
const (
	bucketVar = "bucket"
	keyVar    = "key"
)

// router finds the row of a request in two steps: addresses (host and path)
// give level, bucket and key; the level's rows give the operation. It is two
// steps because mux would match the path's expression again for every row.
type router struct {
	addresses *mux.Router
	levels    [levels]*mux.Router
	rows      map[*mux.Route]*route
}

// unknownOperation is the name of what no row matches.
var unknownOperation = &route{operation: "Unknown"}

func newRouter(domains []string) *router {
	// Paths are matched as they were sent: cleaning would merge a//b with a/b, and
	// decoding would lose the difference between / and %2F.
	newMux := func() *mux.Router { return mux.NewRouter().SkipClean(true).UseEncodedPath() }
	rt := &router{addresses: newMux(), rows: map[*mux.Route]*route{}}
	for l := range rt.levels {
		rt.levels[l] = newMux()
	}
	for i := range routes {
		row := &routes[i]
		added := rt.levels[row.level].MatcherFunc(row.match)
		rt.rows[added] = row
	}
	for _, d := range domains {
		host := "{" + bucketVar + ":.+}." + strings.ToLower(d)
		rt.addresses.Host(host).Path("/").Handler(rt.levels[bucket])
		rt.addresses.Host(host).Path("/{" + keyVar + ":.+}").Handler(rt.levels[anObject])
	}
	rt.addresses.Path("/").Handler(rt.levels[service])
	rt.addresses.Path("/{" + bucketVar + "}").Handler(rt.levels[bucket])
	rt.addresses.Path("/{" + bucketVar + "}/").Handler(rt.levels[bucket])
	rt.addresses.Path("/{" + bucketVar + "}/{" + keyVar + ":.+}").Handler(rt.levels[anObject])
	return rt
}

// find returns the row of a request, and the bucket and key it names. With an
// error the row is unknownOperation, and bucket and key are what is known.
func (rt *router) find(r *http.Request) (*route, object.BucketName, object.Key, error) {
	lower := r
	if host := strings.ToLower(r.Host); host != r.Host {
		c := *r
		c.Host = host
		lower = &c
	}
	var at mux.RouteMatch
	if !rt.addresses.Match(lower, &at) {
		return unknownOperation, "", "", &s3err.Error{
			Kind: object.InvalidRequest, Message: "Couldn't parse the specified URI.",
		}
	}
	b, k, err := address(at.Vars)
	if err != nil {
		return unknownOperation, b, k, err
	}
	var found mux.RouteMatch
	rows := at.Handler.(*mux.Router) // by newRouter
	if !rows.Match(r, &found) {
		return unknownOperation, b, k, &s3err.Error{
			Kind:   object.MethodNotAllowed,
			Fields: []s3err.Field{{Name: "Method", Value: r.Method}},
		}
	}
	return rt.rows[found.Route], b, k, nil
}

// address decodes the bucket and the key of a path and checks the key. The
// bucket's name is checked by the operations: a name that can't exist is
// simply not found by most of them.
func address(vars map[string]string) (object.BucketName, object.Key, error) {
	b, errBucket := url.PathUnescape(vars[bucketVar])
	k, errKey := url.PathUnescape(vars[keyVar])
	if errBucket != nil || errKey != nil {
		return "", "", &s3err.Error{Kind: object.InvalidRequest, Message: "Couldn't parse the specified URI."}
	}
	if k != "" {
		if err := object.Key(k).Validate(); err != nil {
			return object.BucketName(b), object.Key(k), err
		}
	}
	return object.BucketName(b), object.Key(k), nil
}

// match reports whether the row is for r. It is a mux.MatcherFunc.
func (row *route) match(r *http.Request, _ *mux.RouteMatch) bool {
	if row.method != r.Method {
		return false
	}
	for _, q := range row.queries {
		name, want, valued := strings.Cut(q, "=")
		value, ok := findQuery(r.URL.RawQuery, name)
		if !ok || valued && value != want {
			return false
		}
	}
	if row.header != "" && r.Header[row.header] == nil {
		return false
	}
	if row.contentType != "" && !strings.HasPrefix(r.Header.Get("Content-Type"), row.contentType) {
		return false
	}
	return !row.plain || !hasUnknownSubresource(r.URL.RawQuery)
}

// findQuery is the first value of a query parameter, without parsing all.
func findQuery(raw, name string) (string, bool) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k == name || unescapes(k, name) {
			value, err := url.QueryUnescape(v)
			return value, err == nil
		}
	}
	return "", false
}

func unescapes(escaped, name string) bool {
	if !strings.ContainsAny(escaped, "%+") {
		return false
	}
	plain, err := url.QueryUnescape(escaped)
	return err == nil && plain == name
}

// hasUnknownSubresource reports whether a query has a parameter without value
// that is none of ours: a sub-resource that this table does not know. Taking
// "PUT /b/k?new-feature" for a PutObject would overwrite the object.
func hasUnknownSubresource(raw string) bool {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k != "" && v == "" && k != "x-id" && k != versionParam && !hasPrefixFold(k, amzPrefix) {
			return true
		}
	}
	return false
}

const amzPrefix = "x-amz-"

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
