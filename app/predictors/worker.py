"""One more process that decodes and infers: Python runs one thread at a time, a core each does not.

Started by `app.predictors.crew`, which hands it a connected socket: `python -m
app.predictors.worker NUMBER`. It is told which model it runs, answers one batch after another, and
ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from app.artifact import ArtifactError, open_artifact
from app.engines import EngineError, EngineName, EnginePrecision
from app.engines.loading import load_engine
from app.logs import configure_logging
from app.predictors.judging import judge

HEADER = struct.Struct("!I")
"""Before each message: how many bytes it has."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker runs."""

    model: Path
    sha256: str
    engine: EngineName
    precision: EnginePrecision
    threads: int
    batch_size: int
    max_pixels: int
    log_format: str
    log_level: str


def packed(message: object) -> bytes:
    """A message as it is sent; both sides are the same program, so pickles are understood."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def main() -> None:
    """Work until there is nobody to work for."""
    # Some send it to all processes of a service: the one who accepted the photos ends this one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (
        contextlib.suppress(EOFError, ConnectionError),
        socket.socket(fileno=int(sys.argv[1])) as connection,
        connection.makefile("rwb") as stream,
    ):
        _work(stream)


def _work(stream: BufferedRWPair) -> None:
    job: Job = _receive(stream)
    configure_logging(job.log_format, job.log_level)
    try:
        artifact = open_artifact(job.model)
        if artifact.sha256 != job.sha256:
            raise ArtifactError(f"{job.model} is another model now")
        engine = load_engine(
            artifact, job.precision, job.threads, job.batch_size, job.engine, parallel=1
        )
        if engine.precision != job.precision:
            raise EngineError(f"{job.model} cannot be run in {job.precision} here")
    except (ArtifactError, EngineError) as error:
        _send(stream, str(error))
        return
    _send(stream, None)
    while True:
        photos = _receive(stream)
        try:
            answer: object = judge(engine, job.max_pixels, photos)
        except Exception as error:
            answer = error
        _send(stream, answer)


def _receive(stream: BufferedRWPair) -> Any:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    return pickle.loads(stream.read(HEADER.unpack(header)[0]))  # noqa: S301  # from our own


def _send(stream: BufferedRWPair, message: object) -> None:
    try:
        data = packed(message)
    except Exception:  # an error may hold what cannot be sent
        data = packed(RuntimeError(repr(message)))
    stream.write(data)
    stream.flush()


if __name__ == "__main__":
    main()
