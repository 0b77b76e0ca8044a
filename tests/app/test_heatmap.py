import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from app.engines import Explanation
from app.heatmap import _coloured, _enlarged, heatmap_png, input_png

GREY = np.full((112, 112, 3), 128, np.uint8)


def one_cell(row: int, column: int) -> np.ndarray:
    heat = np.zeros((15, 15), np.float32)
    heat[row, column] = 1
    return heat


def drawn(explanation: Explanation) -> np.ndarray:
    with Image.open(io.BytesIO(heatmap_png(explanation))) as image:
        return np.asarray(image).astype(float).sum(axis=2)


def test_the_input_is_what_the_model_saw() -> None:
    seen = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    png = input_png(Explanation(seen, one_cell(0, 0)))
    with Image.open(io.BytesIO(png)) as image:
        assert (np.asarray(image) == seen).all()


@pytest.mark.parametrize(("row", "column"), [(3, 10), (7, 7), (12, 1)])
def test_a_cell_is_drawn_around_its_pixel(row: int, column: int) -> None:
    large = _enlarged(one_cell(row, column), (336, 336))
    # Pixel p of the input begins at 3p; the centre of its three pixels is 3p + 1.
    for axis, cell in ((1, row), (0, column)):
        places = np.arange(336)
        centre = (large.sum(axis=axis) * places).sum() / large.sum()
        assert centre == pytest.approx(3 * 8 * cell + 1, abs=0.01)
    assert large[24 * row + 1, 24 * column + 1] == pytest.approx(1)
    # Bilinear: half way to the next cell it is half, and at the next cell nothing.
    assert large[24 * row + 13, 24 * column + 1] == pytest.approx(0.5)
    assert large[24 * row + 25, 24 * column + 1] == pytest.approx(0, abs=1e-6)


def test_the_first_cell_is_around_the_first_pixel() -> None:
    large = _enlarged(one_cell(0, 0), (336, 336))
    assert (large[:2, :2] == 1).all()  # 1 is the centre of the first pixel; the edge goes on as it
    assert large[1, 13] == pytest.approx(0.5)
    assert not large[30:].any()


def test_bright_is_where_the_evidence_is() -> None:
    light = drawn(Explanation(GREY, one_cell(2, 12)))
    assert light.shape == (336, 336)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert abs(row - 49) <= 1
    assert abs(column - 289) <= 1


def test_the_photo_is_seen_through_the_colours() -> None:
    seen = GREY.copy()
    seen[56:] = 250
    heat = np.full((15, 15), 0.5, np.float32)
    light = drawn(Explanation(seen, heat))
    assert light[250, 100] > light[80, 100] + 60


def test_no_map_no_picture() -> None:
    assert heatmap_png(Explanation(GREY, np.zeros((15, 15), np.float32))) is None


def test_the_colours_are_inferno_and_grow_ever_brighter() -> None:
    heat = np.linspace(0, 1, 256)[None, :]
    ours = _coloured(heat)[0] / 255
    assert np.abs(ours - np.array(mpl.colormaps["inferno"].colors)).max() < 0.03
    assert (np.diff(ours @ [0.2126, 0.7152, 0.0722]) > -0.004).all()
