"""A session of boto3 on one reused connection, against $STAMPEDE_ENDPOINT.

botocore sends "Expect: 100-continue" with every upload from a file object, also
when the file is empty, and holds the body back until the server has said "100
Continue", or has answered, or a second has passed. Go's HTTP server says no 100
for an empty body: it answers. botocore then keeps the status of that answer for
the connection until a request without Expect resets it. So an empty upload
directly followed by another upload takes the first one's status for the
second's, reads its answer wrongly, and stalls. Here such uploads follow each
other on one connection, with retries off.

Prints a line per step, and ends with status 1 at the first failure.
usage: boto3_expect.py BUCKET
"""

import hashlib
import io
import os
import sys
import time
import urllib.request

import boto3
import botocore.awsrequest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

READ_TIMEOUT_SECONDS = 10
LARGE_BYTES = 64 << 20

connections = 0


def count_connections():
    """Counts what botocore opens, by class of connection."""
    for cls in (botocore.awsrequest.AWSHTTPConnection, botocore.awsrequest.AWSHTTPSConnection):
        original = cls.connect

        def connect(self, original=original):
            global connections
            connections += 1
            return original(self)

        cls.connect = connect


def expectations(client):
    """Notes for each request whether it was sent with Expect: 100-continue."""
    sent = []

    def note(request, **_):
        value = request.headers.get("Expect")
        sent.append(value.decode() if isinstance(value, bytes) else value)

    client.meta.events.register("before-send.s3.*", note)
    return sent


def step(name, function):
    began = time.monotonic()
    try:
        detail = function()
    except Exception as error:  # whatever it is, it is the result
        print(f"FAIL boto3  {name} ({type(error).__name__}: {error})")
        sys.exit(1)
    detail = f"{detail}, " if detail else ""
    print(f"ok boto3  {name} ({detail}{time.monotonic() - began:.1f} s)", flush=True)


def main():
    bucket = sys.argv[1]
    region = os.environ.get("AWS_REGION", "us-east-1")
    count_connections()
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["STAMPEDE_ENDPOINT"],
        region_name=region,
        config=Config(
            max_pool_connections=1,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
        ),
    )
    expected = expectations(s3)

    def create_bucket():
        location = {} if region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": region}
        }
        s3.create_bucket(Bucket=bucket, **location)

    def put(key, body):
        expected.clear()
        s3.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(body))
        # Without it this script would show nothing.
        assert expected == ["100-continue"], f"botocore sent Expect: {expected}"

    def check(key, body):
        got = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert got == body, f"{key} came back with {len(got)} bytes instead of {len(body)}"

    def empty_then_read():
        for i in range(5):
            put(f"empty {i}", b"")
            check(f"empty {i}", b"")
            s3.list_objects_v2(Bucket=bucket)
        return "5 times"

    def empty_then_full():
        bodies = [os.urandom(100_000) for _ in range(5)]
        for i, body in enumerate(bodies):
            put("empty", b"")
            put(f"full {i}", body)
        for i, body in enumerate(bodies):
            check(f"full {i}", body)
        return "5 times"

    def empty_then_empty():
        for i in range(10):
            put(f"empty {i}", b"")
        return "10 times"

    def empty_part():
        upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
        part = None
        for _ in range(3):
            part = s3.upload_part(
                Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=io.BytesIO(b"")
            )
        s3.complete_multipart_upload(
            Bucket=bucket, Key="parts", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        assert s3.head_object(Bucket=bucket, Key="parts")["ContentLength"] == 0

    def refused_upload():
        for body in (b"", b"some bytes"):
            try:
                s3.put_object(Bucket=f"{bucket}-absent", Key="k", Body=io.BytesIO(body))
                raise AssertionError("an upload into an absent bucket succeeded")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                assert code == "NoSuchBucket", code
            s3.head_object(Bucket=bucket, Key="parts")

    def one_connection():
        # A refused upload may cost its connection: its body was not read.
        assert connections <= 3, f"{connections} connections were opened for one client"
        return f"{connections} opened"

    def before_refusal():
        assert connections == 1, f"{connections} connections were opened for one client"

    def large():
        data = os.urandom(LARGE_BYTES)
        config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
        s3.upload_fileobj(io.BytesIO(data), bucket, "large", Config=config)
        back = io.BytesIO()
        s3.download_fileobj(bucket, "large", back, Config=config)
        assert hashlib.sha256(back.getvalue()).digest() == hashlib.sha256(data).digest()
        return f"{LARGE_BYTES >> 20} MiB"

    def presign():
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "full 0"}, ExpiresIn=60)
        with urllib.request.urlopen(url, timeout=READ_TIMEOUT_SECONDS) as answer:
            assert len(answer.read()) == 100_000
        url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by URL"}, ExpiresIn=60)
        request = urllib.request.Request(url, data=b"presigned", method="PUT")
        with urllib.request.urlopen(request, timeout=READ_TIMEOUT_SECONDS):
            pass
        assert s3.get_object(Bucket=bucket, Key="by URL")["Body"].read() == b"presigned"

    def delete():
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        answer = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys], "Quiet": True}
        )
        assert not answer.get("Errors"), answer["Errors"]
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        return f"{len(keys)} keys"

    step("create bucket", create_bucket)
    step("empty upload, then a read", empty_then_read)
    step("empty upload, then a full one", empty_then_full)
    step("empty upload, then another", empty_then_empty)
    step("empty parts", empty_part)
    step("one connection for all of it", before_refusal)
    step("refused uploads, then other requests", refused_upload)
    step("connections", one_connection)
    step("large file by multipart", large)
    step("presign", presign)
    step("delete", delete)
    step("remove bucket", lambda: s3.delete_bucket(Bucket=bucket) and None)


if __name__ == "__main__":
    main()
