// Package keys encodes and decodes every key and value of the metadata. Nobody
// else builds key bytes. docs/key-schema.md describes the rows; a test holds
// it and the registry (Kinds) together.
//
// A key is the store's prefix and a tuple (package tuple) whose first element
// is the row kind's tag. A value is a format byte, for some rows a stamp at a
// fixed place, and a protobuf message (package recordpb); counters alone are
// bare integers, for the database to add.
//
// Three kinds of functions:
//
//   - methods of Space build and parse keys. Those ending in Operand build the
//     operand of kv.SetVersionstampedKey, for rows whose stamp the commit decides;
//     those in the plural, ranges. A built slice belongs to the caller.
//   - Encode functions build values; those ending in Operand, the operand of
//     kv.SetVersionstampedValue.
//   - Parse (keys) and Decode (values) check everything: malformed bytes are
//     object.Corrupt, an unknown format byte is object.NewerFormat. What they
//     return shares no memory with the input, except where said.
//
// Everything here is pure and safe for concurrent use.
package keys
