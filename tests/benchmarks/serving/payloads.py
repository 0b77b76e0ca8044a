"""Photos to post: drawn by code, as large and as hard to compress as real ones.

No photo is committed. A garment's outline in one colour lies on white (a shop's catalogue) or on a
patterned floor (a phone's photo); shading, weave and a sensor's noise give each file the bytes, and
the decoder the work, of a real one.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from client import image_files
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Payload:
    """A kind of photo."""

    name: str
    title: str
    size: tuple[int, int]
    """Width and height, in pixels."""
    format: str
    quality: int
    count: int
    """Different files, so that nothing is measured that a cache of answers would have."""
    noise: float
    """Of the sensor and the fabric, in levels of 0 to 255; none on a catalogue's white."""


PAYLOADS = {
    one.name: one
    for one in (
        Payload("catalogue", "catalogue JPEG, 60x80", (60, 80), "JPEG", 85, 64, 5),
        Payload("photo", "photo JPEG, 400x600", (400, 600), "JPEG", 82, 24, 6),
        Payload("large", "12-megapixel JPEG", (4000, 3000), "JPEG", 88, 4, 7),
        Payload("png", "photo PNG, 400x600", (400, 600), "PNG", 0, 16, 2),
        Payload("webp", "photo WebP, 400x600", (400, 600), "WEBP", 80, 16, 7),
    )
}

_SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}

# In tenths of the garment's box, which is 10 x 10.
_OUTLINES = (
    [(3, 0), (4, 1), (6, 1), (7, 0), (10, 3), (8.5, 4.5), (7.5, 3.6), (7.5, 10), (2.5, 10),
     (2.5, 3.6), (1.5, 4.5), (0, 3)],  # T-shirt
    [(2.5, 0), (7.5, 0), (8.5, 10), (5.7, 10), (5, 3), (4.3, 10), (1.5, 10)],  # trousers
    [(3.5, 0), (4.2, 1.5), (5.8, 1.5), (6.5, 0), (6.8, 4), (9, 10), (1, 10), (3.2, 4)],  # dress
    [(3, 0), (7, 0), (8.2, 1), (10, 9), (8.5, 9.5), (7.5, 4), (7.5, 10), (2.5, 10), (2.5, 4),
     (1.5, 9.5), (0, 9), (1.8, 1)],  # pullover
    [(0, 5), (2, 3), (5, 5.6), (9, 6.6), (10, 7.6), (10, 8.6), (0, 8.6)],  # sneaker
    [(0.5, 4), (3, 4), (3.4, 1.5), (6.6, 1.5), (7, 4), (9.5, 4), (10, 10), (0, 10)],  # bag
)  # fmt: skip


def write_payload(payload: Payload, folder: Path, photos: Path | None = None) -> Path:
    """Put the payload's files into a folder of their own, which is given.

    Drawing takes seconds, so what is there from an earlier run is kept.

    Args:
        payload: what to draw.
        folder: where the folders of the payloads are.
        photos: a folder with a folder for each payload's name, with files to be taken as they are
            instead of drawn ones.
    """
    place, stamp = folder / payload.name, folder / f"{payload.name}.drawn"
    given = photos / payload.name if photos else None
    if given is None and stamp.is_file() and stamp.read_text() == repr(payload):
        return place
    stamp.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if given and given.is_dir():
        for file in image_files(given):
            shutil.copy(file, place / file.name)
        return place
    for number, data in enumerate(files(payload)):
        (place / f"{number:03d}{_SUFFIX[payload.format]}").write_bytes(data)
    stamp.write_text(repr(payload))
    return place


def files(payload: Payload) -> Iterator[bytes]:
    """The payload's image files; the same ones at every call."""
    for number in range(payload.count):
        image = draw(payload, np.random.default_rng([number, *payload.name.encode()]))
        file = io.BytesIO()
        image.save(file, payload.format, quality=payload.quality)
        yield file.getvalue()


def draw(payload: Payload, random: np.random.Generator) -> Image.Image:
    """One photo of one garment."""
    width, height = payload.size
    on_white = payload.name == "catalogue"
    cloth = _colour(random) + 18 * _texture(payload.size, random)
    floor: Pixels = (
        np.full((height, width, 3), 255, np.float32)
        if on_white
        else _colour(random) + 25 * _texture(payload.size, random)
    )
    mask = _garment(payload.size, random)
    picture = floor + (cloth - floor) * mask
    noise = random.standard_normal((height, width, 3), dtype=np.float32) * payload.noise
    picture += noise * mask if on_white else noise
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _garment(size: tuple[int, int], random: np.random.Generator) -> Pixels:
    """1 where the garment is, 0 elsewhere, `[height, width, 1]`, with a soft edge."""
    width, height = size
    outline = _OUTLINES[random.integers(len(_OUTLINES))]
    edge = min(width, height) * random.uniform(0.75, 0.92)
    left, top = (width - edge) / 2, (height - edge) / 2
    mask = Image.new("L", size)
    points = [(left + x * edge / 10, top + y * edge / 10) for x, y in outline]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    soft = mask.filter(ImageFilter.BoxBlur(min(size) / 400))
    return np.asarray(soft, np.float32)[..., None] / 255


def _texture(size: tuple[int, int], random: np.random.Generator) -> Pixels:
    """Shades at all scales, the coarse ones strongest, as folds, weave and grain are."""
    width, height = size
    total = np.zeros((height, width, 1), np.float32)
    cell, strength = max(size) / 2, 1.0
    while cell >= max(2, max(size) / 400):
        shape = int(height / cell) + 2, int(width / cell) + 2
        small = Image.fromarray(random.standard_normal(shape, dtype=np.float32))
        level = small.resize(size, Image.Resampling.BICUBIC)
        total += strength * np.asarray(level)[..., None]
        cell, strength = cell / 2.5, strength * 0.7
    return total


def _colour(random: np.random.Generator) -> Pixels:
    return random.uniform(40, 210, 3).astype(np.float32)
