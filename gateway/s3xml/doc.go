// Package s3xml holds S3's XML documents: it writes the answers and parses the
// request bodies, as the S3 API Reference has them. It is pure, and nothing in
// it is safe for concurrent use.
//
// Parsers take bounded input (the caller bounds it), any namespace, and
// unknown elements; they refuse another root element, a malformed document and
// anything behind it. Every refusal is an object.MalformedXML.
package s3xml
