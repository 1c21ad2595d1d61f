// Package s3err is the one table from Stampede's error kinds to S3's error
// codes, statuses and messages, and the error document that S3 clients parse
// (S3 API Reference, "Error responses"). It is pure.
package s3err

import (
	"errors"
	"net/http"

	"github.com/stampede-store/stampede/object"
)

// Row says how S3 tells a client of one kind of failure.
type Row struct {
	// Code is S3's error code: what clients act on.
	Code   string
	Status int
	// Message is for people. It is used unless the error brings its own.
	Message string
	// RetryAfterSeconds is sent as Retry-After; 0: not sent.
	RetryAfterSeconds int
}

// Codes that two kinds share.
const (
	codeInternal           = "InternalError"
	codeServiceUnavailable = "ServiceUnavailable"
	messageInternal        = "We encountered an internal error. Please try again."
)

// retrySeconds is short: what refuses a request here (a burst, a restart, a
// recovery of the database) is over in seconds, and SDKs back off by themselves.
const retrySeconds = 1

// StatusClientClosed is logged and counted, never sent, for a request whose
// client went away (nginx's 499).
const StatusClientClosed = 499

// table holds one row per kind; a test walks object.Kinds.
//
// Three rows are choices of ours where S3 has no word. Full is 507: SDKs
// don't retry it, so a person learns of the full disk at once. OutcomeUnknown
// is 500 and not 503, because 503 would promise that nothing happened; SDKs
// retry both, and a repeated PUT, DELETE or Complete ends in the same state.
// Corrupt and LostBytes are 500: never "no such key".
var table = [object.KindsEnd]Row{
	object.Internal: {codeInternal, http.StatusInternalServerError, messageInternal, 0},

	object.NoSuchBucket:            {"NoSuchBucket", http.StatusNotFound, "The specified bucket does not exist", 0},
	object.NoSuchKey:               {"NoSuchKey", http.StatusNotFound, "The specified key does not exist.", 0},
	object.NoSuchVersion:           {"NoSuchVersion", http.StatusNotFound, "The specified version does not exist.", 0},
	object.NoSuchUpload:            {"NoSuchUpload", http.StatusNotFound, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", 0},
	object.BucketAlreadyExists:     {"BucketAlreadyExists", http.StatusConflict, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.", 0},
	object.BucketAlreadyOwnedByYou: {"BucketAlreadyOwnedByYou", http.StatusConflict, "Your previous request to create the named bucket succeeded and you already own it.", 0},
	object.BucketNotEmpty:          {"BucketNotEmpty", http.StatusConflict, "The bucket you tried to delete is not empty", 0},

	object.InvalidBucketName:         {"InvalidBucketName", http.StatusBadRequest, "The specified bucket is not valid.", 0},
	object.InvalidArgument:           {"InvalidArgument", http.StatusBadRequest, "Invalid Argument", 0},
	object.InvalidRequest:            {"InvalidRequest", http.StatusBadRequest, "Invalid Request", 0},
	object.InvalidRange:              {"InvalidRange", http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable", 0},
	object.InvalidPart:               {"InvalidPart", http.StatusBadRequest, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.", 0},
	object.InvalidPartOrder:          {"InvalidPartOrder", http.StatusBadRequest, "The list of parts was not in ascending order. Parts must be ordered by part number.", 0},
	object.InvalidDigest:             {"InvalidDigest", http.StatusBadRequest, "The Content-MD5 you specified was invalid.", 0},
	object.InvalidTag:                {"InvalidTag", http.StatusBadRequest, "The tag provided was not a valid tag.", 0},
	object.InvalidStorageClass:       {"InvalidStorageClass", http.StatusBadRequest, "The storage class you specified is not valid", 0},
	object.InvalidLocationConstraint: {"InvalidLocationConstraint", http.StatusBadRequest, "The specified location-constraint is not valid", 0},
	object.KeyTooLong:                {"KeyTooLongError", http.StatusBadRequest, "Your key is too long", 0},
	object.MetadataTooLarge:          {"MetadataTooLarge", http.StatusBadRequest, "Your metadata headers exceed the maximum allowed metadata size", 0},
	object.EntityTooSmall:            {"EntityTooSmall", http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size", 0},
	object.EntityTooLarge:            {"EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size", 0},
	object.MissingContentLength:      {"MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.", 0},
	object.MalformedXML:              {"MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema", 0},
	object.IncompleteBody:            {"IncompleteBody", http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header", 0},
	object.BadDigest:                 {"BadDigest", http.StatusBadRequest, "The Content-MD5 or checksum value that you specified did not match what the server received.", 0},
	object.ContentSHA256Mismatch:     {"XAmzContentSHA256Mismatch", http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed.", 0},
	object.MethodNotAllowed:          {"MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.", 0},
	object.NotImplemented:            {"NotImplemented", http.StatusNotImplemented, "A header or query you provided implies functionality that is not implemented.", 0},

	object.PreconditionFailed:  {"PreconditionFailed", http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold", 0},
	object.NotModified:         {"NotModified", http.StatusNotModified, "Not Modified", 0},
	object.ConditionalConflict: {"ConditionalRequestConflict", http.StatusConflict, "The conditional request cannot succeed due to a conflicting operation against this resource.", 0},
	object.OperationAborted:    {"OperationAborted", http.StatusConflict, "A conflicting conditional operation is currently in progress against this resource. Please try again.", 0},

	object.AccessDenied:           {"AccessDenied", http.StatusForbidden, "Access Denied", 0},
	object.InvalidAccessKeyID:     {"InvalidAccessKeyId", http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records.", 0},
	object.SignatureMismatch:      {"SignatureDoesNotMatch", http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method.", 0},
	object.AuthorizationMalformed: {"AuthorizationHeaderMalformed", http.StatusBadRequest, "The authorization header you provided is invalid.", 0},
	object.QueryMalformed:         {"AuthorizationQueryParametersError", http.StatusBadRequest, "The authorization query parameters you provided are invalid.", 0},
	object.RequestTimeSkewed:      {"RequestTimeTooSkewed", http.StatusForbidden, "The difference between the request time and the server's time is too large.", 0},
	object.RequestExpired:         {"AccessDenied", http.StatusForbidden, "Request has expired", 0},
	object.MissingSecurityHeader:  {"MissingSecurityHeader", http.StatusBadRequest, "Your request is missing a required header", 0},

	object.SlowDown:       {"SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate.", retrySeconds},
	object.Unavailable:    {codeServiceUnavailable, http.StatusServiceUnavailable, "Service is unable to handle request.", retrySeconds},
	object.Full:           {"InsufficientStorage", http.StatusInsufficientStorage, "There is no space left for new data. Reading and deleting go on.", 0},
	object.SessionLost:    {codeServiceUnavailable, http.StatusServiceUnavailable, "Service is unable to handle request.", retrySeconds},
	object.OutcomeUnknown: {codeInternal, http.StatusInternalServerError, "It is not known whether the request took effect. Please try again.", 0},
	object.RequestTimeout: {"RequestTimeout", http.StatusBadRequest, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.", 0},

	object.Corrupt:   {codeInternal, http.StatusInternalServerError, "Stored data failed its integrity check.", 0},
	object.LostBytes: {codeInternal, http.StatusInternalServerError, "Stored data could not be found.", 0},

	// Errors between our own processes are settled below the gateway. One that
	// comes this far is a fault of ours.
	object.NoSuchChunk:   {codeInternal, http.StatusInternalServerError, messageInternal, 0},
	object.ChunkConflict: {codeInternal, http.StatusInternalServerError, messageInternal, 0},
	object.Fenced:        {codeServiceUnavailable, http.StatusServiceUnavailable, "Service is unable to handle request.", retrySeconds},
	object.NewerFormat:   {codeInternal, http.StatusInternalServerError, messageInternal, 0},

	object.ACLNotSupported: {"AccessControlListNotSupported", http.StatusBadRequest, "The bucket does not allow ACLs", 0},

	object.InvalidRedirectLocation: {"InvalidRedirectLocation", http.StatusBadRequest, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.", 0},
	object.MalformedTrailer:        {"MalformedTrailerError", http.StatusBadRequest, "The request contained trailing data that was not well-formed or did not conform to our published schema.", 0},

	object.InvalidPartNumber: {"InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable", 0},
}

// Of is the row of a kind; a number that is no kind gets Internal's.
func Of(k object.Kind) Row {
	if k < object.KindsEnd && table[k].Code != "" {
		return table[k]
	}
	return table[object.Internal]
}

// KindOf finds the kind that err carries, object.Internal if it has none.
func KindOf(err error) object.Kind {
	var k object.Kind
	if errors.As(err, &k) {
		return k
	}
	return object.Internal
}
