"""The model.pt that a user names: a file, or what lies in a model.tar.gz, also on S3.

A training job of SageMaker leaves s3://BUCKET/jobs/JOB/output/model.tar.gz.
"""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from app.artifact import ArtifactError
from app.release import ARCHIVE_FILE, MODEL_FILE
from training.errors import PublishError
from training.releases.destinations import Readable


@contextlib.contextmanager
def model_file(given: str) -> Iterator[Path]:
    """The model as a file, for as long as the context lasts.

    Raises:
        ArtifactError: it is not on S3, or the archive is none or holds no model.pt.
        PublishError: S3 refuses, or cannot be reached.
        OSError: an archive here cannot be read.
    """
    packed = given.endswith((".tar.gz", ".tgz"))
    if not packed and not given.startswith("s3://"):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as folder, _opened(given) as stream:
        path = Path(folder) / MODEL_FILE
        if packed:
            extract(stream, path, given)
        else:
            with path.open("wb") as file:
                shutil.copyfileobj(stream, file)
        yield path


def extract(stream: Readable, path: Path, name: str) -> None:
    """Write the model.pt at the root of a model.tar.gz to `path`.

    Raises:
        ArtifactError: the archive, which the message calls `name`, is damaged or holds none.
    """
    try:
        with model_in(stream) as content:
            if content is None:
                raise ArtifactError(f"{name} holds no {MODEL_FILE} at its root")
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise ArtifactError(f"{name} is no .tar.gz, or is damaged: {error}") from error


@contextlib.contextmanager
def model_in(stream: Readable) -> Iterator[IO[bytes] | None]:
    """The model.pt at the root of a model.tar.gz, as the service finds it; None without one.

    Raises:
        TarError, EOFError: it is no .tar.gz, or is damaged.
    """
    # typeshed asks for IO[bytes]; the stream mode of tarfile calls read() and nothing else.
    with tarfile.open(fileobj=stream, mode="r|gz") as tar:  # type: ignore[call-overload]
        for member in tar:
            # SageMaker's own archives may say ./model.pt. Links have no content.
            if member.isreg() and member.name in (MODEL_FILE, f"./{MODEL_FILE}"):
                yield tar.extractfile(member)
                return
    yield None


@contextlib.contextmanager
def _opened(given: str) -> Iterator[Readable]:
    if not given.startswith("s3://"):
        with Path(given).open("rb") as file:
            yield file
        return
    from training.releases.s3 import S3Destination  # boto3 takes half a second to import

    folder, _, name = given.rpartition("/")
    if not name or folder == "s3:/":
        raise PublishError(f"{given}: name the file, such as s3://BUCKET/PREFIX/{ARCHIVE_FILE}")
    with contextlib.closing(S3Destination(folder)) as place, place.open(name) as found:
        if found is None:
            raise ArtifactError(f"{given} is not there")
        yield found
