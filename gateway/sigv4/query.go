package sigv4

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/stampede-store/stampede/object"
)

// parameter is one parameter of a query: its canonical form, and its value as
// it stood in the URL.
type parameter struct {
	name, value []byte // percent-encoded as the canonical request has them
	raw         string
}

// parseQuery splits a raw query into s.query, in the canonical encoding and in
// the order of the URL. As in HTML forms, and as the rest of the gateway reads
// it, a plus is a space.
func (s *scratch) parseQuery(raw string) error {
	s.query = s.query[:0]
	// No byte of the URL takes more than three; so the buffer never moves.
	s.queryText = slices.Grow(s.queryText[:0], 3*len(raw))
	for rest := raw; rest != ""; {
		var item string
		if item, rest, _ = strings.Cut(rest, "&"); item == "" {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		p := parameter{raw: value}
		var ok, okValue bool
		p.name, ok = s.encodeQueryText(name)
		p.value, okValue = s.encodeQueryText(value)
		if !ok || !okValue {
			return refuseArgument(object.InvalidArgument, "The query string is not a valid percent-encoding", "query", item)
		}
		s.query = append(s.query, p)
	}
	return nil
}

func (s *scratch) encodeQueryText(text string) (canonical []byte, ok bool) {
	start := len(s.queryText)
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case b == '%':
			if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
				return nil, false
			}
			b = unhex(text[i+1])<<4 | unhex(text[i+2])
			i += 2
		case b == '+':
			b = ' '
		}
		s.queryText = appendEscaped(s.queryText, b)
	}
	return s.queryText[start:len(s.queryText):len(s.queryText)], true
}

// The parameters of a presigned URL. Their names need no encoding.
const (
	paramAlgorithm = iota
	paramCredential
	paramDate
	paramExpires
	paramSignedHeaders
	paramSignature
	requiredParameters // the number of those before

	paramPayload   = requiredParameters
	authParameters = requiredParameters + 1
)

var authNames = [authParameters]string{
	paramAlgorithm:     "X-Amz-Algorithm",
	paramCredential:    "X-Amz-Credential",
	paramDate:          "X-Amz-Date",
	paramExpires:       "X-Amz-Expires",
	paramSignedHeaders: "X-Amz-SignedHeaders",
	paramSignature:     "X-Amz-Signature",
	paramPayload:       "X-Amz-Content-Sha256",
}

// authKinds says which mechanisms a query speaks of.
type authKinds struct{ v4, v2 bool }

// findAuthParameters looks for the parameters that make a query an attempt to
// authenticate. A date alone is none: some clients put it beside a header.
func (s *scratch) findAuthParameters() (k authKinds) {
	for _, p := range s.query {
		switch string(p.name) {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature":
			k.v4 = true
		case "AWSAccessKeyId", "Signature":
			k.v2 = true
		}
	}
	return k
}

// authValues decodes the parameters of a presigned URL; one given twice is
// refused, as there is no telling which of the two was meant.
func (s *scratch) authValues(values *[authParameters]string) error {
	var seen [authParameters]bool
	for _, p := range s.query {
		i := slices.Index(authNames[:], string(p.name))
		if i < 0 {
			continue
		}
		if seen[i] {
			return refuse(object.QueryMalformed, msgSixParameters)
		}
		seen[i] = true
		value, err := url.QueryUnescape(p.raw)
		if err != nil {
			return refuse(object.QueryMalformed, msgSixParameters)
		}
		values[i] = value
	}
	return nil
}

// appendQuery appends the canonical query: sorted by name and then value in
// their encoded forms, without the signature of a presigned URL.
func (s *scratch) appendQuery(presigned bool) {
	slices.SortFunc(s.query, func(a, b parameter) int {
		if c := bytes.Compare(a.name, b.name); c != 0 {
			return c
		}
		return bytes.Compare(a.value, b.value)
	})
	first := true
	for _, p := range s.query {
		if presigned && string(p.name) == authNames[paramSignature] {
			continue
		}
		if !first {
			s.text = append(s.text, '&')
		}
		first = false
		s.text = append(s.text, p.name...)
		s.text = append(s.text, '=')
		s.text = append(s.text, p.value...)
	}
}
