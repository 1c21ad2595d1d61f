package gateway

import (
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// The parsers of outside bytes that have no package of their own are tested from inside.

func TestParseRange(t *testing.T) {
	for header, want := range map[string]*store.Range{
		"bytes=0-0":                    {First: 0, Last: 0},
		"bytes=2-":                     {First: 2, Last: -1},
		"bytes=-3":                     {First: -1, Last: 3},
		"bytes=-0":                     {First: -1, Last: 0},
		"Bytes=1-2":                    {First: 1, Last: 2},
		"bytes= 1-2":                   nil,
		"bytes=1 -2":                   nil,
		"bytes=0-99999999999999999999": {First: 0, Last: math.MaxInt64},
		"bytes=99999999999999999999-":  {First: math.MaxInt64, Last: -1},
		"bytes=3-2":                    nil,
		"bytes=1-2,4-5":                nil,
		"bytes=":                       nil,
		"bytes=-":                      nil,
		"bytes=a-b":                    nil,
		"bytes=+1-2":                   nil,
		"bytes=1--2":                   nil,
		"bytes 1-2":                    nil,
		"items=1-2":                    nil,
		"":                             nil,
	} {
		got := parseRange(header)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=1-2,3-4", "bytes=18446744073709551616-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := parseRange(header)
		if r == nil {
			return
		}
		ok := r.First == -1 && r.Last >= 0 || r.First >= 0 && (r.Last == -1 || r.Last >= r.First)
		if !ok {
			t.Fatalf("%q: got %+v", header, *r)
		}
	})
}

func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"/b/k", "b/k?versionId=null", "/b/a%2Fb%00", "/b//k", "?versionId=", "/b/k%3FversionId=null"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		b, k, id, err := parseCopySource(header)
		if err != nil {
			if kind := s3err.KindOf(err); s3err.Of(kind).Status != 400 {
				t.Fatalf("%q: %v", header, err)
			}
			return
		}
		if b == "" || k.Validate() != nil || strings.Contains(string(b), "/") {
			t.Fatalf("%q: got bucket %q key %q", header, b, k)
		}
		// What was understood, written out again, must mean the same.
		again := "/" + url.PathEscape(string(b)) + "/" + url.PathEscape(string(k))
		if id != "" {
			again += "?versionId=" + id
		}
		b2, k2, id2, err := parseCopySource(again)
		if err != nil || b2 != b || k2 != k || id2 != id {
			t.Fatalf("%q: got %q %q %q, again %q %q %q %v", header, b, k, id, b2, k2, id2, err)
		}
	})
}

func TestContinuation(t *testing.T) {
	for _, c := range []continuation{
		{"", false}, {"k", false}, {"a/", true}, {strings.Repeat("é", object.KeyMaxBytes/2), true}, {"\x00\n", false},
	} {
		got, err := parseContinuation(c.String())
		if err != nil || got != c {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
	}
}

func FuzzContinuation(f *testing.F) {
	f.Add(continuation{"some/key", true}.String())
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := parseContinuation(token)
		if err != nil {
			if !errors.Is(err, object.InvalidArgument) {
				t.Fatalf("%q: %v", token, err)
			}
			return
		}
		if c.String() != token || !utf8.ValidString(c.after) {
			t.Fatalf("%q was read as %+v", token, c)
		}
	})
}

func FuzzParseETags(f *testing.F) {
	f.Add(`"a", W/"b",*`)
	f.Fuzz(func(t *testing.T, list string) {
		for _, tag := range parseETags([]string{list}) {
			if tag == "" || strings.Contains(string(tag), ",") {
				t.Fatalf("%q: got tag %q", list, tag)
			}
		}
	})
}

func FuzzFindQuery(f *testing.F) {
	f.Add("a=b&uploads&c=%20", "uploads")
	f.Fuzz(func(t *testing.T, raw, name string) {
		values, err := url.ParseQuery(raw)
		if err != nil || name == "" {
			return // such a query is refused after routing
		}
		got, ok := findQuery(raw, name)
		if ok != values.Has(name) || ok && got != values.Get(name) {
			t.Fatalf("%q of %q: got %q %v, want %q %v", name, raw, got, ok, values.Get(name), values.Has(name))
		}
	})
}
