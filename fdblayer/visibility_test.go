package fdblayer

import (
	"slices"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// versionKinds are all kinds of rows.
var versionKinds = []object.VersionKind{object.NullVersion, object.Kept, object.Marker, object.NullMarker, object.Purge}

// sequences calls f with every sequence of kinds, oldest first, up to a length.
func sequences(length int, f func(kinds []object.VersionKind)) {
	var grow func(kinds []object.VersionKind)
	grow = func(kinds []object.VersionKind) {
		f(kinds)
		if len(kinds) == length {
			return
		}
		for _, k := range versionKinds {
			grow(append(kinds[:len(kinds):len(kinds)], k))
		}
	}
	grow(nil)
}

// promised is what S3 promises after writes of these kinds, as indexes newest first: each null write takes the place
// of the null version before it, each other one is added. It is written from S3's words, not from the rule under test.
func promised(kinds []object.VersionKind) (versions []int) {
	for i, k := range kinds {
		if k == object.NullVersion || k == object.NullMarker || k == object.Purge {
			versions = slices.DeleteFunc(versions, func(j int) bool {
				return kinds[j] == object.NullVersion || kinds[j] == object.NullMarker
			})
		}
		if k != object.Purge {
			versions = append([]int{i}, versions...)
		}
	}
	return versions
}

// TestVisibility compares what counts with what S3 promises, for every sequence of
// up to six rows.
func TestVisibility(t *testing.T) {
	t.Parallel()
	sequences(6, func(kinds []object.VersionKind) {
		var seen visibility
		var got []int
		for i := len(kinds) - 1; i >= 0; i-- {
			if seen.counts(kinds[i]) {
				got = append(got, i)
			}
		}
		if want := promised(kinds); !slices.Equal(got, want) {
			t.Fatalf("rows %v (oldest first): %v count, want %v", kinds, got, want)
		}
	})
}
