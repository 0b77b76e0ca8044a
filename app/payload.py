"""A photo as it is sent on to an endpoint: bounded in pixels and in bytes, nothing but pixels."""

from __future__ import annotations

import io

from PIL import Image

MAX_BYTES = 100_000
"""Of every payload."""

LOSSLESS_PIXELS = 32_000
"""Photos of so many pixels are sent without loss: at three bytes each they are within the bound,
and enlarged to the network's input, the traces of JPEG would be enlarged too."""

_QUALITIES = (95, 90, 85, 80, 70, 60)


def encode(image: Image.Image) -> tuple[bytes, str]:
    """An RGB image whose longest edge is at most `app.images.MAX_EDGE`, and its media type.

    JPEG keeps all of its colours (4:4:4): averaged to the network's input, its traces are gone.
    """
    if image.width * image.height <= LOSSLESS_PIXELS:
        return _save(image, "PNG", compress_level=1), "image/png"
    for quality in _QUALITIES:
        data = _save(image, "JPEG", quality=quality, subsampling=0)
        if len(data) <= MAX_BYTES:
            return data, "image/jpeg"
    return encode(image.reduce(2))  # noise: no camera takes such photos


def _save(image: Image.Image, image_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.info.clear()  # comments and the like, which Pillow would write again
    image.save(file, image_format, **options)
    return file.getvalue()
