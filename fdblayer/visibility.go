package fdblayer

import "github.com/stampede-store/stampede/object"

// visibility says which rows of a key count, as they pass newest first. What a
// reader sees is a pure function of the rows (DESIGN §6), so a PUT only adds one and
// never looks at those it hides. The zero value is above the newest row.
type visibility struct {
	// nullPassed: a null row was seen, so no older one counts.
	nullPassed bool
}

// counts takes the next older row and reports whether it is a version that clients see. A purge
// never is: it hides the older null rows and has no content.
func (v *visibility) counts(k object.VersionKind) bool {
	if !k.IsNull() {
		return true
	}
	first := !v.nullPassed
	v.nullPassed = true
	return first && k != object.Purge
}
