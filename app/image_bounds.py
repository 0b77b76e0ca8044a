"""What decoding an image may cost, told by its header and before anything of it is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from app.errors import CorruptImage, ImageTooLarge

MAX_PIXELS = 8192 * 6144
"""The largest image by default, as large as a phone's 50 MP photo."""

LARGE_PIXELS = 16_000_000
"""An image that is decoded at more than this takes up to 600 MB meanwhile."""

MAX_SCANS = 64
"""Of a JPEG. Each goes over all pixels in a few bytes; progressive ones have about ten."""

MAX_TEXT = 2**22
"""Bytes of a PNG's text or colour profile, unpacked; all its texts may have twice that."""

MAX_TEXTS = 64
"""Of a PNG, with its colour profile; most have a few. Pillow does not add up the bytes of all."""

_TILE_TAGS = (322, 323)
_PNG_START, _PNG_TEXTS = b"\x89PNG\r\n\x1a\n", (b"iCCP", b"iTXt", b"zTXt")
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # those that a length follows, and the end


def held_size(file: Image.Image, size: tuple[int, int], whole: bool) -> tuple[int, int]:
    """Width and height of what the decoder holds in memory.

    Args:
        file: ready to be decoded, perhaps scaled.
        size: of the image in the file.
        whole: see `is_held_whole`.
    """
    if whole:
        return size
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        width, height = (int(file.tag_v2.get(tag, 0)) for tag in _TILE_TAGS)
        return max(width, file.size[0]), max(height, file.size[1])
    return file.size


def is_held_whole(file: Image.Image, data: bytes) -> bool:
    """Whether it is a JPEG of several scans: libjpeg holds all coefficients, whatever the scale."""
    if not isinstance(file, JpegImagePlugin.JpegImageFile):
        return False
    if "progressive" in file.info:
        return True
    first = next((at for marker, at in _segments(data) if marker == _JPEG_SCAN), None)
    return first is not None and data[first + 2] < file.layers


def check_scans(data: bytes) -> None:
    """A JPEG must not go over its pixels again and again.

    Read to the end of the first image only: what phones put behind it may hold any bytes.

    Raises:
        CorruptImage: more than `MAX_SCANS`.
    """
    scans = 0
    for marker, _ in _segments(data):
        scans += marker == _JPEG_SCAN
        if scans > MAX_SCANS:
            raise CorruptImage(f"The JPEG has more than {MAX_SCANS} scans.")


def check_texts(data: bytes) -> None:
    """A PNG must not unpack texts again and again: ten megabytes of them become ten gigabytes.

    Raises:
        CorruptImage: more than `MAX_TEXTS`.
    """
    if not data.startswith(_PNG_START):
        return
    if sum(kind in _PNG_TEXTS for kind in _chunks(data)) > MAX_TEXTS:
        raise CorruptImage(f"The PNG has more than {MAX_TEXTS} texts and colour profiles.")


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The segments of a JPEG up to its end: the marker, and where its length stands."""
    at = 0
    while (found := _JPEG_MARKER.search(data, at)) and data[found.end() - 1] != _JPEG_END:
        yield data[found.end() - 1], found.end()
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")


def _chunks(data: bytes) -> Iterator[bytes]:
    """The kinds of a PNG's chunks."""
    at = len(_PNG_START)
    while at + 8 <= len(data):
        yield data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Of a width and height.

    Raises:
        ImageTooLarge: more than `max_pixels`.
    """
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The image has {width} x {height} = {width * height:,} pixels; at most "
            f"{max_pixels:,} are allowed."
        )
