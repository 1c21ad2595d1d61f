// Package chunkwire holds the messages between chunkclient and chunk nodes.
// Errors are object.Error with the kinds NoSuchChunk, ChunkConflict, Fenced,
// Full, Corrupt, Unavailable.
package chunkwire
