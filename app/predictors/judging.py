"""What an engine says of photos, decoded or not yet: one batch, in whatever process it is run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.engines import Engine, Pixels, Scores
from app.images import decode
from app.letterbox import LARGEST_EDGE
from app.review import is_blank
from app.trimming import trim
from app.upright import is_better, turns_upright

SMALL_BYTES = 64 * 1024
SMALL_PIXELS = 1_000_000
"""A file of so many bytes, held in memory as so many pixels, is decoded in milliseconds: where it
is inferred, since another thread or process that did it would only be waited for. Its batch waits
for it too, so a larger one is decoded before."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded photo."""

    pixels: Pixels
    """As the engine's `run` takes them."""
    shortest_edge: int
    """Of the photo without what `app.trimming` cuts off, in pixels of the file."""
    blank: bool
    """See `app.review.is_blank`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the engine says of a photo, and what is known of it besides."""

    scores: Scores
    shortest_edge: int
    blank: bool
    decode_seconds: float
    """0 where it was decoded before."""
    run_seconds: float
    """Of the engine, for the whole batch."""


Photo = bytes | Prepared
"""A file as small as `SMALL_BYTES`, or what is decoded already."""

Outcome = Judged | Exception
"""An error where the photo cannot be decoded."""


def prepare(engine: Engine, max_pixels: int, photo: bytes, most_held: int | None) -> Prepared:
    """Decode a photo for `engine`, and trim it; see `app.images.decode`.

    Raises:
        LargeImage: it would hold more pixels in memory than `most_held`, if that is given.
        ServiceError: it cannot be read, or has more than `max_pixels`.
    """
    whole = decode(photo, max_pixels=max_pixels, max_edge=LARGEST_EDGE, most_held=most_held)
    decoded = trim(whole)
    edge = min(decoded.width, decoded.height)
    return Prepared(engine.prepare(decoded.image), edge, is_blank(decoded.image))


def run_upright(engine: Engine, images: list[Pixels], alone: bool = False) -> list[Scores]:
    """What `engine` says of images, those that lie on a side or on their head turned before.

    What seems to lie is run once more, turned; see `app.upright` for which answer is taken.

    Args:
        engine: what runs them.
        images: as its `run` takes them.
        alone: see `app.engines.Engine.run`.
    """
    scores = engine.run(images, alone)
    turns = [turns_upright(each.ways) if each.ways else 0 for each in scores]
    places = [place for place, quarters in enumerate(turns) if quarters]
    if places:
        turned = [upright(images[place], turns[place]) for place in places]
        for place, again in zip(places, engine.run(turned, alone), strict=True):
            before, after = scores[place].ways, again.ways
            if before and after and is_better(turns[place], before, after):
                scores[place] = replace(again, quarter_turns=turns[place])
    return scores


def upright(image: Pixels, quarter_turns: int) -> Pixels:
    """The image, turned clockwise."""
    return np.rot90(image, -quarter_turns)


def judge(
    engine: Engine, max_pixels: int, photos: Sequence[Photo], alone: bool = False
) -> list[Outcome]:
    """What `engine` says of each photo, or why that one cannot be decoded, in order.

    Args:
        engine: what runs them.
        max_pixels: of a photo.
        photos: a batch.
        alone: whether nothing else is going on; see `app.engines.Engine.run`.

    Raises:
        Exception: what the engine raised, for the whole batch.
    """
    found: list[tuple[Prepared, float] | Exception] = []
    for photo in photos:
        if isinstance(photo, Prepared):
            found.append((photo, 0.0))
            continue
        started = time.perf_counter()
        try:
            prepared = prepare(engine, max_pixels, photo, SMALL_PIXELS)
        except Exception as error:
            found.append(error)
        else:
            found.append((prepared, time.perf_counter() - started))
    started = time.perf_counter()
    decoded = [each[0].pixels for each in found if not isinstance(each, Exception)]
    scores = iter(run_upright(engine, decoded, alone) if decoded else [])
    seconds = time.perf_counter() - started
    return [
        each
        if isinstance(each, Exception)
        else Judged(next(scores), each[0].shortest_edge, each[0].blank, each[1], seconds)
        for each in found
    ]
