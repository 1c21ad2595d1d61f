// Package recordpb holds the protobuf messages that follow the format byte in
// the values of the metadata. Package keys alone converts from and to them;
// docs/key-schema.md says which row holds which message.
package recordpb

//go:generate sh -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --go_out=. --go_opt=paths=source_relative record.proto"
