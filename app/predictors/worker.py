"""One more process that decodes and infers: Python runs one thread at a time, a core each does not.

Started by `app.predictors.crew`, which hands it a connected socket: `python -m
app.predictors.worker NUMBER`. It is told which model it runs, answers one batch after another, and
ends with the process that started it.
"""

from __future__ import annotations

import pickle
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.artifact import ArtifactError, open_artifact
from app.engines import EngineChoice, EngineError, EnginePrecision
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
    engine: EngineChoice
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


def main() -> int:
    """Work until there is nobody to work for."""
    # Ctrl-C and SIGTERM are sent to all processes of a terminal or a service: what is accepted is
    # finished first, and the one who accepted it says when.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as connection, connection.makefile("rwb") as stream:
        try:
            _work(stream)
        except (EOFError, ConnectionError):
            return 0


def _work(stream: BinaryIO) -> None:
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


def _receive(stream: BinaryIO) -> Any:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    return pickle.loads(stream.read(HEADER.unpack(header)[0]))  # noqa: S301  # from our own


def _send(stream: BinaryIO, message: object) -> None:
    try:
        data = packed(message)
    except Exception:  # an error may hold what cannot be sent
        data = packed(RuntimeError(repr(message)))
    stream.write(data)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
