"""JPEGs that were cut off and ended all the same, and whole ones of every kind."""

import io

import numpy as np
import pytest
from PIL import Image

from app.errors import CorruptImage
from app.images import decode
from tests.app.conftest import encode, photo

COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
BLURRED = Image.fromarray(COLOURS).resize((300, 200))  # as photos are: noise codes in more bytes
END = b"\xff\xd9"


def scan_of(data: bytes) -> int:
    """Where the pixels begin."""
    start = data.rindex(b"\xff\xda") + 2
    return start + int.from_bytes(data[start : start + 2], "big")


def in_planes() -> bytes:
    """Colours one after the other, in a scan each, without progressive coding."""
    grey = encode(BLURRED.convert("L"), "JPEG")
    frame, scan = grey.index(b"\xff\xc0"), grey.rindex(b"\xff\xda")
    size, pixels = grey[frame + 4 : frame + 9], grey[scan_of(grey) : -2]
    frames = b"\xff\xc0\0\x11" + size + b"\3" + b"".join(b"%c\x11\0" % c for c in (1, 2, 3))
    scans = b"".join(b"\xff\xda\0\x08\1%c\0\0\x3f\0" % c + pixels for c in (1, 2, 3))
    return grey[:frame] + frames + grey[frame + 13 : scan] + scans + END


def with_thumbnail() -> bytes:
    """In EXIF, as cameras put it, and with an end of its own."""
    return encode(BLURRED, "JPEG", exif=b"Exif\0\0" + encode(photo(), "JPEG"))


WHOLE = {
    "usual": encode(BLURRED, "JPEG"),
    "grey": encode(BLURRED.convert("L"), "JPEG"),
    "CMYK": encode(BLURRED.convert("CMYK"), "JPEG"),
    "restarts": encode(BLURRED, "JPEG", restart_marker_blocks=1),
    "optimized": encode(BLURRED, "JPEG", optimize=True, quality=10, subsampling=0),
    "progressive": encode(BLURRED, "JPEG", progressive=True),
    "several scans": in_planes(),
    "thumbnail": with_thumbnail(),
    "several images": encode(BLURRED, "MPO", save_all=True, append_images=[photo()]),
    "film": encode(BLURRED, "JPEG") + b"as phones put it behind a photo",
    "film with an end": encode(BLURRED, "JPEG") + b"somewhere" + END + b"in it",
    "thumbnail and zeros": with_thumbnail()[:-2] + bytes(50),
    "filled": encode(BLURRED, "JPEG")[:-2] + b"\xff\xff" + END,
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_one_is_read_as_pillow_reads_it(kind: str) -> None:
    with Image.open(io.BytesIO(WHOLE[kind])) as file:
        expected = np.asarray(file.convert("RGB"))
    assert np.array_equal(decode(WHOLE[kind]).image, expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["usual", "grey", "CMYK", "restarts", "thumbnail", "film"])
def test_one_that_was_cut_off_and_ended_is_damaged(kind: str, share: float) -> None:
    data = WHOLE[kind]
    start = scan_of(data)
    end = data.index(END, start)
    cut = start + int((end - start) * share)
    for filled in (b"", *([bytes(end - cut)] if kind != "restarts" else [])):
        with pytest.raises(CorruptImage):
            decode(data[:cut] + filled + data[end:])


def test_a_large_one_that_was_cut_off_is_damaged_too() -> None:
    """It is scaled while it is decoded."""
    data = encode(BLURRED.resize((1500, 1000)), "JPEG")
    assert decode(data).width == 1500
    with pytest.raises(CorruptImage):
        decode(data[: len(data) // 2] + END)
