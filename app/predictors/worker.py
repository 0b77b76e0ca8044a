"""One more process that decodes and infers: Python runs one thread at a time, a core each does not.

Started by `app.predictors.crew`, which hands it a connected socket: `python -m
app.predictors.worker NUMBER`. It is told which model it runs, answers one batch after another, and
ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import resource
import signal
import socket
import sys
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from app.artifact import ArtifactError, open_artifact
from app.cpu import schedule_as_batch
from app.engines import EngineError
from app.engines.loading import load_engine
from app.logs import configure_logging
from app.predictors.judging import judge
from app.predictors.messages import HEADER, Job, Usage, packed

_STATM = Path("/proc/self/statm")


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
    # All of this stays: no collection has to look at it, while photos wait.
    gc.collect()
    gc.freeze()
    schedule_as_batch()
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
    used = resource.getrusage(resource.RUSAGE_SELF)
    usage = Usage(used.ru_utime + used.ru_stime, _resident_bytes())
    try:
        data = packed((message, usage))
    except Exception:  # an error may hold what cannot be sent
        data = packed((RuntimeError(repr(message)), usage))
    stream.write(data)
    stream.flush()


def _resident_bytes() -> int:
    """0 where Linux is not."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main()
