"""How far a proxy's answers lie from the standalone service's, and what it sends on.

Photos are made as large as a phone's: each of the split's, enlarged to 12 megapixels, with a
sensor's noise, as JPEG. Each is posted to the service and to a proxy that calls the same service
through boto3 and a stand-in for SageMaker. Exit status 1 when a probability differs by 0.02 or
more, or a payload has 100,000 bytes or more.

    .venv/bin/python tests/benchmarks/proxy_difference.py data/home
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import types
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from tqdm import tqdm

# An installed package is called `tests` as well (a part of sagemaker brings it).
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[1])]

from app.artifact import open_artifact
from app.images import decode
from app.letterbox import LARGEST_EDGE
from app.payload import encode
from app.settings import BUNDLED_MODEL
from tests.integration.aws import running_aws
from tests.integration.services import started
from tests.integration.test_proxy import create_endpoint, proxy_environment
from training.data.datasets import ImageFolder, open_images, split_path

MAX_DIFFERENCE, MAX_BYTES = 0.02, 100_000
LONGEST_EDGE = 4000
NOISE = 4.0
"""Standard deviation of a sensor's noise, in levels of 0 to 255."""


def enlarged(data: bytes, seed: int) -> bytes:
    """The photo as a phone of 12 megapixels would have taken it."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    scale = LONGEST_EDGE / max(image.size)
    size = tuple(round(edge * scale) for edge in image.size)
    large = np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    noise = np.random.default_rng(seed).standard_normal(large.shape, dtype=np.float32) * NOISE
    file = io.BytesIO()
    Image.fromarray((large + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def answers(photo: bytes, *services: httpx.Client) -> list[dict]:
    """Of each service."""
    return [client.post("/predict", content=photo).raise_for_status().json() for client in services]


def by_class(answer: dict) -> list[float]:
    """Probabilities in the order of the class ids, and that of being a garment."""
    rows = sorted(answer["probabilities"], key=lambda row: row["class_id"])
    return [*(row["probability"] for row in rows), answer["garment_probability"] or 1.0]


def measure(
    folder: ImageFolder, count: int, service: httpx.Client, proxy: httpx.Client, model: Path
) -> dict:
    """Post `count` photos to both."""
    size = open_artifact(model).card.input_size
    files = random.Random(0).sample(folder.files, min(count, len(folder.files)))
    differences, sizes, same, same_reviews = [], [], 0, 0
    for number, file in enumerate(tqdm(files, "posting", unit="img")):
        photo = enlarged(folder.read(file), number)
        ours, theirs = answers(photo, service, proxy)
        pairs = zip(by_class(ours), by_class(theirs), strict=True)
        differences.append(max(abs(one - other) for one, other in pairs))
        sizes.append(len(encode(decode(photo, max_edge=LARGEST_EDGE).image, size)))
        same += ours["label"] == theirs["label"]
        same_reviews += ours["review_reasons"] == theirs["review_reasons"]
    return {
        "photos": len(files),
        "largest_difference": max(differences),
        "mean_difference": sum(differences) / len(differences),
        "same_label": same,
        "same_review_reasons": same_reviews,
        "largest_payload_bytes": max(sizes),
        "model": f"{ours['model']['name']} {ours['model']['version']}",
    }


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="prepared data, with packs or folders")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=200, help="photos (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, help="an artifact")
    arguments = parser.parse_args()
    images = open_images(split_path(arguments.data, arguments.split))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = {"GARMENT_MODEL": str(arguments.model), "GARMENT_CACHE": str(folder)}
        with started(folder / "container", variables, "serve", ready="/ping") as container:
            upstream = {"ENDPOINT_UPSTREAM": str(container.client.base_url).rstrip("/")}
            with running_aws(folder, upstream) as aws:
                create_endpoint(aws)
                with started(folder / "proxy", proxy_environment(aws)) as proxy:
                    result = measure(
                        images, arguments.count, container.client, proxy.client, arguments.model
                    )
    print(json.dumps(result, indent=1))
    return int(
        result["largest_difference"] >= MAX_DIFFERENCE
        or result["largest_payload_bytes"] >= MAX_BYTES
    )


if __name__ == "__main__":
    sys.exit(main())
