"""Choosing an engine. Another one than TorchScript or OpenVINO is added here, nowhere else."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable

from app.artifact import Artifact
from app.cpu import is_fast_at_bfloat16, is_fast_at_int8
from app.engines import Engine, EngineChoice, EngineError, EnginePrecision
from app.engines.proof import mismatches, warm_up

MAX_PARALLEL = 8
"""Inferences at the same time, at most."""

_log = logging.getLogger(__name__)


def load_engine(
    artifact: Artifact,
    precision: EnginePrecision | None,
    threads: int,
    batch_size: int,
    choice: EngineChoice = "torchscript",
    parallel: int | None = None,
    threads_alone: int = 1,
) -> Engine:
    """Load `artifact`, warmed up and proven on its golden images.

    Args:
        artifact: a verified one.
        precision: None for the one that the processor and the engine are fastest in. One that
            cannot be run or answers the golden images wrong is not taken, but the next better one.
        threads: of all inferences together.
        batch_size: the largest batch that will be run.
        choice: `auto` takes OpenVINO where it is installed and answers right, else TorchScript.
        parallel: inferences at a time, which share the threads; None for `inferences(threads)`.
        threads_alone: of an inference while nothing else is going on; TorchScript ignores it.

    Raises:
        EngineError: it cannot be loaded or answers wrong in float32 as well.
    """
    if parallel is None:
        parallel = inferences(threads)
    if choice == "torchscript":
        return _torchscript(artifact, precision, threads, batch_size, parallel)
    try:
        return _openvino(artifact, precision, threads, batch_size, parallel, threads_alone)
    except EngineError as error:
        if choice != "auto":
            raise
        instead_of = error
    try:
        engine = _torchscript(artifact, precision, threads, batch_size, parallel)
    except EngineError as error:
        raise EngineError(f"{error}; and {instead_of}") from error
    if not isinstance(instead_of, _NotInstalled):
        _log.warning("TorchScript is used instead of OpenVINO: %s", instead_of)
    return engine


def inferences(threads: int) -> int:
    """How many at a time: of one thread each, since threads that share one wait for each other.

    Of more threads where Python could not feed so many, and then alike, with as few idle as can be.
    """
    return threads // math.ceil(threads / MAX_PARALLEL)


class _NotInstalled(EngineError):
    """The package that an engine needs is not there."""


def _torchscript(
    artifact: Artifact,
    precision: EnginePrecision | None,
    threads: int,
    batch_size: int,
    parallel: int,
) -> Engine:
    """The engine of `app.engines.torchscript`, proven."""
    # Before torch loads OpenMP: threads that spin while they wait are ruinous where something else
    # uses the processor (start-up 75 s instead of 6 s beside a training run on two cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from app.engines.torchscript import TorchScriptEngine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise EngineError("the engine torchscript needs torch, which is not installed") from error

    def build(precision: EnginePrecision) -> Engine:
        if precision == "int8":
            raise EngineError("TorchScript does not compute in int8; OpenVINO does")
        return TorchScriptEngine(artifact, precision, threads, parallel)

    order = _order(precision, can_int8=False)
    return _proven("TorchScript", build, artifact, order, batch_size)


def _openvino(
    artifact: Artifact,
    precision: EnginePrecision | None,
    threads: int,
    batch_size: int,
    parallel: int,
    threads_alone: int,
) -> Engine:
    """The engine of `app.engines.openvino`, proven."""
    try:
        from app.engines.openvino import OpenVINOEngine
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "openvino":
            raise _NotInstalled(
                "the engine openvino needs the package openvino, which is not installed: "
                "pip install openvino"
            ) from error
        raise EngineError(f"the package openvino cannot be imported: {error}") from error
    if precision == "int8" and artifact.ranges is None:
        raise EngineError(
            f"{artifact.path}: was exported before int8 was known, and does not say in which "
            "ranges its layers compute: export it again, or take another GARMENT_PRECISION"
        )

    def build(precision: EnginePrecision) -> Engine:
        return OpenVINOEngine(artifact, precision, threads, parallel, threads_alone)

    order = _order(precision, can_int8=artifact.ranges is not None)
    return _proven("OpenVINO", build, artifact, order, batch_size)


def _order(precision: EnginePrecision | None, *, can_int8: bool) -> list[EnginePrecision]:
    """The precisions to be tried, the fastest first; float32 is the last resort."""
    fast: dict[EnginePrecision, bool] = {
        "int8": can_int8 and is_fast_at_int8(),
        "bfloat16": is_fast_at_bfloat16(),
        "float32": True,
    }
    order = [one for one, is_fast in fast.items() if is_fast or one == precision]
    return order if precision is None else order[order.index(precision) :]


def _proven(
    name: str,
    build: Callable[[EnginePrecision], Engine],
    artifact: Artifact,
    order: list[EnginePrecision],
    batch_size: int,
) -> Engine:
    """The first engine in `order` that answers the golden images right, warmed up.

    Raises:
        EngineError: none does; it tells of each why.
    """
    reasons: list[str] = []
    for precision in order:
        try:
            engine = build(precision)
            wrong = mismatches(engine, artifact.golden)
            if not wrong:
                warm_up(engine, batch_size)
                if reasons:
                    _log.warning("%s is used, because %s", precision, "; ".join(reasons))
                return engine
            reasons.append(
                f"{name} in {precision} answers the model's own golden images wrong: {wrong[0]}"
            )
        except EngineError:
            raise
        except Exception as error:  # whatever it stumbles over, another precision may not
            said = " ".join(str(error).split())[:300]  # a trace of C++ may follow
            reasons.append(f"{name} cannot run it in {precision}: {type(error).__name__}: {said}")
    raise EngineError(f"{artifact.path}: {'; '.join(reasons)}")
