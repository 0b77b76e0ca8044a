import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.thin_network import thin_resnet18
from training.calibrate import MIN_IMAGES
from training.data.datasets import FOLDERS
from training.torchvision_cpu import torchvision


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


def packed(model: Path, archive: Path, name: str = "model.pt") -> Path:
    """Writes a model.tar.gz as SageMaker does, with the model under this name."""
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(model, name)
    return archive


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """`write_tree` below the test's own folder."""

    def make(root: str, counts: dict[str, int], first: int = 0) -> Path:
        write_tree(tmp_path / root, counts, first)
        return tmp_path / root

    return make


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of S3 as moto plays it; there is one bucket, `shop`."""
    import boto3  # only here: most tests need neither, and both take long to import
    from moto import mock_aws

    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="shop")
        yield client


@pytest.fixture(autouse=True)
def _few_turned_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each export learns from these which way up images are: as many as it needs at least."""
    monkeypatch.setattr("training.exporting.TURNED_IMAGES", MIN_IMAGES)


_get_model = torchvision.models.get_model


@pytest.fixture(scope="module", autouse=True)
def _thin_network() -> Iterator[None]:
    """Within the tests' own process resnet18 is a thin one; `real_network` undoes it."""

    def get_thin(name: str, **options: Any) -> Any:
        thin = name == "resnet18" and not options.get("weights")
        return thin_resnet18() if thin else _get_model(name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision.models, "get_model", get_thin)
        yield


@pytest.fixture
def real_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resnet18 is torchvision's own."""
    monkeypatch.setattr(torchvision.models, "get_model", _get_model)


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings are made up to where they are laid out and rendered, most of a report's time."""
    blank = png(Image.new("L", (1, 1)))
    monkeypatch.setattr(Figure, "savefig", lambda _, file, **__: file.write(blank))
