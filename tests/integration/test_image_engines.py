"""Which engines an image has, and that each is right about real pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.app.conftest import encode, photo
from tests.app.test_engines_openvino import write_vgg16
from tests.integration.containers import (
    NEEDS_ENGINE,
    Container,
    build,
    docker,
    post_sample,
    running,
)
from training.data import fashion_mnist

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(900)]

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
needs_fashion_mnist = pytest.mark.skipif(
    not DEBIAN.exists(), reason="needs Debian's package dataset-fashion-mnist"
)


def variant(name: str) -> str:
    """The image of a target; "without OpenVINO" is the service built so."""
    return build("service", OPENVINO="0") if name == "without OpenVINO" else build(name)


def engine_of(container: Container) -> str:
    return str(container.client.get("/model").json()["engine"])


@pytest.mark.parametrize(
    ("name", "installed"),
    [
        ("service", "torch openvino"),
        ("service-slim", "openvino"),
        ("without OpenVINO", "torch"),
        ("proxy", ""),
        ("training", "torch"),
    ],
)
def test_it_has_these_engines_only(name: str, installed: str) -> None:
    code = (
        "from importlib.util import find_spec;"
        "print(*[name for name in ('torch', 'openvino') if find_spec(name)])"
    )
    assert docker("run", "--rm", "--entrypoint=python", variant(name), "-c", code) == installed


@needs_fashion_mnist
@pytest.mark.parametrize(
    ("name", "choice", "engine"),
    [
        ("service", "auto", "openvino"),
        ("service", "torchscript", "torchscript"),
        ("service-slim", "auto", "openvino"),
        ("without OpenVINO", "auto", "torchscript"),
    ],
)
def test_its_engine_is_right_about_fashion_mnist(name: str, choice: str, engine: str) -> None:
    images, labels = fashion_mnist.read(DEBIAN, "test")
    pictures = [encode(Image.fromarray(pixels), "PNG") for pixels in images[:32]]
    with running(variant(name), f"--env=GARMENT_ENGINE={choice}") as container:
        container.wait_until("healthy")
        assert engine_of(container) == engine
        form = [("files", (f"{number}.png", png)) for number, png in enumerate(pictures)]
        items = container.client.post("/predict/batch", files=form).json()["items"]
        right = [
            item["prediction"]["class_id"] == label
            for item, label in zip(items, labels, strict=False)
        ]
        assert len(right) == 32
        assert sum(right) >= 28
        answer = post_sample(container.client, "/predict?explain=true").json()
        assert answer["label"] == "Ankle boot"
        assert answer["explanation"]["heatmap"].startswith("data:image/png")
        assert '"level": "warning"' not in container.log()


def test_the_slim_image_serves_vgg16_to_sagemaker(tmp_path: Path) -> None:
    write_vgg16(tmp_path / "model.pt")
    tmp_path.chmod(0o755)
    mount = f"--volume={tmp_path}:/opt/ml/model:ro"
    with running(build("service-slim"), mount, arguments=("serve",)) as container:
        container.wait_until("healthy")
        assert container.client.get("/model").json()["card"]["architecture"] == "vgg16"
        assert engine_of(container) == "openvino"
        answer = container.client.post("/invocations", content=encode(photo(), "PNG"))
        assert len(answer.json()["probabilities"]) == 10


def test_the_slim_image_says_that_it_has_no_torch() -> None:
    with running(build("service-slim"), "--env=GARMENT_ENGINE=torchscript") as container:
        assert docker("wait", container.id) == "1"
        assert "the engine torchscript needs torch, which is not installed" in container.log()
