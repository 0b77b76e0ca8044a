"""Images with other than 8 bits a channel: what Pillow mistakes in them, and how they become 8."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

_ROWS = 256
_BITS_TAG, _MEANING_TAG, _SAMPLES_TAG, _PLANES_TAG = 258, 262, 277, 284
_WHITE_IS_ZERO = 0
_APART = 2
# Pillow reads it only in the order of bytes of Intel.
TiffImagePlugin.OPEN_INFO[(TiffImagePlugin.MM, _WHITE_IS_ZERO, (1,), 1, (16,), ())] = (
    "I;16B",
    "I;16B",
)
_TO_8_BITS = {"L;2": 85, "L;4": 17}  # what Pillow multiplies greys of 2 and 4 bits by


def correct_header(file: ImageFile.ImageFile) -> None:
    """Set right what Pillow mistakes in a file's header, before the pixels are read."""
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        _correct_planes(file)
    elif isinstance(file, PngImagePlugin.PngImageFile) and "transparency" in file.info:
        file.info["transparency"] = _key(file.info["transparency"], file.tile[0].args)


def grey_to_8_bits(image: Image.Image) -> Image.Image:
    """One channel of 16 or 32 bits, or of floats (0 to 1, or 0 to 255, or else any range).

    What a PNG calls transparent becomes white.
    """
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values)
    low, high, offset = float(values.min()), float(values.max()), 0.0
    if image.mode == "F" and low >= 0 and high <= 1:
        scale = 255.0
    elif low >= 0 and high <= 65535 and (image.mode.startswith("I;16") or high > 255):
        scale = 255.0 / 65535.0
    elif low >= 0 and high <= 255:
        scale = 1.0
    else:
        offset, scale = low, 255.0 / (high - low or 1.0)
    negative, key = _is_negative(image), image.info.get("transparency")
    grey = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):  # all at once would take four times the image
        rows = values[start : start + _ROWS]
        part = grey[start : start + _ROWS]
        part[:] = (rows.astype(np.float32) - offset) * scale + 0.5
        if negative:
            np.invert(part, out=part)
        if key is not None:
            part[rows == key] = 255
    return Image.fromarray(grey)


def _correct_planes(file: TiffImagePlugin.TiffImageFile) -> None:
    """Uncompressed colours of 16 bits that lie apart from each other are taken for 8 bits."""
    apart = file.tag_v2.get(_PLANES_TAG) == _APART and file.tile[0].codec_name == "raw"
    if apart and 16 in file.tag_v2.get(_BITS_TAG, ()):
        little = "L" if file.tag_v2.get(_SAMPLES_TAG, 1) > 1 else ""  # as Pillow calls them
        order = "B" if file.tag_v2.prefix == b"MM" else little
        for number, tile in enumerate(file.tile):
            colour, *rest = cast("tuple[Any, ...]", tile.args)
            file.tile[number] = tile._replace(args=(f"{colour};16{order}", *rest))


def _key(key: Any, rawmode: Any) -> Any:
    """What a PNG calls transparent, in the bits of the pixels that it is compared with.

    Of colours of 16 bits, Pillow keeps 8: all that differ in the others only are transparent too.
    """
    if rawmode == "RGB;16B":
        return tuple(value >> 8 for value in key)
    return key * _TO_8_BITS.get(rawmode, 1)


def _is_negative(image: Image.Image) -> bool:
    """Whether 0 means white, which Pillow heeds in images of 8 bits only."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(_MEANING_TAG) == _WHITE_IS_ZERO)
