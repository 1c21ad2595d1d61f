// Package tuple is FoundationDB's tuple layer: an encoding of typed elements as
// bytes that sort as the elements do. It is byte-compatible with the published
// specification (design/tuple.md in FoundationDB's repository), so that its
// tools can read what is written here.
//
// Known elements: null, byte string, Unicode string, nested tuple, integers of
// up to 8 bytes, 32 and 64 bit floating point, booleans, UUIDs and 96 bit
// versionstamps. Integers of more than 8 bytes and the reserved codes are
// refused. A decoder refuses every encoding that this package would not write
// (an integer with leading zero bytes, say), so that one tuple has one key.
//
// Element appenders cost no allocation beyond dst:
//
//	key := tuple.AppendString(prefix, "V")
//	key = tuple.AppendUint(key, bucket)
//	key = tuple.AppendBytes(key, name)
//
//	d := tuple.NewDecoder(key[len(prefix):])
//	_, _ = d.String() // the first error sticks ...
//	bucket, _ := d.Uint()
//	err := d.Done() // ... and is returned here
//
// Functions are pure; a Decoder belongs to one goroutine.
package tuple
