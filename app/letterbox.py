"""What the artifact's `preprocess` and `backgrounds` do, for engines that run without torch.

The artifact's own methods are the reference: tests hold the two together, and an artifact that
prepares its images otherwise fails on its golden images and is run by another engine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.images import MAX_EDGE

LARGEST_EDGE = 2 * MAX_EDGE
"""What is larger is shrunk to this first: two steps are faster then."""

WHITE = 240
BLACK = 16
"""Levels of 0 to 255 from which on a border is white, and up to which it is black."""


def fit(image: Image.Image, size: int) -> Image.Image:
    """A copy of an RGB image whose longest edge is `size` pixels."""
    longest = max(image.size)
    width, height = (max(1, int(edge * size / longest + 0.5)) for edge in image.size)
    if (width, height) == image.size:
        return image.copy()
    return image.resize((width, height), Image.Resampling.BILINEAR)


def letterbox(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """An RGB image in a square, aspect kept, the rest filled with the median of its border.

    Args:
        image: of any size; not changed.
        size: edge of the square, in pixels.

    Returns:
        uint8 `[size, size, 3]`.
    """
    image = fit(image, size)
    width, height = image.size
    pixels = np.asarray(image)
    if width == height:
        return pixels
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    middle = (len(border) - 1) // 2  # the lower of two, as torch's median
    red, green, blue = np.partition(border, middle, axis=0)[middle].tolist()
    square = Image.new("RGB", (size, size), (red, green, blue))  # numpy takes four times as long
    square.paste(image, ((size - width) // 2, (size - height) // 2))
    return np.asarray(square)


def backgrounds(batch: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Places in `app.card.BACKGROUNDS` `[N]` of uint8 `[N, S, S, 3]` squares."""
    border = np.concatenate([batch[:, 0], batch[:, -1], batch[:, :, 0], batch[:, :, -1]], axis=1)
    # The lower median is at or over a level when fewer than half of the values are below it.
    middle = (border.shape[1] - 1) // 2
    white = ((border < WHITE).sum(axis=1) <= middle).all(axis=1)
    black = ((border <= BLACK).sum(axis=1) > middle).all(axis=1)
    return np.where(white, 0, np.where(black, 1, 2))
