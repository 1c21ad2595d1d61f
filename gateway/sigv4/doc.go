// Package sigv4 verifies AWS Signature Version 4 on incoming requests, as S3
// applies it: the Authorization header, presigned query strings, and payloads
// that are hashed, unsigned, or sent as aws-chunked with or without signatures
// and trailers. Rules are from the S3 API reference, "Authenticating Requests
// (AWS Signature Version 4)"; where it is silent, S3's observed behaviour.
//
// The package is pure: no clock, no keys and no connections of its own. It does
// not decide what an access key may do, and it does not read a payload before
// its consumer does. Auth.Body must be read to io.EOF: only then is the payload
// known to be what was signed.
//
// Every failure is an object.Error. Its cause is a Message, S3's own sentence,
// wherever S3 has one: it may be shown to clients. No error holds a secret, a
// computed signature or the value of an Authorization header.
package sigv4
