package gateway

import (
	"net/http"

	"github.com/stampede-store/stampede/object"
)

// response is what a handler answers.
type response struct {
	// status is 200 when it is 0.
	status  int
	headers []headerField
	// token is the state that the response reflects; zero: the newest known.
	token object.Token
	// document is an XML body.
	document []byte
	// content streams an object of contentBytes. The wrapper closes it.
	content      Content
	contentBytes int64
}

type headerField struct{ name, value string }

// set adds a header. The name is sent as it is; where Go or a later set is to find it, it
// must be in canonical form.
func (r *response) set(name, value string) {
	r.headers = append(r.headers, headerField{name, value})
}

// setOptional adds a header unless the value is empty.
func (r *response) setOptional(name, value string) {
	if value != "" {
		r.set(name, value)
	}
}

// writeTo puts the headers into h: one array for all values.
func (r *response) writeTo(h http.Header) {
	values := make([]string, len(r.headers))
	for i, f := range r.headers {
		values[i] = f.value
		h[f.name] = values[i : i+1 : i+1]
	}
}

// xmlResponse is a 200 with a document.
func xmlResponse(document []byte, token object.Token) *response {
	return &response{document: document, token: token}
}

func noContent(token object.Token) *response {
	return &response{status: http.StatusNoContent, token: token}
}

func quoteETag(e object.ETag) string { return `"` + string(e) + `"` }
