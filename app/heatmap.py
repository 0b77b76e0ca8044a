"""Draw an explanation: what the model saw, and over it where the evidence lies."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.engines import Explanation, Pixels

SCALE = 3
"""How many times larger than the network's input the heatmap is drawn, in each direction."""

CELL = 8
"""Edge of a cell of the map, in pixels of the network's input; the first is around the first."""

COLOUR_SHARE = 0.65
"""Of the colour over the photo; the rest is the photo in grey."""

_INFERNO = bytes.fromhex(
    "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754"
    "d04545 e35933 f1711f f98c0a fcaa0f f9c932 f2e865 fcffa4"
)
"""Every 16th colour of inferno, from black over red to pale yellow: brightness alone tells the
order, also to the colour-blind. Source: matplotlib's colour map of that name (Smith and van der
Walt, 2015, CC0)."""


def input_png(explanation: Explanation) -> bytes:
    """What the model saw, 112 x 112 pixels."""
    return _png(Image.fromarray(explanation.seen))


def heatmap_png(explanation: Explanation) -> bytes | None:
    """The map over what the model saw, 336 x 336 pixels; None when there is no map."""
    if not explanation.heat.any():
        return None
    photo = Image.fromarray(explanation.seen)
    size = (photo.width * SCALE, photo.height * SCALE)
    colours = Image.fromarray(_coloured(_enlarged(explanation.heat, size)))
    grey = photo.convert("L").convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return _png(Image.blend(grey, colours, COLOUR_SHARE))


def _enlarged(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The map with one value for each pixel of `size` (width, height), bilinear.

    Pillow counts from the edges, so a cell's centre is at a half: that of the first cell at 0.5 is
    the centre of the first pixel, which is half a pixel from the edge.
    """
    start = 0.5 - 0.5 / CELL
    width, height = (edge / SCALE / CELL for edge in size)
    box = (start, start, start + width, start + height)
    cells = Image.fromarray(heat.astype(np.float32))
    return np.asarray(cells.resize(size, Image.Resampling.BILINEAR, box=box))


def _coloured(heat: NDArray[np.float32]) -> Pixels:
    """Values from 0 to 1, `[H, W]`, as RGB `[H, W, 3]`."""
    samples = np.frombuffer(_INFERNO, dtype=np.uint8).reshape(-1, 3)
    places = np.linspace(0, 1, len(samples))
    channels = [np.interp(heat, places, samples[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
