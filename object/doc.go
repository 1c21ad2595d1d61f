// Package object is Stampede's vocabulary: the named types, limits and error
// kinds that every other package shares. It holds no behaviour beyond
// validation and text forms, does no I/O and imports the standard library
// only. All values are plain data; none is safe for concurrent mutation.
//
// The words, used alike in code, keys, metrics and documents:
//
//	bucket   a named container of keys
//	key      the name of an object in a bucket: 1 to 1,024 bytes of UTF-8
//	version  one immutable state of a key; it has a stamp
//	stamp    where a commit stands in the order of all commits
//	commit   a metadata transaction that took effect
//	upload   a multipart upload in progress, or completed
//	part     one numbered piece of an upload
//	blob     the immutable bytes of an object or of a part
//	chunk    what one node stores of a blob: a replica of a stripe, or a shard
//	stripe   a run of a blob's bytes that is stored as one chunk per slot
//	node     one folder (disk) of a chunk server
//	group    an ordered set of slots on distinct failure domains
//	slot     one place in a group, filled by a node
//	session  the registration of one process that reads or writes objects
package object
