package s3_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

var algorithms = []types.ChecksumAlgorithm{
	types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
	types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
}

// sumOf is a checksum as S3 writes it.
func sumOf(a types.ChecksumAlgorithm, body []byte) string {
	algorithm, _ := checksum.Parse(string(a))
	h := checksum.New(algorithm)
	_, _ = h.Write(body) // a hash never fails
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// checksumIn reads the one checksum of an answer that has fields for all.
func checksumIn(a types.ChecksumAlgorithm, crc32, crc32c, crc64, sha1, sha256 *string) string {
	return aws.ToString(map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: crc32, types.ChecksumAlgorithmCrc32c: crc32c, types.ChecksumAlgorithmCrc64nvme: crc64,
		types.ChecksumAlgorithmSha1: sha1, types.ChecksumAlgorithmSha256: sha256,
	}[a])
}

// TestChecksums: each algorithm, in a trailer (as the SDK sends it for a stream)
// and in a header: stored and returned.
func TestChecksums(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, a := range algorithms {
		for _, size := range []int{0, 10, 5000, 1<<20 + 5} {
			t.Run(fmt.Sprintf("%s/%d", a, size), func(t *testing.T) {
				body := random(uint64(size), size)
				want := sumOf(a, body)
				key := fmt.Sprintf("%s-%d", a, size)
				out := put(t, c, b, key, body, func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = a })
				if got := checksumIn(a, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256); got != want {
					t.Errorf("put: got %q, want %q", got, want)
				}
				got, _ := get(t, c, b, key, func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
				if sum := checksumIn(a, got.ChecksumCRC32, got.ChecksumCRC32C, got.ChecksumCRC64NVME, got.ChecksumSHA1, got.ChecksumSHA256); sum != want {
					t.Errorf("get: got %q, want %q", sum, want)
				}
				head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
				noError(t, err)
				if sum := checksumIn(a, head.ChecksumCRC32, head.ChecksumCRC32C, head.ChecksumCRC64NVME, head.ChecksumSHA1, head.ChecksumSHA256); sum != want {
					t.Errorf("head: got %q, want %q", sum, want)
				}
				header := map[string]string{"X-Amz-Checksum-" + string(a): want}
				wantRaw(t, send(t, rawRequest{method: "PUT", path: "/" + b + "/" + key, body: string(body), header: header}), "", 200)
			})
		}
	}
}

// TestChecksumRefused: a checksum that does not match, or can't be one, leaves no
// object.
func TestChecksumRefused(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for _, a := range algorithms {
		wrong := sumOf(a, []byte("other bytes"))
		trailer := "X-Amz-Checksum-" + string(a)
		for _, tc := range []struct {
			name string
			q    rawRequest
			code string
		}{
			{"wrong in the header", rawRequest{body: "body", header: map[string]string{trailer: wrong}}, "BadDigest"},
			{"too short", rawRequest{body: "body", header: map[string]string{trailer: "AAA="}}, "InvalidRequest"},
			{"wrong in the trailer", rawRequest{
				payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
				body:        "4\r\nbody\r\n0\r\n" + strings.ToLower(trailer) + ":" + wrong + "\r\n\r\n",
				header:      map[string]string{"X-Amz-Trailer": strings.ToLower(trailer), "X-Amz-Decoded-Content-Length": "4", "Content-Encoding": "aws-chunked"},
			}, "BadDigest"},
		} {
			t.Run(string(a)+" "+tc.name, func(t *testing.T) {
				tc.q.method, tc.q.path = "PUT", "/"+b+"/k"
				wantRaw(t, send(t, tc.q), tc.code, 400)
				_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
				wantError(t, err, "NoSuchKey", 404)
			})
		}
	}
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), ChecksumSHA256: aws.String("!")})
	if err == nil {
		t.Error("a checksum that is not base64 was accepted")
	}
}

// TestMultipartChecksums: composite and full-object checksums of an upload.
func TestMultipartChecksums(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	parts := [][]byte{random(1, object.PartMinBytes), random(2, object.PartMinBytes+3), random(3, 1000)}
	whole := append(append(append([]byte(nil), parts[0]...), parts[1]...), parts[2]...)
	for _, tc := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
	}{
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite},
	} {
		t.Run(string(tc.algorithm)+" "+string(tc.kind), func(t *testing.T) {
			key := string(tc.algorithm) + string(tc.kind)
			created, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
				Bucket: &b, Key: &key, ChecksumAlgorithm: tc.algorithm, ChecksumType: tc.kind,
			})
			noError(t, err)
			var done []types.CompletedPart
			var sums []byte
			for i, body := range parts {
				p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
					Bucket: &b, Key: &key, UploadId: created.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: readerOf(string(body)),
					ChecksumAlgorithm: tc.algorithm,
				})
				noError(t, err)
				sum, _ := base64.StdEncoding.DecodeString(sumOf(tc.algorithm, body))
				sums = append(sums, sum...)
				done = append(done, types.CompletedPart{
					PartNumber: aws.Int32(int32(i + 1)), ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32, ChecksumCRC32C: p.ChecksumCRC32C,
					ChecksumCRC64NVME: p.ChecksumCRC64NVME, ChecksumSHA256: p.ChecksumSHA256,
				})
			}
			want := sumOf(tc.algorithm, whole)
			if tc.kind == types.ChecksumTypeComposite {
				want = sumOf(tc.algorithm, sums) + "-3"
			}
			out, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
				Bucket: &b, Key: &key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
			})
			noError(t, err)
			if got := checksumIn(tc.algorithm, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256); got != want {
				t.Errorf("complete: got %q, want %q", got, want)
			}
			head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
			noError(t, err)
			if got := checksumIn(tc.algorithm, head.ChecksumCRC32, head.ChecksumCRC32C, head.ChecksumCRC64NVME, head.ChecksumSHA1, head.ChecksumSHA256); got != want || head.ChecksumType != tc.kind {
				t.Errorf("head: got %q %s, want %q %s", got, head.ChecksumType, want, tc.kind)
			}
			wantBody(t, c, b, key, whole)
		})
	}
}
