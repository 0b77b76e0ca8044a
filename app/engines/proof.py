"""What an engine has to show before it is used: that it answers the golden images right."""

from __future__ import annotations

import numpy as np
from PIL import Image

from app.artifact import GOLDEN_TOLERANCE, Golden
from app.card import CATEGORIES
from app.engines import Engine
from app.images import decode


def mismatches(engine: Engine, golden: list[Golden]) -> list[str]:
    """One sentence for each golden image that `engine` answers otherwise than it should.

    Each is asked alone and with the others, which an engine may compute in two ways.
    """
    prepared = [engine.prepare(decode(image.png).image) for image in golden]
    answers = [engine.run([image], alone=True)[0] for image in prepared] + engine.run(prepared)
    found = []
    for number, (image, scores) in enumerate(zip(golden * 2, answers, strict=True)):
        label = CATEGORIES[int(np.argmax(scores.probabilities))]
        pairs = zip(scores.probabilities, image.probabilities, strict=True)
        difference = max(abs(ours - theirs) for ours, theirs in pairs)
        if label != image.label or not difference <= GOLDEN_TOLERANCE:
            instead = f" instead of {image.label}" if label != image.label else ""
            found.append(
                f"golden image {number % len(golden)} is {label}{instead}, its probabilities "
                f"differ by up to {difference:.3f}"
            )
    return found


def warm_up(engine: Engine, batch_size: int) -> None:
    """Run what real requests will look like, so that no user waits for a first run.

    The first runs of each kind compile: square images and others, and each power of two of them.
    """
    noise = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    square, tall = (
        engine.prepare(Image.fromarray(part)) for part in (noise[:28, :28], noise[:, :336])
    )
    for image in (square, tall):
        for _ in range(2):
            engine.run([image], alone=True)
    sizes = {batch_size, *(2**power for power in range(batch_size.bit_length()))}
    for batch in ([square, tall], *([square] * size for size in sorted(sizes))):
        for _ in range(3):
            engine.run(batch)
