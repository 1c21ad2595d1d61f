package server_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stampede-store/stampede/internal/testenv"
)

// TestDiskFull fills a small file system: uploads are refused clearly, reads and
// deletes go on, and what deletes freed is used again. It needs the right to
// mount one.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=640m"); err != nil {
		t.Skipf("a file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := testenv.Start(t, "--data", dir+"/data")
	t.Cleanup(s.Kill) // before the file system goes
	c := client(s)
	createBucket(t, c)
	body := strings.Repeat("0123456789abcdef", 1<<20)
	var stored []string
	for i := range 60 {
		key := fmt.Sprintf("large-%d", i)
		err := tryPut(t, c, key, body)
		if err == nil {
			stored = append(stored, key)
			continue
		}
		if e, ok := errors.AsType[*smithyhttp.ResponseError](err); !ok || e.HTTPStatusCode() != 507 {
			t.Fatalf("a full disk answered with %v, want 507", err)
		}
		break
	}
	if len(stored) < 5 || len(stored) == 60 {
		t.Fatalf("%d objects of 16 MiB were stored in 640 MiB", len(stored))
	}
	wantBody(t, c, stored[0], body)
	for _, key := range stored {
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("bucket"), Key: &key}); err != nil {
			t.Fatalf("delete on a full disk: %v", err)
		}
	}
	// The space comes back when readers' marks have passed the deletes.
	for tryPut(t, c, "again", body) != nil {
		if t.Context().Err() != nil {
			t.Fatal("no space came back")
		}
	}
	wantBody(t, c, "again", body)
}
