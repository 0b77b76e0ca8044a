"""What is around a photo is cut off, and nothing of the photo."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.images import DecodedImage, decode
from app.trimming import SMALL, trim
from training.data.loading import to_tensor

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def photo(width: int, height: int) -> Image.Image:
    """Colours that change from pixel to pixel, up to the edge, and none near white or black."""
    levels = np.random.default_rng(0).integers(60, 200, (height, width, 3))
    return Image.fromarray(levels.astype(np.uint8))


def shirt(width: int, height: int, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """A garment whose outline touches all four edges, as cut out."""
    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, width - 1, height - 1), fill=(90, 120, 60))
    return image


def on(colour: tuple[int, int, int], image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An image in the middle of another, which is even."""
    around = Image.new("RGB", size, colour)
    around.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return around


def trimmed(image: Image.Image) -> Image.Image:
    return trim(DecodedImage(image, *image.size, "PNG")).image


@pytest.mark.parametrize("colour", [WHITE, BLACK, (128, 90, 40)])
@pytest.mark.parametrize("size", [(120, 120), (90, 120), (100, 70), (64, 120)])
def test_bars_of_any_colour_go_and_the_photo_stays(
    colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    inner = photo(60, 70) if size[0] < size[1] else photo(66, 60)
    found = trimmed(on(colour, inner, size))
    assert np.array_equal(np.asarray(found), np.asarray(inner))


def test_of_a_large_photo_no_line_of_the_bars_is_left() -> None:
    found = np.asarray(trimmed(on(WHITE, photo(351, 500), (801, 500))))
    assert 335 <= found.shape[1] <= 351
    assert found.shape[0] == 500
    assert found.max() < 200


def test_bars_within_bars_go() -> None:
    framed = on(BLACK, on(WHITE, photo(60, 70), (90, 100)), (100, 120))
    assert trimmed(framed).size == (60, 70)


@pytest.mark.parametrize("background", [WHITE, BLACK])
def test_a_small_garment_fills_its_image_afterwards(background: tuple[int, int, int]) -> None:
    found = trimmed(on(background, shirt(40, 50, background), (120, 100)))
    assert found.size == (62, 62)  # 12 % of 50 on each side, and as wide as high
    garment = (np.asarray(found) != background).any(axis=2)
    rows, columns = np.flatnonzero(garment.any(axis=1)), np.flatnonzero(garment.any(axis=0))
    assert (rows[0], rows[-1]) == (6, 55)
    assert (columns[0], columns[-1]) == (11, 50)
    assert np.asarray(found)[0, 0].tolist() == list(background)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(photo(80, 60), id="a photo to the edge"),
        pytest.param(on(WHITE, shirt(56, 71), (80, 100)), id="a garment that fills 71 %"),
        pytest.param(on(WHITE, shirt(20, 90), (120, 90)), id="a garment from edge to edge"),
        pytest.param(on(WHITE, shirt(5, 5), (100, 100)), id="a speck"),
        pytest.param(Image.new("RGB", (50, 50), WHITE), id="nothing"),
        pytest.param(Image.new("RGB", (1, 1)), id="one pixel"),
        pytest.param(on(WHITE, photo(99, 99), (100, 100)), id="an edge of one pixel"),
    ],
)
def test_what_has_no_border_is_left(image: Image.Image) -> None:
    decoded = DecodedImage(image, *image.size, "PNG")
    assert trim(decoded) is decoded


def test_corners_of_two_colours_are_no_border() -> None:
    image = on(WHITE, shirt(30, 30), (100, 100))
    image.putpixel((99, 99), (240, 255, 255))
    assert trimmed(image) is image


def test_the_noise_of_jpeg_hides_no_border() -> None:
    data = io.BytesIO()
    on(WHITE, shirt(400, 500), (1600, 1600)).save(data, "JPEG", quality=75)
    decoded = decode(data.getvalue())
    found = trim(decoded)
    assert max(found.image.size) < SMALL * max(decoded.image.size)
    # The size is told in pixels of the file, whatever it was decoded at.
    assert found.width == pytest.approx(620, abs=40)
    assert found.height == pytest.approx(620, abs=40)


def test_what_was_trimmed_once_is_not_trimmed_again() -> None:
    for image in (on(WHITE, shirt(40, 50), (300, 200)), on(BLACK, photo(60, 70), (100, 120))):
        once = trimmed(image)
        assert trimmed(once) is once


def test_training_reads_photos_as_they_are_served() -> None:
    data = io.BytesIO()
    on(WHITE, photo(60, 70), (120, 120)).save(data, "PNG")
    assert np.array_equal(
        to_tensor(data.getvalue()).permute(1, 2, 0).numpy(), np.asarray(photo(60, 70))
    )
