"""What a proxy sends on: bounded, and what the model makes of it stays the same."""

import io

import numpy as np
import pytest
from PIL import Image

from app.images import decode
from app.payload import MAX_BYTES, encode


def noise(width: int, height: int) -> Image.Image:
    """The worst that can be compressed."""
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width: int, height: int) -> Image.Image:
    small = noise(12, 9)
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(1, 1), (60, 80), (178, 178), (448, 30), (448, 336), (448, 448)])
@pytest.mark.parametrize("make", [noise, smooth])
def test_every_payload_is_small_and_an_image(make, size) -> None:
    data, kind = encode(make(*size))
    assert len(data) <= MAX_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert image.size in (size, tuple((edge + 1) // 2 for edge in size))
        assert image.get_format_mimetype() == kind


def test_a_small_photo_is_sent_without_loss() -> None:
    image = noise(60, 80)
    data, _ = encode(image)
    assert decode(data).image.tobytes() == image.tobytes()


def test_of_a_large_photo_the_network_sees_the_same() -> None:
    image = smooth(448, 336)
    data, kind = encode(image)
    assert kind == "image/jpeg"
    ours, theirs = (
        np.asarray(one.resize((112, 84), Image.Resampling.BOX), dtype=np.float32)
        for one in (image, decode(data).image)
    )
    assert np.abs(ours - theirs).max() < 4  # of 255 levels


def test_nothing_but_pixels_is_sent() -> None:
    """Neither what the camera wrote nor where it was."""
    exif = Image.Exif()
    exif[0x010F] = "a camera's maker"
    file = io.BytesIO()
    smooth(448, 336).save(file, "JPEG", exif=exif, comment=b"where it was taken")
    data, _ = encode(decode(file.getvalue()).image)
    assert b"maker" not in data
    assert b"where" not in data
