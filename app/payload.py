"""A photo as it is sent on to an endpoint: what the network will see of it, and nothing else."""

from __future__ import annotations

import io

from PIL import Image

from app.letterbox import fit


def encode(image: Image.Image, size: int) -> bytes:
    """An RGB image at the size of the network's input, as PNG.

    The endpoint finds nothing left to shrink, so that it answers as it would to the photo itself. A
    larger JPEG would be about as large, and where the model is unsure its traces change the answer.

    Args:
        image: of any size; not changed.
        size: edge of the network's square input, in pixels.

    Returns:
        Less than `3 * size * size` bytes and a header: 38 kB at 112 pixels.
    """
    small = fit(image, size)
    small.info = {}  # comments and the like, which Pillow would write again
    file = io.BytesIO()
    small.save(file, "PNG", compress_level=1)
    return file.getvalue()
