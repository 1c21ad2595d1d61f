package sigv4

import (
	"fmt"

	"github.com/stampede-store/stampede/object"
)

// Message is the cause in this package's errors: a sentence in S3's own words
// that says what is wrong with a request. It may be shown to clients.
type Message string

func (m Message) Error() string { return string(m) }

const opVerify = "sigv4.Verify"

const (
	msgAnonymous       Message = "Access Denied"
	msgUnsupportedAuth Message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
	msgAuthType        Message = "Unsupported Authorization Type"
	msgTwoMechanisms   Message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
	msgUnknownKey      Message = "The AWS Access Key Id you provided does not exist in our records."
	msgMismatch        Message = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	msgNoDate          Message = "AWS authentication requires a valid Date or x-amz-date header"
	msgSkewed          Message = "The difference between the request time and the current time is too large."
	msgNotSigned       Message = "There were headers present in the request which were not signed"
	msgNoPayloadHash   Message = "Missing required header for this request: x-amz-content-sha256"
	msgBadPayloadHash  Message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value."
	msgECDSA           Message = "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported. Please use AWS4-HMAC-SHA256."
	msgHashMismatch    Message = "The provided 'x-amz-content-sha256' header does not match what was computed."

	msgThreeComponents Message = "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature."
	msgSixParameters   Message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
	msgAlgorithm       Message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""
	msgQueryDate       Message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
	msgExpiresNumber   Message = "X-Amz-Expires should be a number"
	msgExpiresNegative Message = "X-Amz-Expires must be non-negative"
	msgExpiresTooLarge Message = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	msgExpired         Message = "Request has expired"
	msgNotYetValid     Message = "Request is not yet valid"

	msgNoDecodedLength  Message = "You must provide the x-amz-decoded-content-length HTTP header."
	msgIncomplete       Message = "The request body terminated unexpectedly"
	msgLength           Message = "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header"
	msgContentLength    Message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
	msgChunkFraming     Message = "The aws-chunked framing of the request body is malformed"
	msgTrailer          Message = "The request contained trailing data that was not well-formed or did not conform to our published schema."
	msgTrailerNotInMode Message = "x-amz-trailer requires an x-amz-content-sha256 that ends with -TRAILER"
	msgTrailerHeader    Message = "The value specified in the x-amz-trailer header is not supported"
)

func refuse(kind object.Kind, m Message) error {
	return &object.Error{Op: opVerify, Kind: kind, Err: m}
}

func refuseArgument(kind object.Kind, m Message, name, value string) error {
	return &object.Error{Op: opVerify, Kind: kind, Ref: object.Ref{Argument: name, Value: value}, Err: m}
}

func refuseBody(kind object.Kind, m Message) error {
	return &object.Error{Op: "sigv4.Body", Kind: kind, Err: m}
}

// malformed is a fault in what the client claims: AuthorizationMalformed or
// QueryMalformed, with the words that S3 puts before the detail.
func malformed(presigned bool, format string, args ...any) error {
	if presigned {
		return refuse(object.QueryMalformed,
			"Error parsing the X-Amz-Credential parameter; "+Message(fmt.Sprintf(format, args...)))
	}
	return refuse(object.AuthorizationMalformed,
		"The authorization header is malformed; "+Message(fmt.Sprintf(format, args...)))
}
