"""Bytes to bounded RGB pixels; refuses what it should. Serving and training read images here.

Nothing of an image is decoded before its header has been checked: the format by content, from an
allow-list, and the number of pixels. All functions are safe to call from several threads.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass

from PIL import (  # noqa: F401  # each registers its format; loading them lazily is not thread-safe
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from app.errors import CorruptImage, EmptyBody, ImageTooLarge, ServiceError, UnsupportedFormat
from app.image_bounds import (
    MAX_PIXELS,
    MAX_TEXT,
    check_pixels,
    check_scans,
    check_texts,
    held_size,
    is_held_whole,
)
from app.image_depth import correct_header, grey_to_8_bits

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of what is read; MPO, which some phones write, is opened as JPEG."""

MAX_EDGE = 448
"""Longest edge of a decoded image, in pixels: four times the network's input."""

ENOUGH_EDGE = MAX_EDGE // 2
"""A JPEG is scaled by a power of two while it is decoded, as long as this much is left."""

Image.preinit()
# It takes as many threads as the machine has cores, whatever the container may use.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# What cameras and editors write beside a picture may be above Pillow's 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT
PngImagePlugin.MAX_TEXT_MEMORY = 2 * MAX_TEXT
# A damaged file makes Pillow warn and then fail or not; the answer says which. Its warning about
# large images comes above our own limit.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_CORRUPT = "The image is truncated or damaged, or of a kind that is not read."
_EXIF_TEXT, _MAX_EXIF_TEXT = "Raw profile type exif", 2**18
"""ImageMagick's name of EXIF as hexadecimal text in a PNG, and characters that it may have."""
_JPEG_END, _JPEG_AHEAD = b"\xff\xd9", bytes(16)
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image without transparency.

    `image`'s longest edge is at most `max_edge`; `width` and `height` (pixels, upright) are those
    of the file.
    """

    image: Image.Image
    width: int
    height: int
    format: str


class LargeImage(Exception):
    """Decoding holds more pixels than it may here."""


def decode(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_edge: int = MAX_EDGE,
    most_held: int | None = None,
) -> DecodedImage:
    """Decode an image file: the first frame, upright, on white, 8 bits, RGB.

    A larger image is shrunk to `max_edge`; whoever shrinks it further himself spares time with a
    larger one.

    Args:
        data: the file.
        max_pixels: of the file, at most.
        max_edge: of the result, at most, in pixels.
        most_held: pixels that the decoder holds in memory, at most; None for all of them.

    Raises:
        LargeImage: more than `most_held`, by its header; or of a format that does not tell.
        EmptyBody: no bytes.
        UnsupportedFormat: none of `FORMATS` by its content.
        ImageTooLarge: more than `max_pixels`, by its header.
        CorruptImage: truncated or damaged, or of a kind that Pillow does not read.
    """
    if not data:
        raise EmptyBody("The image has no bytes.")
    try:
        return _decode(data, max_pixels, max_edge, most_held)
    except (ServiceError, LargeImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"The image has more than the {max_pixels:,} pixels allowed."
        ) from error
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        _log.debug("damaged image: %r", error)
        raise CorruptImage(_CORRUPT) from error


def _decode(data: bytes, max_pixels: int, max_edge: int, most_held: int | None) -> DecodedImage:
    check_texts(data)
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        check_pixels(file.size, max_pixels)
        size = file.size
        scaled = file.draft(None, _enough(size))  # JPEG: decoded at 1/2, 1/4 or 1/8
        whole = is_held_whole(file, data)
        if whole:
            check_scans(data)
        elif isinstance(file, JpegImagePlugin.JpegImageFile) and file.fp:
            file.fp = io.BytesIO(_without_end(data, file.fp.tell()))
        held = held_size(file, size, whole)
        check_pixels(held, max_pixels)
        # What an AVIF says of its size may be far less than what is decoded and then scaled.
        if most_held is not None and (held[0] * held[1] > most_held or file.format == "AVIF"):
            raise LargeImage
        correct_header(file)
        # Read at once: between two blocks a thread waits for its turn of Python again.
        file.decodermaxblock = max(file.decodermaxblock, len(data))
        loaded = _loaded(file)
        if scaled is None:
            size = file.size  # Pillow turns a TIFF by itself
        image = _shrink(_to_8_bits(loaded), max_edge)
        orientation = _orientation(file)
    image = _on_white(image)
    if orientation in _ORIENTATIONS:
        image = image.transpose(_ORIENTATIONS[orientation])
    width, height = reversed(size) if orientation >= 5 else size
    return DecodedImage(image, width, height, file.format or "")


def _enough(size: tuple[int, int]) -> tuple[int, int]:
    """The width and height that a JPEG is to have at least after scaling."""
    scale = ENOUGH_EDGE / max(size)
    width, height = (max(1, int(edge * scale)) for edge in size)
    return width, height


def _without_end(data: bytes, start: int) -> bytes:
    """A JPEG of one scan up to its end, where a decoder that wants more pixels runs out of bytes.

    `start` is where Pillow has read up to, since a thumbnail in the header has an end as well.

    At an end libjpeg makes up what is missing, of a photo that was cut off and ended all the same.
    Of a whole one it reads a few bytes ahead, the zeros put there. An end in what phones put behind
    a photo hides the photo's own, which libjpeg then meets as before.
    """
    end = data.rfind(_JPEG_END, start)
    return data if end < 0 else b"".join((memoryview(data)[:end], _JPEG_AHEAD))


def _loaded(file: ImageFile.ImageFile) -> Image.Image:
    """The file's pixels.

    Those of a WebP are taken from its decoder, which is then let go: Pillow would copy them while
    the decoder still holds two images as large.
    """
    if not isinstance(file, WebPImagePlugin.WebPImageFile):
        file.load()
        return file
    decoder, file._decoder = file._decoder, None
    pixels, _ = decoder.get_next()
    return Image.frombuffer(file.rawmode, file.size, pixels, "raw", file.rawmode, 0, 1)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """To a mode that can be resized: L, RGB, CMYK, YCbCr, LAB or, with transparency, RGBA."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return grey_to_8_bits(image)
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("L") if image.mode == "1" else image


def _shrink(image: Image.Image, max_edge: int) -> Image.Image:
    """A copy whose longest edge is at most `max_edge`; never enlarged."""
    scale = max_edge / max(image.size)
    if scale >= 1:
        return image.copy()
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _orientation(image: Image.Image) -> int:
    # Of a long one, Pillow makes millions of strings.
    if len(image.info.get(_EXIF_TEXT, "")) > _MAX_EXIF_TEXT:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF; the picture itself is fine
        return 1


def _unidentified(data: bytes) -> ServiceError:
    if data[4:8] == b"ftyp" and any(brand in data[8:64] for brand in (b"heic", b"heix", b"hevc")):
        return UnsupportedFormat("HEIC is not read. Send the photo as JPEG, PNG, WebP or AVIF.")
    accepts = [Image.OPEN[name][1] for name in FORMATS]
    if any(accept is not None and accept(data[:16]) is True for accept in accepts):
        return CorruptImage(_CORRUPT)
    return UnsupportedFormat(
        "The content is none of the formats that are read: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF."
    )
