"""Engines run one batch; this is what they have in common. `app.engines.loading` chooses one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.card import Background

EngineName = Literal["torchscript", "openvino"]
EngineChoice = Literal["auto", EngineName]
EnginePrecision = Literal["float32", "bfloat16", "int8"]

Pixels = NDArray[np.uint8]
"""uint8 RGB `[H, W, 3]`."""


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
    ways: tuple[float, ...] | None = None
    """Logits of needing none, one, two and three quarter turns, clockwise, to be upright; None when
    the model cannot tell."""
    quarter_turns: int = 0
    """By how many it was turned before this was said."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the model saw of one image, and where in it the evidence for one category lies."""

    seen: Pixels
    """The network's input, uint8 RGB `[112, 112, 3]`."""
    heat: NDArray[np.float32]
    """From 0 to 1, `[15, 15]`, in cells of 8 pixels of `seen`, the first around the first pixel;
    all zeros when there is no such map."""


class Engine(Protocol):
    """One loaded model."""

    @property
    def name(self) -> EngineName:
        """Which one it is."""

    @property
    def precision(self) -> EnginePrecision:
        """What the network computes in."""

    @property
    def parallel(self) -> int:
        """From how many threads, of any, `run` and `explain` may be called at a time."""

    def prepare(self, image: Image.Image) -> Pixels:
        """What `run` and `explain` take of an RGB image of any size. May be called in any thread.

        What can be done to an image alone is done here, while others run.
        """

    def run(self, images: list[Pixels], alone: bool = False) -> list[Scores]:
        """The scores of images that were prepared, in order.

        Args:
            images: a batch.
            alone: whether nothing else is going on, so that it may have all threads.
        """

    def explain(self, image: Pixels, class_id: int) -> Explanation:
        """Where in a prepared image the evidence for a category is; costs as much as 30 images."""
