"""S3 for reading: what a reference names, small files and streams.

The endpoint, the region and the credentials are boto3's own: AWS_ENDPOINT_URL_S3, AWS_REGION,
AWS_PROFILE, AWS_ACCESS_KEY_ID and so on, or the role of the machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from app.store.errors import BrokenOffError, StoreError
from app.store.explain import explain, said

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

# A service that starts should know within half a minute that S3 is not there.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
)
_MAX_SMALL = 64 * 1024


@dataclass(frozen=True)
class Location:
    """An object on S3."""

    bucket: str
    key: str

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def beside(self, path: str) -> Location:
        """The object at `path`, relative to this one's prefix."""
        prefix, slash, _ = self.key.rpartition("/")
        return Location(self.bucket, prefix + slash + path)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Object:
    """An object's content, read as it arrives."""

    def __init__(self, location: Location, body: StreamingBody, tag: str) -> None:
        self.location, self.tag, self._body = location, tag, body

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes.

        Raises:
            BrokenOffError: the connection was lost.
        """
        try:
            return self._body.read(None if size < 0 else size)
        except (boto.BotoCoreError, OSError) as error:
            raise BrokenOffError(f"{self.location}: the download broke off ({error})") from error


def parse(reference: str) -> Location:
    """`s3://BUCKET/KEY` as a location.

    Raises:
        StoreError: the bucket or the key is missing.
    """
    bucket, _, key = reference.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise StoreError(
            f"{reference}: names no object. Write s3://BUCKET/PREFIX/ and then latest.json, "
            "model.pt or model.tar.gz."
        )
    return Location(bucket, key)


@contextlib.contextmanager
def connected(client: S3Client | None) -> Iterator[S3Client]:
    """`client` itself, or a new one that is closed at the end."""
    if client is not None:
        yield client
        return
    try:
        # A session of its own reads renewed credentials, and may be made in any thread.
        # boto3 takes the region from AWS_DEFAULT_REGION only; ECS and Lambda set AWS_REGION.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        new = session.client("s3", config=_CONFIG)
    except Exception as error:
        raise StoreError(
            f"S3 cannot be used as it is configured: {said(error)}. Check AWS_PROFILE, AWS_REGION, "
            "AWS_ENDPOINT_URL_S3 and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE."
        ) from error
    with contextlib.closing(new):
        yield new


@contextlib.contextmanager
def opened(client: S3Client, location: Location) -> Iterator[Object]:
    """The object at `location`, not yet read.

    Raises:
        StoreError: it cannot be had; the message says why and what to do.
    """
    try:
        response = client.get_object(Bucket=location.bucket, Key=location.key)
    except Exception as error:
        raise explain(error, location) from error
    with contextlib.closing(response["Body"]) as body:
        yield Object(location, body, _tag(response, location))


def tag_of(client: S3Client, location: Location) -> str:
    """The tag of the object at `location`, as `opened` gives it; nothing of it is read.

    Raises:
        StoreError: as `opened`.
    """
    try:
        answer = client.head_object(Bucket=location.bucket, Key=location.key)
    except Exception as error:
        raise explain(error, location) from error
    return _tag(answer, location)


def read_small(client: S3Client, location: Location) -> bytes:
    """A whole small object, such as a manifest.

    Raises:
        StoreError: as `opened`, or it is larger than 64 KiB.
    """
    with opened(client, location) as remote:
        content = remote.read(_MAX_SMALL + 1)
    if len(content) > _MAX_SMALL:
        raise StoreError(f"{location}: larger than {_MAX_SMALL:,} bytes, so it is not what it says")
    return content


def _tag(answer: Mapping[str, object], location: Location) -> str:
    """What is another one whenever the content is."""
    if "ETag" not in answer or "ContentLength" not in answer:
        raise StoreError(
            f"{location}: what answers at AWS_ENDPOINT_URL_S3 is no S3, as it gives no ETag. "
            "Check that address: a web page may be there."
        )
    return f"{answer['ETag']} {answer['ContentLength']} {answer.get('VersionId', '')}".strip()
