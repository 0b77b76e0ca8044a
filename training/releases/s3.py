"""A prefix of an S3 bucket as a destination for releases, by conditional puts.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import boto3
from botocore import exceptions as boto
from tqdm import tqdm

from training.aws import CONFIG, code_of, plain_errors
from training.errors import ChangedError, ExistsError, PublishError
from training.releases.destinations import Readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_ADVICE = {
    "AccessDenied": "access denied; these credentials need s3:GetObject and s3:PutObject on the "
    "prefix, and s3:ListBucket on the bucket (training/cloud/policies/publish-release.json)",
    "NotImplemented": "this S3 server knows no conditional puts, which publishing relies on",
}


class S3Destination:
    """`s3://BUCKET/PREFIX`."""

    def __init__(self, uri: str, client: S3Client | None = None) -> None:
        """Publish under `uri`; the client is made from the environment by default.

        Raises:
            PublishError: the URI names no bucket, or boto3 cannot be configured.
        """
        self.bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        self.prefix = prefix.strip("/")
        if not self.bucket:
            raise PublishError(f"{uri}: names no bucket; write s3://BUCKET/PREFIX")
        with self._plain_errors():
            # boto3 takes the region from AWS_DEFAULT_REGION only; ECS and Lambda set AWS_REGION.
            region = os.environ.get("AWS_REGION")
            self.client = client or boto3.Session(region_name=region).client("s3", config=CONFIG)

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable | None]:
        """The object's content; None where there is no such object."""
        with self._plain_errors(), contextlib.ExitStack() as stack:
            try:
                response = self.client.get_object(Bucket=self.bucket, Key=self._key(name))
            except boto.ClientError as error:
                if code_of(error) not in _MISSING:
                    raise
                yield None
            else:
                yield stack.enter_context(contextlib.closing(response["Body"]))

    def read(self, name: str) -> tuple[bytes, str] | None:
        """A small object's content, and its ETag."""
        with self._plain_errors():
            try:
                response = self.client.get_object(Bucket=self.bucket, Key=self._key(name))
            except boto.ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
            with contextlib.closing(response["Body"]) as body:
                return body.read(), response["ETag"]

    def create(self, name: str, source: BinaryIO, size: int, sha256: str) -> None:
        """Put with `If-None-Match: *`; S3 checks the SHA-256 on arrival. Shows a progress bar.

        One put, because S3 takes 5 GB in one and an artifact is at most a tenth of that.
        """
        # disable=None: no bar where the output is no terminal.
        bar = tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=None)
        with self._plain_errors(), bar:
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=self._key(name),
                    Body=_Watched(source, bar),  # type: ignore[arg-type]  # read, seek and tell do
                    ContentLength=size,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                    IfNoneMatch="*",
                )
            except boto.ClientError as error:
                if code_of(error) not in _CONFLICT:
                    raise
                raise ExistsError(f"{self}/{name} exists") from error

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Put with `If-Match: ETAG`, or `If-None-Match: *` where there was none."""
        key = self._key(name)
        with self._plain_errors():
            try:
                if tag is None:
                    self.client.put_object(
                        Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*"
                    )
                else:
                    self.client.put_object(Bucket=self.bucket, Key=key, Body=content, IfMatch=tag)
            except boto.ClientError as error:
                # AWS answers 404 to If-Match where the object was deleted meanwhile.
                if code_of(error) not in _CONFLICT | _MISSING:
                    raise
                raise ChangedError(f"{self}/{name} was changed meanwhile") from error

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _plain_errors(self) -> contextlib.AbstractContextManager[None]:
        return plain_errors(str(self), PublishError, _ADVICE)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class _Watched:
    """A file whose position the progress bar follows, also back when boto3 reads it again."""

    def __init__(self, file: BinaryIO, bar: tqdm[None]) -> None:
        self._file, self._bar = file, bar

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(size)
        self._bar.update(len(chunk))
        return chunk

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        position = self._file.seek(offset, whence)
        self._bar.reset()
        self._bar.update(position)
        return position

    def tell(self) -> int:
        return self._file.tell()
