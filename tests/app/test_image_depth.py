import struct
import zlib

import numpy as np
import pytest

from app.errors import CorruptImage
from app.images import decode

BACK, FRONT = (10_000, 30_000, 50_000), (60_000, 1_000, 2_000)
"""Of 16 bits."""


def picture(back: object, front: object, dtype: object = np.uint16) -> np.ndarray:
    """A rectangle in the middle of 40 x 20 pixels."""
    colours = np.atleast_1d(np.asarray(back))
    pixels = np.empty((20, 40, len(colours)), dtype)
    pixels[:] = colours
    pixels[5:15, 10:30] = front
    return pixels


def seen(data: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The colours at the back and at the front, of 8 bits."""
    image = decode(data).image
    return image.getpixel((39, 19)), image.getpixel((20, 10))


def tiff(
    pixels: np.ndarray, meaning: int, order: str = "<", apart: bool = False, kind: int = 1
) -> bytes:
    """Uncompressed; colours may lie apart, what 0 means and what numbers are is told by tags."""
    height, width, colours = pixels.shape
    ordered = pixels.astype(pixels.dtype.newbyteorder(order))
    body = (ordered.transpose(2, 0, 1) if apart else ordered).tobytes()
    strips = colours if apart else 1
    length = len(body) // strips
    tags = {
        256: [width],
        257: [height],
        258: [8 * pixels.itemsize] * colours,
        259: [1],
        262: [meaning],
        273: [8 + number * length for number in range(strips)],
        277: [colours],
        278: [height],
        279: [length] * strips,
        284: [2 if apart else 1],
        339: [kind] * colours,
    }
    entries = b""
    for tag, values in tags.items():
        value = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            body, value = body + value, struct.pack(f"{order}I", 8 + len(body))
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + value
    magic = b"II*\0" if order == "<" else b"MM\0*"
    start = struct.pack(f"{order}I", 8 + len(body))
    return magic + start + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def png(rows: np.ndarray, width: int, depth: int, key: tuple[int, ...]) -> bytes:
    """Grey or, with three numbers as the key, coloured; the key is what is transparent."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    colour = 2 if len(key) == 3 else 0
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)),
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("apart", [False, True])
def test_16_bits_of_colours_that_lie_apart(order: str, apart: bool) -> None:
    assert seen(tiff(picture(BACK, FRONT), 2, order, apart)) == ((39, 117, 195), (234, 3, 7))
    with_alpha = picture((*BACK, 65_535), (*FRONT, 0))
    assert seen(tiff(with_alpha, 2, order, apart)) == ((39, 117, 195), (255, 255, 255))
    few = picture(BACK, FRONT) >> 8
    assert seen(tiff(few.astype(np.uint8), 2, order, apart)) == ((39, 117, 195), (234, 3, 7))


@pytest.mark.parametrize("order", ["<", ">"])
def test_zero_may_mean_white_with_16_bits_and_floats_too(order: str) -> None:
    grey = picture(10_000, 60_000)
    for pixels, kind, apart in (
        (grey, 1, False),
        (grey, 1, True),
        ((grey / 65_535).astype(np.float32), 3, False),
    ):
        assert seen(tiff(pixels, 1, order, apart, kind)) == ((39,) * 3, (233,) * 3)
        assert seen(tiff(pixels, 0, order, apart, kind)) == ((216,) * 3, (22,) * 3)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        (np.float32, 0.5, 1, (128, 255)),
        (np.float32, 0.5, 1.5, (1, 2)),
        (np.float32, 128, 255, (128, 255)),
        (np.float32, 128, 65_536, (0, 255)),
        (np.float32, -1, 1, (0, 255)),
        (np.int32, 128, 255, (128, 255)),
        (np.int32, 128, 256, (0, 1)),
        (np.int32, 32_768, 65_535, (128, 255)),
        (np.int32, 32_768, 65_536, (0, 255)),
        (np.int32, -1, 1, (0, 255)),
    ],
)
def test_what_is_white_follows_from_the_largest_level(
    dtype: type, low: float, high: float, expected: tuple[int, int]
) -> None:
    assert seen(tiff(picture(low, high, dtype), 1, kind=3 if dtype is np.float32 else 2)) == tuple(
        (level,) * 3 for level in expected
    )


def test_a_transparent_colour_of_16_bits() -> None:
    grey = picture(10_000, 60_000).astype(">u2")
    assert seen(png(grey, 40, 16, (10_000,))) == ((255,) * 3, (233,) * 3)
    assert seen(png(grey, 40, 16, (10_001,))) == ((39,) * 3, (233,) * 3)
    coloured = picture(BACK, FRONT).astype(">u2")
    assert seen(png(coloured, 40, 16, BACK)) == ((255,) * 3, (234, 3, 7))
    assert seen(png(coloured, 40, 16, FRONT)) == ((39, 117, 195), (255,) * 3)


@pytest.mark.parametrize(("depth", "step"), [(2, 85), (4, 17)])
def test_a_transparent_grey_of_few_bits(depth: int, step: int) -> None:
    per_byte = 8 // depth
    pixels = picture(1, 2, np.uint8).reshape(20, 40 // per_byte, per_byte)
    shifts = np.arange(per_byte)[::-1] * depth
    rows = (pixels << shifts).sum(2).astype(np.uint8)
    assert seen(png(rows, 40, depth, (1,))) == ((255,) * 3, (2 * step,) * 3)
    assert seen(png(rows, 40, depth, (2,))) == ((step,) * 3, (255,) * 3)


@pytest.mark.parametrize(
    ("pixels", "meaning", "kind", "apart"),
    [
        (picture((0.1, 0.2, 0.3), 1, np.float32), 2, 3, False),
        (picture(BACK, FRONT, np.uint32), 2, 1, False),
        (picture(0.1, 1, np.float64), 1, 3, False),
        (picture((*BACK, 0), 0), 5, 1, True),
    ],
    ids=["float RGB", "32-bit RGB", "float64", "16-bit CMYK apart"],
)
def test_a_kind_that_is_not_read_is_not_called_damaged_alone(
    pixels: np.ndarray, meaning: int, kind: int, apart: bool
) -> None:
    with pytest.raises(CorruptImage, match="or of a kind that is not read"):
        decode(tiff(pixels, meaning, kind=kind, apart=apart))
