package store

import (
	"errors"
	"testing"
	"time"

	"github.com/stampede-store/stampede/object"
)

// TestReadConditions walks RFC 9110 §13.2.2 for an object with ETag "a" that was modified at noon and 0.7 s.
func TestReadConditions(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	v := &object.Version{ETag: "a", LastModified: noon.Add(700 * time.Millisecond)}
	before, after := noon.Add(-time.Second), noon.Add(time.Second)
	same, other, both := []object.ETag{"a"}, []object.ETag{"b"}, []object.ETag{"b", "a"}
	for _, row := range []struct {
		name string
		c    Conditions
		want object.Kind
	}{
		{"none", Conditions{}, 0},
		{"if-match same", Conditions{IfMatch: same}, 0},
		{"if-match any", Conditions{IfMatch: []object.ETag{"*"}}, 0},
		{"if-match in list", Conditions{IfMatch: both}, 0},
		{"if-match other", Conditions{IfMatch: other}, object.PreconditionFailed},
		{"if-none-match same", Conditions{IfNoneMatch: same}, object.NotModified},
		{"if-none-match any", Conditions{IfNoneMatch: []object.ETag{"*"}}, object.NotModified},
		{"if-none-match in list", Conditions{IfNoneMatch: both}, object.NotModified},
		{"if-none-match other", Conditions{IfNoneMatch: other}, 0},
		{"unmodified since before", Conditions{IfUnmodifiedSince: before}, object.PreconditionFailed},
		{"unmodified since the same second", Conditions{IfUnmodifiedSince: noon}, 0},
		{"unmodified since after", Conditions{IfUnmodifiedSince: after}, 0},
		{"modified since before", Conditions{IfModifiedSince: before}, 0},
		{"modified since the same second", Conditions{IfModifiedSince: noon}, object.NotModified},
		{"modified since after", Conditions{IfModifiedSince: after}, object.NotModified},
		{"if-match outweighs unmodified", Conditions{IfMatch: same, IfUnmodifiedSince: before}, 0},
		{"if-match other, unmodified good", Conditions{IfMatch: other, IfUnmodifiedSince: after}, object.PreconditionFailed},
		{"if-none-match outweighs modified", Conditions{IfNoneMatch: other, IfModifiedSince: after}, 0},
		{"if-none-match same, modified good", Conditions{IfNoneMatch: same, IfModifiedSince: before}, object.NotModified},
		{"412 before 304", Conditions{IfMatch: other, IfNoneMatch: same}, object.PreconditionFailed},
		{"if-match good, if-none-match bad", Conditions{IfMatch: same, IfNoneMatch: same}, object.NotModified},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.c.checkRead(v); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

// TestWriteConditions checks S3's two conditions of writes against no object and one with ETag "a".
func TestWriteConditions(t *testing.T) {
	current := &object.Version{ETag: "a"}
	for _, row := range []struct {
		name            string
		c               Conditions
		absent, present error // what each gives
	}{
		{"none-match any", Conditions{IfNoneMatch: []object.ETag{"*"}}, nil, object.PreconditionFailed},
		{"match same", Conditions{IfMatch: []object.ETag{"a"}}, object.NoSuchKey, nil},
		{"match other", Conditions{IfMatch: []object.ETag{"b"}}, object.NoSuchKey, object.PreconditionFailed},
		{"match any", Conditions{IfMatch: []object.ETag{"*"}}, object.NoSuchKey, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, err := row.c.forWrite("op", object.Ref{})
			if err != nil {
				t.Fatal(err)
			}
			if err := f(nil); !errors.Is(err, row.absent) {
				t.Errorf("without an object: %v, want %v", err, row.absent)
			}
			if err := f(current); !errors.Is(err, row.present) {
				t.Errorf("with an object: %v, want %v", err, row.present)
			}
		})
	}
	if f, err := (Conditions{}).forWrite("op", object.Ref{}); f != nil || err != nil {
		t.Errorf("no conditions give a function: %v, %v", f != nil, err)
	}
	for _, row := range []struct {
		name string
		c    Conditions
	}{
		{"none-match a tag", Conditions{IfNoneMatch: []object.ETag{"a"}}},
		{"none-match two", Conditions{IfNoneMatch: []object.ETag{"*", "a"}}},
		{"match two", Conditions{IfMatch: []object.ETag{"a", "b"}}},
		{"both", Conditions{IfMatch: []object.ETag{"a"}, IfNoneMatch: []object.ETag{"*"}}},
		{"modified since", Conditions{IfModifiedSince: time.Unix(1, 0)}},
		{"unmodified since", Conditions{IfUnmodifiedSince: time.Unix(1, 0)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := row.c.forWrite("op", object.Ref{}); !errors.Is(err, object.NotImplemented) {
				t.Errorf("got %v", err)
			}
		})
	}
}
