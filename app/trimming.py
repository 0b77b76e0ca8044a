"""Cuts off what is around a photo and not of it: even bars, and wide margins of one colour.

A network that has seen garments fill their photos is as wrong on a small one in a large white
square as on noise, and bars of another colour hide what the photo's background is. What has no such
border is left as it is. Serving and training both read photos through this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from app.images import DecodedImage

LOOKED_AT_EDGE = 128
"""Longest edge, in pixels, at which an image is looked at: reduced by a whole number to this."""

TOLERANCE = 8
"""Levels of 0 to 255 by which a border of one colour may differ from it: the noise of JPEG."""

SMALL = 0.7
"""What fills less of both edges of its image is cut out; of catalogue photos, one in fourteen."""

MARGIN = 0.12
"""Of its longest edge, what is then left around it on each side: as most catalogue photos have."""

SPECK = 0.1
"""What fills less of both edges is dust, or a mark, and nothing to look at alone."""

STRAIGHT = 0.8
"""Share of each side of a photo that differs from the bars around it, where they are bars."""

LEAST_PHOTO = 28
"""Edge of a photo with bars, in pixels as looked at: a smaller one is rather a straight thing."""

THIN = 0.02
"""Bars of a smaller share of the edge are left."""

_MOST_FRAMES = 3
_DIFFERS = tuple(255 * (level > TOLERANCE) for level in range(256))
_Box = tuple[int, int, int, int]


def trim(decoded: DecodedImage) -> DecodedImage:
    """The photo without bars and wide margins; the same one where it has none.

    Its width and height are those of what is left, in pixels of the file.
    """
    image = decoded.image
    for _ in range(_MOST_FRAMES):  # a screenshot of a framed photo has two
        box = _wanted(image)
        if box is None:
            break
        image = image.crop(box)
    if image is decoded.image:
        return decoded
    scale = decoded.width / decoded.image.width
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return replace(decoded, image=image, width=width, height=height)


def _wanted(image: Image.Image) -> _Box | None:
    """What of an RGB image is to be kept; None for all of it."""
    factor = -(-max(image.size) // LOOKED_AT_EDGE)
    small = image.reduce(factor) if factor > 1 else image
    content = _content(small)
    box = content.getbbox() if content else None
    if content is None or box is None:
        return None
    left, top, right, bottom = box
    kept: tuple[int, ...]
    filled = max((right - left) / small.width, (bottom - top) / small.height)
    if _is_framed(content, box):
        # Where it was reduced, the outermost pixels hold some of the bars.
        inner = [at + (factor > 1) * (at > 0) for at in (left, top)]
        outer = [
            at - (factor > 1) * (at < edge)
            for at, edge in zip((right, bottom), small.size, strict=True)
        ]
        kept = (*inner, *outer)
    elif SPECK <= filled < SMALL:
        # A square around its middle, so that what is narrow does not become a strip.
        reach = (0.5 + MARGIN) * max(right - left, bottom - top)
        x, y = (left + right) / 2, (top + bottom) / 2
        kept = (round(x - reach), round(y - reach), round(x + reach), round(y + reach))
    else:
        return None
    left, top, right, bottom = (factor * at for at in kept)
    return max(0, left), max(0, top), min(image.width, right), min(image.height, bottom)


def _content(image: Image.Image) -> Image.Image | None:
    """White in an image of mode L where it differs from its corners; None where these differ."""
    levels = zip(*_corners(image, (0, 0, image.width, image.height)), strict=True)
    spans = [(min(channel), max(channel)) for channel in levels]
    if any(high - low > TOLERANCE for low, high in spans):
        return None
    colour = tuple((low + high) // 2 for low, high in spans)
    difference = ImageChops.difference(image, Image.new("RGB", image.size, colour))
    red, green, blue = difference.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point(_DIFFERS)


def _is_framed(content: Image.Image, box: _Box) -> bool:
    """Whether there are bars around a photo, which differs from them along its straight sides."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if min(width, height) < LEAST_PHOTO:
        return False
    if width > (1 - THIN) * content.width and height > (1 - THIN) * content.height:
        return False
    if sum(map(bool, _corners(content, box))) < 3:  # so it is of nearly all garments
        return False
    inside = np.asarray(content.crop(box)) > 0
    sides = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    return bool(min(side.mean() for side in sides) >= STRAIGHT)


def _corners(image: Image.Image, box: _Box) -> list[Any]:
    """The pixels in the four corners of a box."""
    left, top, right, bottom = box
    places = ((left, top), (right - 1, top), (left, bottom - 1), (right - 1, bottom - 1))
    return [image.getpixel(place) for place in places]
