"""Accuracy as a user gets it: every image of a split posted to POST /predict, one by one.

Starts the service with the given artifact (the bundled one by default), posts the split's files as
they are, and holds the accuracy against the model card's figure, which `evaluate` gives too. Exit
status 1 if they differ by more than 0.1 points.

    .venv/bin/python tests/benchmarks/accuracy_over_http.py data/fashion-mnist
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tqdm import tqdm

from training.data.datasets import ImageFile, ImageFolder, class_id, open_images, split_path

TOLERANCE = 0.001
IN_FLIGHT = 32


@contextmanager
def service(model: Path | None) -> Iterator[str]:
    """A service on a free port; gives its URL once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"GARMENT_PORT": str(port), "GARMENT_LOG_LEVEL": "error"}
    if model is not None:
        environment["GARMENT_MODEL"] = str(model)
    process = subprocess.Popen([sys.executable, "-m", "app"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit("the service did not start")
            try:
                if httpx.get(f"{url}/health/ready").is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


async def post_all(url: str, folder: ImageFolder) -> tuple[int, int]:
    """Post every image; gives how many were answered rightly, and how many need a review."""
    right = review = 0
    waiting = iter(tqdm(folder.files, "posting", unit="img", mininterval=1))

    async def client_loop(client: httpx.AsyncClient) -> None:
        nonlocal right, review
        for file in waiting:
            answer = await post(client, folder, file)
            right += answer["class_id"] == class_id(file.folder)
            review += answer["needs_review"]

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.gather(*(client_loop(client) for _ in range(IN_FLIGHT)))
    return right, review


async def post(client: httpx.AsyncClient, folder: ImageFolder, file: ImageFile) -> dict:
    """One answer, asked for again while the service has no room."""
    while True:
        response = await client.post("/predict", files={"file": (file.name, folder.read(file))})
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            response.raise_for_status()
            return response.json()
        await asyncio.sleep(float(response.headers["retry-after"]))


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="prepared data, with packs or folders")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--model", type=Path, help="an artifact (default: the bundled one)")
    parser.add_argument("--url", help="a service that runs already")
    arguments = parser.parse_args()
    folder = open_images(split_path(arguments.data, arguments.split))
    if arguments.url:
        return measure(arguments.url, folder, f"{arguments.data.name}/{arguments.split}")
    with service(arguments.model) as url:
        return measure(url, folder, f"{arguments.data.name}/{arguments.split}")


def measure(url: str, folder: ImageFolder, name: str) -> int:
    """Post the images to the service at `url`; the exit status."""
    model = httpx.get(f"{url}/model").raise_for_status().json()
    started = time.monotonic()
    right, review = asyncio.run(post_all(url, folder))
    count = len(folder.files)
    card = model["card"]["figures"].get(name)
    expected = card["accuracy"] if card else None
    result = {
        "split": name,
        "model": f"{model['card']['name']} {model['card']['version']}",
        "sha256": model["sha256"],
        "engine": f"{model['engine']}, {model['precision']}",
        "images": count,
        "accuracy": right / count,
        "accuracy_of_model_card": expected,
        "sent_to_review": review / count,
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, indent=1))
    if expected is not None and abs(right / count - expected) > TOLERANCE:
        print(f"differs from the model card by more than {TOLERANCE:.1%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
