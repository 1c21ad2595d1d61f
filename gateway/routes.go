package gateway

import (
	"context"
	"net/http"
)

// handler does one operation. It may return a response together with an
// error: then the response's headers go out with the error (a 304 has the
// object's). It must not keep the request.
type handler func(g *Gateway, ctx context.Context, r *request) (*response, error)

// route is one row: the operation, by S3's name, and what a request for it
// looks like.
type route struct {
	level     level
	operation string
	method    string
	// queries must all be there: "uploads", or "list-type=2" with that value.
	queries []string
	// header must be there (canonical form), contentType begin like this.
	header, contentType string
	// plain rows take no sub-resource: a query parameter without a value that
	// no row above knows.
	plain bool
	// anonymous rows are not authenticated here: their signature is elsewhere.
	anonymous bool
	// handle is nil for an operation that is not built yet.
	handle handler
}

const copySource = "X-Amz-Copy-Source"

func q(names ...string) []string { return names }

// routes is the one table, most specific first within a level (S3 API
// Reference, "Amazon S3 operations").
var routes = []route{
	// The service.
	{level: service, operation: "ListDirectoryBuckets", method: http.MethodGet, queries: q("x-id=ListDirectoryBuckets")},
	{level: service, operation: "ListBuckets", method: http.MethodGet, handle: (*Gateway).listBuckets},

	// Sub-resources of a bucket.
	{level: bucket, operation: "CreateSession", method: http.MethodGet, queries: q("session")},
	{level: bucket, operation: "GetBucketAbac", method: http.MethodGet, queries: q("abac")},
	{level: bucket, operation: "PutBucketAbac", method: http.MethodPut, queries: q("abac")},
	{level: bucket, operation: "GetBucketAccelerateConfiguration", method: http.MethodGet, queries: q("accelerate")},
	{level: bucket, operation: "PutBucketAccelerateConfiguration", method: http.MethodPut, queries: q("accelerate")},
	{level: bucket, operation: "GetBucketAcl", method: http.MethodGet, queries: q("acl")},
	{level: bucket, operation: "PutBucketAcl", method: http.MethodPut, queries: q("acl")},
	{level: bucket, operation: "GetBucketAnalyticsConfiguration", method: http.MethodGet, queries: q("analytics", "id")},
	{level: bucket, operation: "ListBucketAnalyticsConfigurations", method: http.MethodGet, queries: q("analytics")},
	{level: bucket, operation: "PutBucketAnalyticsConfiguration", method: http.MethodPut, queries: q("analytics")},
	{level: bucket, operation: "DeleteBucketAnalyticsConfiguration", method: http.MethodDelete, queries: q("analytics")},
	{level: bucket, operation: "GetBucketCors", method: http.MethodGet, queries: q("cors")},
	{level: bucket, operation: "PutBucketCors", method: http.MethodPut, queries: q("cors")},
	{level: bucket, operation: "DeleteBucketCors", method: http.MethodDelete, queries: q("cors")},
	{level: bucket, operation: "GetBucketEncryption", method: http.MethodGet, queries: q("encryption")},
	{level: bucket, operation: "PutBucketEncryption", method: http.MethodPut, queries: q("encryption")},
	{level: bucket, operation: "DeleteBucketEncryption", method: http.MethodDelete, queries: q("encryption")},
	{level: bucket, operation: "GetBucketIntelligentTieringConfiguration", method: http.MethodGet, queries: q("intelligent-tiering", "id")},
	{level: bucket, operation: "ListBucketIntelligentTieringConfigurations", method: http.MethodGet, queries: q("intelligent-tiering")},
	{level: bucket, operation: "PutBucketIntelligentTieringConfiguration", method: http.MethodPut, queries: q("intelligent-tiering")},
	{level: bucket, operation: "DeleteBucketIntelligentTieringConfiguration", method: http.MethodDelete, queries: q("intelligent-tiering")},
	{level: bucket, operation: "GetBucketInventoryConfiguration", method: http.MethodGet, queries: q("inventory", "id")},
	{level: bucket, operation: "ListBucketInventoryConfigurations", method: http.MethodGet, queries: q("inventory")},
	{level: bucket, operation: "PutBucketInventoryConfiguration", method: http.MethodPut, queries: q("inventory")},
	{level: bucket, operation: "DeleteBucketInventoryConfiguration", method: http.MethodDelete, queries: q("inventory")},
	{level: bucket, operation: "GetBucketLifecycleConfiguration", method: http.MethodGet, queries: q("lifecycle")},
	{level: bucket, operation: "PutBucketLifecycleConfiguration", method: http.MethodPut, queries: q("lifecycle")},
	{level: bucket, operation: "DeleteBucketLifecycle", method: http.MethodDelete, queries: q("lifecycle")},
	{level: bucket, operation: "GetBucketLocation", method: http.MethodGet, queries: q("location"), handle: (*Gateway).getBucketLocation},
	{level: bucket, operation: "GetBucketLogging", method: http.MethodGet, queries: q("logging")},
	{level: bucket, operation: "PutBucketLogging", method: http.MethodPut, queries: q("logging")},
	{level: bucket, operation: "CreateBucketMetadataConfiguration", method: http.MethodPost, queries: q("metadataConfiguration")},
	{level: bucket, operation: "GetBucketMetadataConfiguration", method: http.MethodGet, queries: q("metadataConfiguration")},
	{level: bucket, operation: "DeleteBucketMetadataConfiguration", method: http.MethodDelete, queries: q("metadataConfiguration")},
	{level: bucket, operation: "UpdateBucketMetadataAnnotationTableConfiguration", method: http.MethodPut, queries: q("metadataAnnotationTable")},
	{level: bucket, operation: "UpdateBucketMetadataInventoryTableConfiguration", method: http.MethodPut, queries: q("metadataInventoryTable")},
	{level: bucket, operation: "UpdateBucketMetadataJournalTableConfiguration", method: http.MethodPut, queries: q("metadataJournalTable")},
	{level: bucket, operation: "CreateBucketMetadataTableConfiguration", method: http.MethodPost, queries: q("metadataTable")},
	{level: bucket, operation: "GetBucketMetadataTableConfiguration", method: http.MethodGet, queries: q("metadataTable")},
	{level: bucket, operation: "DeleteBucketMetadataTableConfiguration", method: http.MethodDelete, queries: q("metadataTable")},
	{level: bucket, operation: "GetBucketMetricsConfiguration", method: http.MethodGet, queries: q("metrics", "id")},
	{level: bucket, operation: "ListBucketMetricsConfigurations", method: http.MethodGet, queries: q("metrics")},
	{level: bucket, operation: "PutBucketMetricsConfiguration", method: http.MethodPut, queries: q("metrics")},
	{level: bucket, operation: "DeleteBucketMetricsConfiguration", method: http.MethodDelete, queries: q("metrics")},
	{level: bucket, operation: "GetBucketNotificationConfiguration", method: http.MethodGet, queries: q("notification")},
	{level: bucket, operation: "PutBucketNotificationConfiguration", method: http.MethodPut, queries: q("notification")},
	{level: bucket, operation: "GetObjectLockConfiguration", method: http.MethodGet, queries: q("object-lock")},
	{level: bucket, operation: "PutObjectLockConfiguration", method: http.MethodPut, queries: q("object-lock")},
	{level: bucket, operation: "GetBucketOwnershipControls", method: http.MethodGet, queries: q("ownershipControls")},
	{level: bucket, operation: "PutBucketOwnershipControls", method: http.MethodPut, queries: q("ownershipControls")},
	{level: bucket, operation: "DeleteBucketOwnershipControls", method: http.MethodDelete, queries: q("ownershipControls")},
	{level: bucket, operation: "GetBucketPolicy", method: http.MethodGet, queries: q("policy")},
	{level: bucket, operation: "PutBucketPolicy", method: http.MethodPut, queries: q("policy")},
	{level: bucket, operation: "DeleteBucketPolicy", method: http.MethodDelete, queries: q("policy")},
	{level: bucket, operation: "GetBucketPolicyStatus", method: http.MethodGet, queries: q("policyStatus")},
	{level: bucket, operation: "GetPublicAccessBlock", method: http.MethodGet, queries: q("publicAccessBlock")},
	{level: bucket, operation: "PutPublicAccessBlock", method: http.MethodPut, queries: q("publicAccessBlock")},
	{level: bucket, operation: "DeletePublicAccessBlock", method: http.MethodDelete, queries: q("publicAccessBlock")},
	{level: bucket, operation: "GetBucketReplication", method: http.MethodGet, queries: q("replication")},
	{level: bucket, operation: "PutBucketReplication", method: http.MethodPut, queries: q("replication")},
	{level: bucket, operation: "DeleteBucketReplication", method: http.MethodDelete, queries: q("replication")},
	{level: bucket, operation: "GetBucketRequestPayment", method: http.MethodGet, queries: q("requestPayment")},
	{level: bucket, operation: "PutBucketRequestPayment", method: http.MethodPut, queries: q("requestPayment")},
	{level: bucket, operation: "GetBucketTagging", method: http.MethodGet, queries: q("tagging")},
	{level: bucket, operation: "PutBucketTagging", method: http.MethodPut, queries: q("tagging")},
	{level: bucket, operation: "DeleteBucketTagging", method: http.MethodDelete, queries: q("tagging")},
	{level: bucket, operation: "GetBucketVersioning", method: http.MethodGet, queries: q("versioning")},
	{level: bucket, operation: "PutBucketVersioning", method: http.MethodPut, queries: q("versioning")},
	{level: bucket, operation: "GetBucketWebsite", method: http.MethodGet, queries: q("website")},
	{level: bucket, operation: "PutBucketWebsite", method: http.MethodPut, queries: q("website")},
	{level: bucket, operation: "DeleteBucketWebsite", method: http.MethodDelete, queries: q("website")},

	// Listings of a bucket, and the bucket itself. The path of
	// WriteGetObjectResponse has the shape of a bucket's.
	{level: bucket, operation: "ListMultipartUploads", method: http.MethodGet, queries: q("uploads"), handle: (*Gateway).listUploads},
	{level: bucket, operation: "ListObjectVersions", method: http.MethodGet, queries: q("versions")},
	{level: bucket, operation: "ListObjectsV2", method: http.MethodGet, queries: q("list-type=2"), handle: (*Gateway).listObjectsV2},
	{level: bucket, operation: "ListObjects", method: http.MethodGet, handle: (*Gateway).listObjects},
	{level: bucket, operation: "HeadBucket", method: http.MethodHead, handle: (*Gateway).headBucket},
	{level: bucket, operation: "DeleteObjects", method: http.MethodPost, queries: q("delete"), handle: (*Gateway).deleteObjects},
	{level: bucket, operation: "WriteGetObjectResponse", method: http.MethodPost, header: "X-Amz-Request-Route"},
	{level: bucket, operation: "PostObject", method: http.MethodPost, contentType: "multipart/form-data", anonymous: true},
	{level: bucket, operation: "CreateBucket", method: http.MethodPut, plain: true, handle: (*Gateway).createBucket},
	{level: bucket, operation: "DeleteBucket", method: http.MethodDelete, plain: true, handle: (*Gateway).deleteBucket},
	{level: bucket, operation: "UnknownSubresource", method: http.MethodPut},
	{level: bucket, operation: "UnknownSubresource", method: http.MethodDelete},
	{level: bucket, operation: "PreflightRequest", method: http.MethodOptions, anonymous: true},

	// Sub-resources of an object.
	{level: anObject, operation: "GetObjectAcl", method: http.MethodGet, queries: q("acl")},
	{level: anObject, operation: "PutObjectAcl", method: http.MethodPut, queries: q("acl")},
	{level: anObject, operation: "ListObjectAnnotations", method: http.MethodGet, queries: q("annotation", "x-id=ListObjectAnnotations")},
	{level: anObject, operation: "GetObjectAnnotation", method: http.MethodGet, queries: q("annotation")},
	{level: anObject, operation: "PutObjectAnnotation", method: http.MethodPut, queries: q("annotation")},
	{level: anObject, operation: "DeleteObjectAnnotation", method: http.MethodDelete, queries: q("annotation")},
	{level: anObject, operation: "GetObjectAttributes", method: http.MethodGet, queries: q("attributes")},
	{level: anObject, operation: "UpdateObjectEncryption", method: http.MethodPut, queries: q("encryption")},
	{level: anObject, operation: "GetObjectLegalHold", method: http.MethodGet, queries: q("legal-hold")},
	{level: anObject, operation: "PutObjectLegalHold", method: http.MethodPut, queries: q("legal-hold")},
	{level: anObject, operation: "RenameObject", method: http.MethodPut, queries: q("renameObject")},
	{level: anObject, operation: "RestoreObject", method: http.MethodPost, queries: q("restore")},
	{level: anObject, operation: "GetObjectRetention", method: http.MethodGet, queries: q("retention")},
	{level: anObject, operation: "PutObjectRetention", method: http.MethodPut, queries: q("retention")},
	{level: anObject, operation: "SelectObjectContent", method: http.MethodPost, queries: q("select")},
	{level: anObject, operation: "GetObjectTagging", method: http.MethodGet, queries: q("tagging")},
	{level: anObject, operation: "PutObjectTagging", method: http.MethodPut, queries: q("tagging")},
	{level: anObject, operation: "DeleteObjectTagging", method: http.MethodDelete, queries: q("tagging")},
	{level: anObject, operation: "GetObjectTorrent", method: http.MethodGet, queries: q("torrent")},

	// Multipart uploads.
	{level: anObject, operation: "CreateMultipartUpload", method: http.MethodPost, queries: q("uploads"), handle: (*Gateway).createUpload},
	{level: anObject, operation: "UploadPartCopy", method: http.MethodPut, queries: q("uploadId"), header: copySource},
	{level: anObject, operation: "UploadPartCopy", method: http.MethodPut, queries: q("partNumber"), header: copySource},
	{level: anObject, operation: "UploadPart", method: http.MethodPut, queries: q("uploadId"), handle: (*Gateway).putPart},
	{level: anObject, operation: "UploadPart", method: http.MethodPut, queries: q("partNumber"), handle: (*Gateway).putPart},
	{level: anObject, operation: "CompleteMultipartUpload", method: http.MethodPost, queries: q("uploadId"), handle: (*Gateway).completeUpload},
	{level: anObject, operation: "AbortMultipartUpload", method: http.MethodDelete, queries: q("uploadId"), handle: (*Gateway).abortUpload},
	{level: anObject, operation: "ListParts", method: http.MethodGet, queries: q("uploadId"), handle: (*Gateway).listParts},

	// The object itself.
	{level: anObject, operation: "GetObject", method: http.MethodGet, handle: (*Gateway).getObject},
	{level: anObject, operation: "HeadObject", method: http.MethodHead, handle: (*Gateway).headObject},
	{level: anObject, operation: "CopyObject", method: http.MethodPut, header: copySource, plain: true, handle: (*Gateway).copyObject},
	{level: anObject, operation: "PutObject", method: http.MethodPut, plain: true, handle: (*Gateway).putObject},
	{level: anObject, operation: "DeleteObject", method: http.MethodDelete, plain: true, handle: (*Gateway).deleteObject},
	{level: anObject, operation: "UnknownSubresource", method: http.MethodPut},
	{level: anObject, operation: "UnknownSubresource", method: http.MethodDelete},
	{level: anObject, operation: "PreflightRequest", method: http.MethodOptions, anonymous: true},
}
