import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.calibrate import MIN_IMAGES
from training.data.datasets import FOLDERS


def striped(label: int, seed: int, size: tuple[int, int] = (28, 28)) -> Image.Image:
    """An image that a network can learn to tell apart from those of other labels.

    Stripes, whose direction and distance follow from the label, with noise from the seed.
    """
    random = np.random.default_rng(seed * 16 + label)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    angle, waves = label % 5 * np.pi / 5, 2 + 3 * (label // 5)
    phase = (x / size[0] * np.cos(angle) + y / size[1] * np.sin(angle)) * waves * 2 * np.pi
    pixels = 128 + 100 * np.sin(phase) + random.normal(0, 8, phase.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def write_tree(root: Path, counts: dict[str, int], first: int = 0) -> None:
    """Writes an ImageFolder tree: `counts` images per class below `root`, named from `first` on."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(first, first + count):
            image = striped(FOLDERS.index(folder), index)
            (root / folder / f"{index:03d}.png").write_bytes(png(image))


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """`write_tree` below the test's own folder."""

    def make(root: str, counts: dict[str, int], first: int = 0) -> Path:
        write_tree(tmp_path / root, counts, first)
        return tmp_path / root

    return make


@pytest.fixture(autouse=True)
def _few_turned_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each export learns from these which way up images are: as many as it needs at least."""
    monkeypatch.setattr("training.exporting.TURNED_IMAGES", MIN_IMAGES)
