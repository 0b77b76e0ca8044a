"""Upload prepared data to S3, where training jobs read it.

DATA is what `prepare` wrote: train, valid and test as packs or trees (or any folder or file). Files
that are there already, by their SHA-256, are skipped, so an interrupted upload goes on when it is
started again; each file is verified after it arrived. Nothing is ever deleted. --dry-run prints the
requests, and needs no AWS: where it cannot be asked, all files are shown.

    python -m training cloud upload data/fashion-mnist s3://my-bucket/data/fashion-mnist
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from app.release import sha256_of
from training.aws import client, plain_errors, show_request
from training.cloud import parts
from training.cloud.buckets import Location, Stored, check_region, location, stored
from training.cloud.calls import Calls
from training.cloud.waiting import INTERRUPTED
from training.command import positive
from training.errors import CloudError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class File:
    """A file and where it goes; `there`: an object of its size is there already."""

    path: Path
    size: int
    where: Location
    there: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", type=Path, help="folder of prepared data, or one file")
    parser.add_argument("destination", help="s3://BUCKET/PREFIX")
    parser.add_argument(
        "--parallel", type=positive, default=8, help="files at once (default: %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the exact requests, only")


def run(arguments: argparse.Namespace) -> int:
    """Upload; prints how many files went and how many were there."""
    destination = location(arguments.destination)
    calls, bucket = Calls(arguments.dry_run), destination.bucket
    looking = {"Bucket": bucket, "MaxKeys": 0}
    calls.find("s3", "ListObjectsV2", looking, f"looking at s3://{bucket}")
    if calls.offline:
        _show(None, plan(arguments.data, destination, [])[0], destination)
        return 0
    s3 = client("s3", calls.session, connections=arguments.parallel)
    check_region(s3, bucket)
    files, strangers = plan(arguments.data, destination, stored(s3, destination))
    if strangers:
        print(
            f"note: {len(strangers):,} objects below {destination} are not in {arguments.data}, "
            f"such as {strangers[0]}; a training job would read them too"
        )
    if arguments.dry_run:
        _show(s3, files, destination)
        return 0
    try:
        sent = upload(s3, files, arguments.parallel)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    size = sum(file.size for file in sent)
    print(
        f"{destination}: {len(sent):,} files uploaded and verified ({size:,} bytes), "
        f"{len(files) - len(sent):,} were there already"
    )
    return 0


def plan(
    data: Path, destination: Location, found: Iterable[Stored]
) -> tuple[list[File], list[str]]:
    """The files to upload, and the keys below the destination that are none of them.

    Args:
        data: a folder or a file.
        destination: where it goes.
        found: what lies there already.

    Raises:
        CloudError: there is no data, or the bucket cannot be listed.
    """
    if data.is_dir():
        paths = sorted(path for path in data.rglob("*") if path.is_file())
        names = {path: path.relative_to(data) for path in paths}
    else:
        names = {data: Path(data.name)} if data.is_file() else {}
    names = {
        path: name
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.parts)
    }
    if not names:
        raise CloudError(f"{data} does not exist or holds no files")
    there = {one.key: one.size for one in found}
    files = []
    for path, name in names.items():
        key = "/".join(filter(None, (destination.key, name.as_posix())))
        size = path.stat().st_size
        files.append(File(path, size, Location(destination.bucket, key), there.get(key) == size))
    ours = {file.where.key for file in files}
    return files, [key for key in there if key not in ours]


def upload(s3: S3Client, files: list[File], parallel: int) -> list[File]:
    """Upload those files that are not there already, with a progress bar, and give them.

    Raises:
        CloudError: S3 refuses, or what arrived is not what was sent.
    """
    # disable=None: no bar where the output is no terminal.
    total = sum(file.size for file in files)
    bar = tqdm(desc="uploading", total=total, unit="B", unit_scale=True, disable=None)
    with bar, ThreadPoolExecutor(max_workers=parallel) as pool:
        waiting = {pool.submit(_send, s3, file, bar.update): file for file in files}
        try:
            return [waiting[done] for done in as_completed(waiting) if done.result()]
        except BaseException:  # also Ctrl-C: what runs is finished, what waits is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _send(s3: S3Client, file: File, progress: parts.Progress) -> bool:
    """Whether the file had to be uploaded."""
    sha256 = sha256_of(file.path)
    expected = (file.size, sha256)
    with plain_errors(f"uploading {file.path} to {file.where}"):
        if file.there and parts.stored_sha256(s3, file.where) == expected:
            progress(file.size)
            return False
        parts.put(s3, file.path, file.where, sha256, progress)
        if parts.stored_sha256(s3, file.where) == expected:
            return True
        # Parts of an older file were gone on with, and the metadata is that one's: once more.
        parts.forget(s3, file.where)
        parts.put(s3, file.path, file.where, sha256, lambda _: None)
        if parts.stored_sha256(s3, file.where) == expected:
            return True
    raise CloudError(
        f"{file.where} is not what was sent from {file.path}: was the file changed meanwhile? Run "
        "this again"
    )


def _show(s3: S3Client | None, files: list[File], destination: Location) -> None:
    """Print the requests of an upload; without a client, as if nothing were there."""
    size = count = 0
    for file in files:
        sha256 = sha256_of(file.path)
        with plain_errors(f"looking at {file.where}"):
            same = s3 and file.there and parts.stored_sha256(s3, file.where) == (file.size, sha256)
        if same:
            print(f"is there already: {file.where} ({file.size:,} bytes)")
            continue
        content = f"{file.path}, {file.size:,} bytes"
        operation, request = parts.first_request(file.where, file.size, sha256)
        if operation == "PutObject":
            show_request("s3", operation, {**request, "Body": content})
        else:
            show_request("s3", operation, request)
            number = math.ceil(file.size / parts.PART_BYTES)
            print(
                f"and then s3 UploadPart, {number} times, and CompleteMultipartUpload: {content};"
            )
            print("parts that are there from an interrupted upload are gone on with")
        size, count = size + file.size, count + 1
    print(
        f"{destination}: {count:,} files would be uploaded ({size:,} bytes), "
        f"{len(files) - count:,} are there already"
    )
