"""S3 addresses: their parts, and whether a bucket lies where SageMaker can read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from training.aws import code_of, plain_errors
from training.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Location(NamedTuple):
    """A bucket and a key or prefix in it, without slashes at its ends."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    @property
    def prefix(self) -> str:
        """What the keys below it begin with."""
        return f"{self.key}/" if self.key else ""


class Stored(NamedTuple):
    """An object below a prefix: its key, and its size in bytes."""

    key: str
    size: int


def location(uri: str) -> Location:
    """The parts of `s3://BUCKET/KEY`.

    Raises:
        CloudError: it is no such address.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise CloudError(f"{uri!r} is no S3 address; write s3://BUCKET/PREFIX")
    return Location(bucket, key.strip("/"))


def check_region(s3: S3Client, bucket: str) -> None:
    """SageMaker reads and writes only buckets of its own region, so a bucket must lie there.

    Raises:
        CloudError: it lies in another region, does not exist, or may not be seen.
    """
    found = None
    with plain_errors(f"looking at s3://{bucket}"):
        try:
            found = s3.head_bucket(Bucket=bucket).get("BucketRegion")
        except ClientError as error:
            if code_of(error) not in ("400", "403"):
                raise
            # Whether the keys have expired, are unknown or may not: an answer to HEAD has no body
            # that says it.
            s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    if found and found != s3.meta.region_name:
        raise CloudError(
            f"s3://{bucket} lies in {found}, and the region here is {s3.meta.region_name}: set "
            f"AWS_REGION={found}, or take a bucket of {s3.meta.region_name}"
        )


def names_in(s3: S3Client, where: Location) -> set[str]:
    """What lies directly in a prefix, as in a folder: its objects, and its folders with a slash.

    Raises:
        CloudError: the bucket cannot be listed.
    """
    found: set[str] = set()
    with plain_errors(f"listing {where}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=where.bucket, Prefix=where.prefix, Delimiter="/"
        )
        for page in pages:
            found |= {each["Key"] for each in page.get("Contents", [])}
            found |= {each["Prefix"] for each in page.get("CommonPrefixes", [])}
    return {name.removeprefix(where.prefix) for name in found - {where.prefix}}


def stored(s3: S3Client, where: Location) -> Iterator[Stored]:
    """What lies below a prefix.

    Raises:
        CloudError: the bucket cannot be listed.
    """
    with plain_errors(f"listing {where}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=where.bucket, Prefix=where.prefix
        )
        for page in pages:
            for found in page.get("Contents", []):
                yield Stored(found["Key"], found["Size"])
