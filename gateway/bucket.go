package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
)

// usEast1 is the region whose location constraint is empty, and where creating a
// bucket again is no error.
const usEast1 = "us-east-1"

const bucketRegion = "X-Amz-Bucket-Region"

var rootXML = s3xml.Owner{ID: rootOwner, DisplayName: rootOwner}

// listBuckets answers ListBuckets. Without max-buckets it lists as many as fit
// one page of the store, S3's own default quota.
func (g *Gateway) listBuckets(ctx context.Context, r *request) (*response, error) {
	limit, err := bucketsLimit(r.query.Get("max-buckets"))
	if err != nil {
		return nil, err
	}
	after := ""
	if token := r.query.Get("continuation-token"); token != "" {
		c, err := parseContinuation(token)
		if err != nil {
			return nil, err
		}
		after = c.after
	}
	prefix := r.query.Get("prefix")
	page, err := r.store.ListBuckets(ctx, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	doc := s3xml.ListAllMyBucketsResult{Owner: rootXML, Prefix: prefix}
	region := r.query.Get("bucket-region")
	for _, b := range page.Buckets {
		if region == "" || region == b.Region {
			doc.Buckets = append(doc.Buckets, s3xml.Bucket{Name: string(b.Name), Region: b.Region, Created: b.Created})
		}
	}
	if n := len(page.Buckets); page.More && n > 0 {
		doc.ContinuationToken = continuation{after: string(page.Buckets[n-1].Name)}.String()
	}
	return xmlResponse(doc.XML(), page.Token), nil
}

func bucketsLimit(text string) (int, error) {
	if text == "" {
		return object.BucketsMaxPage, nil
	}
	n, ok := parsePosition(text)
	if !ok || n < 1 || n > object.BucketsMaxPage {
		return 0, invalidArgument("max-buckets", text,
			fmt.Sprintf("Argument max-buckets must be an integer between 1 and %d", object.BucketsMaxPage))
	}
	return int(n), nil
}

// createBucket answers CreateBucket. A bucket that one owns already is 409, but in
// us-east-1 it is 200, as S3's documentation of BucketAlreadyOwnedByYou has it.
func (g *Gateway) createBucket(ctx context.Context, r *request) (*response, error) {
	if err := r.bucket.Validate(); err != nil {
		return nil, err
	}
	if err := r.checkUnsupported(); err != nil {
		return nil, err
	}
	switch o := r.header("X-Amz-Object-Ownership"); o {
	case "", "BucketOwnerEnforced":
	case "BucketOwnerPreferred", "ObjectWriter":
		return nil, notImplemented("x-amz-object-ownership")
	default:
		return nil, invalidArgument("x-amz-object-ownership", o, "Invalid x-amz-object-ownership header: "+o)
	}
	if err := g.checkLocation(r); err != nil {
		return nil, err
	}
	token, err := r.store.CreateBucket(ctx, object.Bucket{Name: r.bucket, Region: g.region, Owner: rootOwner})
	if err != nil && (g.region != usEast1 || !errors.Is(err, object.BucketAlreadyOwnedByYou)) {
		return nil, err
	}
	res := &response{token: token}
	res.set("Location", "/"+string(r.bucket))
	return res, nil
}

// checkLocation reads the body of CreateBucket and holds its location to the
// one region there is. None means this region, wherever it is: S3 wants one
// outside us-east-1, but nothing is lost by not asking.
func (g *Gateway) checkLocation(r *request) error {
	body, err := r.document(createBucketBodyMaxBytes)
	if err != nil {
		return err
	}
	c, err := s3xml.ParseCreateBucketConfiguration(body)
	if err != nil {
		return err
	}
	if c.Location != nil || c.Bucket != nil {
		return &s3err.Error{Kind: object.NotImplemented, Message: "Directory buckets are not implemented."}
	}
	if c.Tags != nil {
		return &s3err.Error{Kind: object.NotImplemented, Message: "Bucket tags are not implemented."}
	}
	constraint := strings.TrimSpace(c.LocationConstraint)
	if constraint == "EU" { // S3's old name
		constraint = "eu-west-1"
	}
	if constraint != "" && constraint != g.region {
		return &s3err.Error{
			Kind:    object.InvalidLocationConstraint,
			Message: "The specified location-constraint is not valid: this store's region is " + g.region + ".",
			Fields:  []s3err.Field{{Name: "LocationConstraint", Value: c.LocationConstraint}},
		}
	}
	return nil
}

// headBucket answers HeadBucket.
func (g *Gateway) headBucket(ctx context.Context, r *request) (*response, error) {
	b, token, err := r.store.GetBucket(ctx, r.bucket)
	if err != nil {
		return nil, err
	}
	res := &response{token: token}
	res.set(bucketRegion, orDefault(b.Region, g.region))
	res.set("X-Amz-Access-Point-Alias", "false")
	return res, nil
}

// deleteBucket answers DeleteBucket.
func (g *Gateway) deleteBucket(ctx context.Context, r *request) (*response, error) {
	if err := r.discardBody(ctx); err != nil {
		return nil, err
	}
	token, err := r.store.DeleteBucket(ctx, r.bucket)
	if err != nil {
		return nil, err
	}
	return noContent(token), nil
}

// getBucketLocation answers GetBucketLocation.
func (g *Gateway) getBucketLocation(ctx context.Context, r *request) (*response, error) {
	b, token, err := r.store.GetBucket(ctx, r.bucket)
	if err != nil {
		return nil, err
	}
	region := orDefault(b.Region, g.region)
	if region == usEast1 {
		region = ""
	}
	return xmlResponse(s3xml.LocationConstraint(region), token), nil
}
