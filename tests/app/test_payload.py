"""What a proxy sends on: bounded, and what the model makes of it stays the same."""

import io

import numpy as np
import pytest
from PIL import Image

from app.images import decode
from app.letterbox import LARGEST_EDGE, letterbox
from app.payload import encode
from tests.app.conftest import encode as file_of


def noise(width: int, height: int) -> Image.Image:
    """The worst that can be compressed."""
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (60, 80), (253, 448), (896, 61), (896, 896)])
def test_every_payload_is_small_and_shows_the_network_the_same(size: tuple[int, int]) -> None:
    image = noise(*size)
    data = encode(image, 112)
    assert len(data) < 40_000
    assert np.array_equal(letterbox(decode(data).image, 112), letterbox(image, 112))


def test_a_large_photo_is_decoded_as_the_service_does() -> None:
    """An odd size is rounded at each step of shrinking: another path would see other pixels."""
    photo = file_of(noise(40, 71).resize((2260, 4000)), "JPEG")
    image = decode(photo, max_edge=LARGEST_EDGE).image
    sent = decode(encode(image, 112), max_edge=LARGEST_EDGE).image
    assert np.array_equal(np.asarray(sent), np.asarray(letterbox(image, 112))[:, 24:-25])


def test_nothing_but_pixels_is_sent() -> None:
    """Neither what the camera wrote nor where it was."""
    exif = Image.Exif()
    exif[0x010F] = "a camera's maker"
    file = io.BytesIO()
    noise(448, 336).save(file, "JPEG", exif=exif, comment=b"where it was taken")
    for edge in (112, 448):  # resized and not
        data = encode(decode(file.getvalue()).image, edge)
        assert b"maker" not in data
        assert b"where" not in data
