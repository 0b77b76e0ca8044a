"""One file to one S3 object, in parts that are kept when the upload is interrupted.

S3 checks the SHA-256 of every part when it arrives. The SHA-256 of the whole file is kept in the
object's metadata, by which it is known again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.cloud.buckets import Location
from training.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 16 * 2**20
"""A file up to this size goes in one request; S3 wants parts of 5 MiB at least."""

METADATA = "sha256"

Progress = Callable[[int], object]
"""Is told of so many more bytes that are there."""


def stored_sha256(s3: S3Client, where: Location) -> tuple[int, str | None]:
    """Size and SHA-256 (hexadecimal) of an object that `put` made; None for those of others."""
    head = s3.head_object(Bucket=where.bucket, Key=where.key)
    return head["ContentLength"], head["Metadata"].get(METADATA)


def first_request(where: Location, size: int, sha256: str) -> tuple[str, dict[str, Any]]:
    """The request of S3 that `put` begins with, but for a body: the operation and its parameters.

    Args:
        where: the object to write.
        size: of the file, in bytes.
        sha256: of the file, hexadecimal.
    """
    request = {"Bucket": where.bucket, "Key": where.key, "Metadata": {METADATA: sha256}}
    if size > PART_BYTES:
        return "CreateMultipartUpload", {**request, "ChecksumAlgorithm": "SHA256"}
    return "PutObject", {**request, "ChecksumSHA256": _base64(bytes.fromhex(sha256))}


def put(s3: S3Client, path: Path, where: Location, sha256: str, progress: Progress) -> None:
    """Upload a file, or what is missing of it when an earlier upload was interrupted.

    Args:
        s3: the client.
        path: the file.
        where: the object to write.
        sha256: of the whole file, hexadecimal.
        progress: see `Progress`.

    Raises:
        CloudError: the file is no longer the one with this SHA-256.
    """
    operation, request = first_request(where, path.stat().st_size, sha256)
    if operation == "PutObject":
        content = path.read_bytes()
        _check_unchanged(path, hashlib.sha256(content).hexdigest(), sha256)
        s3.put_object(**request, Body=content)
        progress(len(content))
        return
    # The name of an upload in parts tells nothing of its file. So it is gone on with only where
    # its parts are equal so far; `upload` compares the metadata at the end.
    found, there = _interrupted(s3, where)
    upload = found or s3.create_multipart_upload(**request)["UploadId"]
    parts: list[CompletedPartTypeDef] = []
    whole = hashlib.sha256()
    for number, content in _parts(path):
        checksum = _base64(hashlib.sha256(content).digest())
        whole.update(content)
        known, tag = there.get(number, ("", ""))
        # Some servers list no checksums; then the ETag of a part is its MD5, as on S3 long ago.
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if known != checksum and (known or tag.strip('"') != md5):
            tag = s3.upload_part(
                Bucket=where.bucket,
                Key=where.key,
                UploadId=upload,
                PartNumber=number,
                Body=content,
                ChecksumSHA256=checksum,
            )["ETag"]
        parts.append({"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum})
        progress(len(content))
    _check_unchanged(path, whole.hexdigest(), sha256)
    s3.complete_multipart_upload(
        Bucket=where.bucket, Key=where.key, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def forget(s3: S3Client, where: Location) -> None:
    """Drop the parts of interrupted uploads of an object, which cost money while they lie there."""
    while upload := _interrupted(s3, where)[0]:
        s3.abort_multipart_upload(Bucket=where.bucket, Key=where.key, UploadId=upload)


def _interrupted(s3: S3Client, where: Location) -> tuple[str | None, dict[int, tuple[str, str]]]:
    """An upload that was begun, and of each of its parts the checksum and the ETag."""
    answer = s3.list_multipart_uploads(Bucket=where.bucket, Prefix=where.key)
    for upload in answer.get("Uploads", []):
        if upload["Key"] == where.key:
            pages = s3.get_paginator("list_parts").paginate(
                Bucket=where.bucket, Key=where.key, UploadId=upload["UploadId"]
            )
            return upload["UploadId"], {
                part["PartNumber"]: (part.get("ChecksumSHA256", ""), part["ETag"])
                for page in pages
                for part in page.get("Parts", [])
            }
    return None, {}


def _parts(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while content := file.read(PART_BYTES):
            number += 1
            yield number, content


def _check_unchanged(path: Path, read: str, expected: str) -> None:
    if read != expected:
        raise CloudError(f"{path} was changed while it was uploaded; run this again")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
