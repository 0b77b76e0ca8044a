import concurrent.futures
import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from app.errors import CorruptImage, EmptyBody, ImageTooLarge, UnsupportedFormat
from app.image_bounds import LARGE_PIXELS
from app.images import MAX_EDGE, LargeImage, decode
from tests.app.conftest import encode, photo, png_bomb

TASKS = Path("/proc/self/task")
RED, BLUE, WHITE = (200, 30, 30), (30, 30, 200), (255, 255, 255)


def close(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= 25 for a, b in zip(image.getpixel(at), colour, strict=True))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format(name: str) -> None:
    decoded = decode(encode(photo(), name))
    assert (decoded.format, decoded.width, decoded.height) == (name, 90, 60)
    assert decoded.image.mode == "RGB"
    assert close(decoded.image, (45, 10), RED)
    assert close(decoded.image, (45, 50), BLUE)


def test_several_pictures_in_one_file_give_the_first() -> None:
    other = Image.new("RGB", (90, 60), "green")
    for name in ("GIF", "MPO", "WEBP", "PNG"):
        data = encode(photo(), name, save_all=True, append_images=[other])
        assert close(decode(data).image, (45, 10), RED), name


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(orientation: int, name: str) -> None:
    upright = photo()
    upright.paste("lime", (0, 0, 30, 20))  # top left
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encode(stored, name, exif=exif))
    assert (decoded.width, decoded.height) == decoded.image.size == (90, 60)
    assert close(decoded.image, (10, 8), (0, 255, 0))
    assert close(decoded.image, (80, 50), BLUE)


def test_a_large_photo_is_scaled_while_it_is_decoded() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encode(photo(4032, 3024), "JPEG", exif=exif))
    assert (decoded.width, decoded.height) == (3024, 4032)
    assert decoded.image.size == (MAX_EDGE * 3 // 4, MAX_EDGE)


def test_extreme_shapes() -> None:
    assert decode(encode(photo(3000, 2), "PNG")).image.size == (MAX_EDGE, 1)
    assert decode(encode(photo(1, 1), "PNG")).image.size == (1, 1)


def test_transparency_becomes_white() -> None:
    image = photo().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 90, 30))
    palette = Image.new("P", (90, 60), 1)
    palette.putpalette([0, 0, 0, *BLUE])
    palette.paste(0, (0, 0, 90, 30))
    grey = Image.new("LA", (90, 60), (0, 0))
    rgb = photo()
    rgb.paste((1, 2, 3), (0, 0, 90, 30))
    for data in (
        encode(image, "PNG"),
        encode(image, "WEBP"),
        encode(image, "AVIF"),
        encode(palette, "PNG", transparency=0),
        encode(palette, "GIF", transparency=0),
        encode(grey, "PNG"),
        encode(rgb, "PNG", transparency=(1, 2, 3)),
    ):
        assert close(decode(data).image, (45, 10), WHITE)


def test_half_transparency_is_mixed_with_white() -> None:
    data = encode(Image.new("RGBA", (40, 40), (0, 0, 0, 128)), "PNG")
    assert close(decode(data).image, (20, 20), (127, 127, 127))


@pytest.mark.parametrize(
    ("name", "dtype", "grey"),
    [
        ("PNG", np.uint16, 32768),
        ("TIFF", np.uint16, 32768),
        ("TIFF", np.int32, 32768),
        ("TIFF", np.float32, 0.5),
        ("TIFF", np.float32, 128.0),
    ],
)
def test_more_than_8_bits(name: str, dtype: type, grey: float) -> None:
    values = np.full((40, 40), grey, dtype)
    values[:20] = 0
    image = decode(encode(Image.fromarray(values), name)).image
    assert close(image, (20, 5), (0, 0, 0))
    assert close(image, (20, 35), (128, 128, 128))


def test_other_modes() -> None:
    for name, other in (
        ("JPEG", photo().convert("CMYK")),
        ("TIFF", photo().convert("CMYK")),
        ("PNG", photo().quantize(4)),
        ("TIFF", photo().quantize(4)),
    ):
        assert close(decode(encode(other, name)).image, (45, 50), BLUE), (name, other.mode)
    black_and_white = Image.new("1", (40, 40), 1)
    assert decode(encode(black_and_white, "PNG")).image.getpixel((5, 5)) == WHITE


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_truncated_is_corrupt(name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), name)
    with pytest.raises(CorruptImage):
        decode(data[: max(20, int(len(data) * share))])


def test_what_is_no_image() -> None:
    with pytest.raises(EmptyBody):
        decode(b"")
    for data in (b"no image", b"%PDF-1.7 ...", b"<svg></svg>", bytes(1000)):
        with pytest.raises(UnsupportedFormat, match="JPEG, PNG"):
            decode(data)
    with pytest.raises(UnsupportedFormat, match="HEIC"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))
    with pytest.raises(UnsupportedFormat):  # Pillow reads it; the allow-list does not have it
        decode(encode(photo(), "ICO"))


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    bomb = png_bomb()
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge):
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        data = encode(photo(200, 100), name)
        assert decode(data, max_pixels=20_000).width == 200
        with pytest.raises(ImageTooLarge, match=r"200 x 100 = 20,000 .* 19,999"):
            decode(data, max_pixels=19_999)


def test_a_png_may_hold_much_metadata() -> None:
    text = "ab" * 1_100_000
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type xmp", text, zip=True)
    info.add_itxt("XML:com.adobe.xmp", text, zip=True)
    profile = np.random.default_rng(0).bytes(2_000_000)
    decoded = decode(encode(photo(), "PNG", pnginfo=info, icc_profile=profile))
    assert close(decoded.image, (45, 10), RED)


def test_exif_as_a_text_that_unpacks_to_very_much_is_left_alone() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "a\n" * 2_000_000, zip=True)
    data = encode(photo(), "PNG", pnginfo=info)
    tracemalloc.start()
    try:
        assert close(decode(data).image, (45, 10), RED)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("count", "size", "name"),
    [(1, 40_000_000, b"name"), (3, 15_000_000, b"name"), (65, 1_000_000, b"")],
    ids=["one", "together", "without names, which Pillow does not count"],
)
def test_texts_that_unpack_to_very_much_are_refused(count: int, size: int, name: bytes) -> None:
    info = PngImagePlugin.PngInfo()
    packed = zlib.compress(bytes(size))
    for _ in range(count):
        info.add(b"zTXt", name + b"\0\0" + packed)
    data = encode(photo(), "PNG", pnginfo=info)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptImage):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 120_000_000
    finally:
        tracemalloc.stop()


def test_a_tile_that_is_larger_than_its_image_counts() -> None:
    tile = zlib.compress(bytes(8192 * 8192))
    tags = {256: 100, 257: 100, 258: 8, 259: 8, 262: 1, 277: 1, 322: 8192, 323: 8192}
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags |= {324: start, 325: len(tile)}
    entries = b"".join(
        struct.pack("<HHII", tag, 3 if value < 65536 else 4, 1, value)
        for tag, value in tags.items()
    )
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + tile

    assert decode(data, max_pixels=8192 * 8192).width == 100
    with pytest.raises(LargeImage):
        decode(data, max_pixels=8192 * 8192, most_held=LARGE_PIXELS)
    with pytest.raises(ImageTooLarge, match="8192 x 8192"):
        decode(data)


def test_a_jpeg_that_codes_its_pixels_again_and_again_is_refused() -> None:
    data = encode(photo(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    more = 64 - data.count(b"\xff\xda")
    assert decode(data[:-2] + scan * more + data[-2:]).width == 90
    with pytest.raises(CorruptImage, match="more than 64 scans"):
        decode(data[:-2] + scan * (more + 1) + data[-2:])
    plain = encode(photo(), "JPEG")
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    with pytest.raises(CorruptImage):  # it says that one scan is all
        decode(plain[:-2] + scan + plain[-2:])
    # Neither metadata before the image nor a phone's film behind it are scans.
    markers = b"\xff\xda\0\x08" * 100
    comment = b"\xff\xfe" + struct.pack(">H", len(markers) + 2) + markers
    assert decode(data[:2] + comment + data[2:] + markers).width == 90


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # as app.images does in the service
def test_damaged_exif_does_not_matter() -> None:
    data = encode(photo(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(data).width == 90


def test_threads_do_not_disturb_each_other() -> None:
    files = [encode(photo(50 + i, 40), name) for i in range(5) for name in ("JPEG", "PNG", "AVIF")]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        widths = [decoded.width for decoded in pool.map(decode, files * 4)]
    assert widths == [50 + i for i in range(5) for _ in range(3)] * 4


def test_an_image_that_takes_much_memory_is_told_of_before_it_is_decoded() -> None:
    large, small = photo(5000, 3400), photo(400, 300)
    for name, options in (("PNG", {}), ("JPEG", {"progressive": True})):
        with pytest.raises(LargeImage):
            decode(encode(large, name, **options), most_held=LARGE_PIXELS)
        assert decode(encode(large, name, **options)).width == 5000
    # What an AVIF tells of its size may be less than what is decoded.
    with pytest.raises(LargeImage):
        decode(encode(small, "AVIF"), most_held=LARGE_PIXELS)
    plain = encode(large, "JPEG")
    assert decode(plain, most_held=LARGE_PIXELS).width == 5000  # scaled while it is read
    # The colours one after the other, which libjpeg puts together in memory.
    scan = plain.index(b"\xff\xda")
    assert plain[scan + 4] == 3
    with pytest.raises(LargeImage):
        decode(plain[: scan + 4] + b"\1" + plain[scan + 5 :], most_held=LARGE_PIXELS)
    assert decode(encode(small, "JPEG", progressive=True), most_held=LARGE_PIXELS).width == 400


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads as Linux does")
def test_avif_takes_one_thread() -> None:
    data, before = encode(photo(800, 600), "AVIF"), len(list(TASKS.iterdir()))
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert len(list(TASKS.iterdir())) == before
