"""Engines run one batch. Another one than TorchScript or OpenVINO is added here, nowhere else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact import CATEGORIES, Artifact, Background, Golden, Precision
from app.images import decode

GOLDEN_TOLERANCE = 0.02
"""Largest difference to a golden image's probabilities."""

EngineChoice = Literal["auto", "torchscript", "openvino"]

Pixels = NDArray[np.uint8]
"""uint8 RGB `[H, W, 3]`."""

_log = logging.getLogger(__name__)


class EngineError(Exception):
    """The artifact cannot be run, or does not answer its golden images right."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of one image."""

    probabilities: tuple[float, ...]
    """Of the ten categories, by class id; they sum to 1."""
    garment_probability: float | None
    """Of being one of the ten at all; None when the model cannot tell."""
    background: Background
    """What lies around the garment; the model's limits depend on it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the model saw of one image, and where in it the evidence for one category lies."""

    seen: Pixels
    """The network's input, uint8 RGB `[112, 112, 3]`."""
    heat: NDArray[np.float32]
    """From 0 to 1, `[15, 15]`, in cells of 8 pixels of `seen`, the first around the first pixel;
    all zeros when there is no such map."""


class Engine(Protocol):
    """One loaded model, to be used in one thread: the one that loaded it."""

    @property
    def name(self) -> str:
        """`torchscript` or `openvino`."""

    @property
    def precision(self) -> Precision:
        """What the network computes in."""

    def run(self, images: list[Pixels]) -> list[Scores]:
        """The scores of images of any sizes, in order."""

    def explain(self, image: Pixels, class_id: int) -> Explanation:
        """Where in an image the evidence for a category lies; costs as much as 20 images."""


def load_engine(
    artifact: Artifact,
    precision: Precision | None,
    threads: int,
    batch_size: int,
    choice: EngineChoice = "torchscript",
    cache: Path | None = None,
) -> Engine:
    """Load `artifact`, warmed up and proven on its golden images.

    Args:
        artifact: a verified one.
        precision: None for bfloat16 where the processor has instructions for it. Where bfloat16
            answers the golden images wrong, float32 is taken instead.
        threads: of one inference.
        batch_size: the largest batch that will be run.
        choice: `auto` takes OpenVINO where it is installed and answers right, else TorchScript.
        cache: folder for compiled networks; None for none.

    Raises:
        EngineError: it cannot be loaded or answers wrong in float32 as well.
    """
    # Before torch loads OpenMP: threads that spin while they wait are ruinous where something else
    # uses the processor (start-up 75 s instead of 6 s beside a training run on two cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from app.engines.torchscript import TorchScriptEngine, fast_precision

    chosen = precision or fast_precision()
    if choice != "torchscript":
        try:
            return _openvino(artifact, chosen, threads, batch_size, cache)
        except _NotInstalled as error:
            if choice != "auto":
                raise EngineError(str(error)) from error
        except EngineError as error:
            if choice != "auto":
                raise
            _log.warning("TorchScript is used instead of OpenVINO: %s", error)
    return _proven(
        lambda precision: TorchScriptEngine(artifact, precision, threads),
        artifact,
        chosen,
        batch_size,
    )


class _NotInstalled(Exception):
    """The package that an engine needs is not there."""


def _openvino(
    artifact: Artifact, precision: Precision, threads: int, batch_size: int, cache: Path | None
) -> Engine:
    """The engine of `app.engines.openvino`, proven."""
    try:
        from app.engines.openvino import OpenVINOEngine
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "openvino":
            raise _NotInstalled(
                "the engine openvino needs the package openvino, which is not installed: "
                "pip install 'garment-classifier[openvino]'"
            ) from error
        raise EngineError(f"the package openvino cannot be imported: {error}") from error
    try:
        return _proven(
            lambda precision: OpenVINOEngine(artifact, precision, threads, cache),
            artifact,
            precision,
            batch_size,
        )
    except EngineError:
        raise
    except Exception as error:  # whatever it stumbles over, there is another engine
        said = " ".join(str(error).split())[:300]  # a trace of C++ may follow
        raise EngineError(f"{artifact.path}: OpenVINO cannot run it: {said}") from error


def _proven(
    build: Callable[[Precision], Engine], artifact: Artifact, precision: Precision, batch_size: int
) -> Engine:
    """An engine that answers the golden images right, in float32 if need be, and warmed up."""
    engine = build(precision)
    wrong = mismatches(engine, artifact.golden)
    if wrong and precision != "float32":
        reason = f"in {precision} {wrong[0]}"
        engine = build("float32")
        wrong = mismatches(engine, artifact.golden)
        if not wrong:
            _log.warning("float32 is used, because %s", reason)
    if wrong:
        raise EngineError(
            f"{artifact.path}: the model answers its own golden images wrong: {wrong[0]}"
        )
    warm_up(engine, batch_size)
    return engine


def mismatches(engine: Engine, golden: list[Golden]) -> list[str]:
    """One sentence for each golden image that `engine` answers otherwise than it should."""
    found = []
    for number, image in enumerate(golden):
        pixels = np.asarray(decode(image.png).image)
        scores = engine.run([pixels])[0]
        label = CATEGORIES[int(np.argmax(scores.probabilities))]
        pairs = zip(scores.probabilities, image.probabilities, strict=True)
        difference = max(abs(ours - theirs) for ours, theirs in pairs)
        if label != image.label or not difference <= GOLDEN_TOLERANCE:
            found.append(
                f"golden image {number} is {label} instead of {image.label}, its probabilities "
                f"differ by up to {difference:.3f}"
            )
    return found


def warm_up(engine: Engine, batch_size: int) -> None:
    """Run what real requests will look like, so that no user waits for a first run.

    The first runs of each kind compile: square images and others, one and several.
    """
    noise: NDArray[Any] = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    square, tall = noise[:28, :28], noise[:, :336]
    for batch in ([square], [tall], [square, tall], [square] * batch_size):
        engine.run(batch)
        engine.run(batch)
