"""Where half of a border decides."""

import numpy as np
import pytest
from PIL import Image

from app.card import BACKGROUNDS
from app.letterbox import BLACK, WHITE, backgrounds, letterbox


def square(level: int, count: int, rest: int) -> np.ndarray:
    """A border of 40 values (corners count twice), `count` of them `level`, and grey inside it."""
    pixels = np.full((10, 10, 3), rest, np.uint8)
    pixels[1:-1, 1:-1] = 120
    pixels[0, [0, -1]] = pixels[-1, [0, -1]] = level
    sides = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    for at in range(count - 8):
        sides[at // 8][1 + at % 8] = level
    return pixels


@pytest.mark.parametrize(
    ("level", "count", "rest", "background"),
    [
        (WHITE, 21, WHITE - 1, "white"),
        (WHITE, 20, WHITE - 1, "scene"),
        (BLACK, 20, BLACK + 1, "black"),
        (BLACK, 19, BLACK + 1, "scene"),
    ],
)
def test_the_lower_median_of_the_border_is_the_background(
    level: int, count: int, rest: int, background: str
) -> None:
    (place,) = backgrounds(square(level, count, rest)[None])
    assert BACKGROUNDS[place] == background


@pytest.mark.parametrize(("dark", "fill"), [(8, 10), (7, 200)])
def test_the_lower_median_of_the_border_fills_the_square(dark: int, fill: int) -> None:
    """Of 16 values at 6 x 2 pixels."""
    pixels = np.full((2, 6, 3), 200, np.uint8)
    pixels[0, 0] = 10  # in two sides
    pixels[0, 1:5] = pixels[1, 1 : dark - 5] = 10
    assert letterbox(Image.fromarray(pixels), 6)[0, 0].tolist() == [fill] * 3
