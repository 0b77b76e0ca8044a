"""A photo as a camera takes it, in every format that is read, and what it should be answered.

No photo of anybody's: the sample boot, enlarged until its tip is cut off, before a grey wall with a
sensor's noise. Lying on its side it would be a dress, so a format that is not turned upright fails.
"""

from __future__ import annotations

import functools
import io
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from app.images import FORMATS
from tests.integration.services import ROOT, started

ORIENTATION = 0x0112
LYING = 6  # a telephone held upright: turn it by 90 degrees to the right
DIFFERENCE = 0.02
"""Of a probability, at most: processors differ in what they compute in."""


@functools.cache
def photos() -> dict[str, bytes]:
    """By format; JPEG and WebP lie on their side, and say so."""
    upright = picture()
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = LYING
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 90, "exif": exif},
        "WEBP": {"quality": 85, "exif": exif},
        "AVIF": {"quality": 80},
        "TIFF": {"compression": "tiff_lzw"},
    }
    made = {}
    for name in FORMATS:
        file, said = io.BytesIO(), options.get(name, {})
        (lying if "exif" in said else upright).save(file, name, **said)
        made[name] = file.getvalue()
    return made


def picture(width: int = 1600, height: int = 1200) -> Image.Image:
    """It upright."""
    noise = np.random.default_rng(7).normal(128, 6, (height, width, 3))
    wall = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    with Image.open(ROOT / "tests/samples/ankle-boot.png") as sample:
        edge = round(1.125 * height)
        boot = sample.convert("L").resize((edge, edge), Image.Resampling.BICUBIC)
    corner = ((width - edge) // 2, (height - edge) // 2)
    wall.paste(boot.convert("RGB"), corner, boot.point(lambda level: min(255, 4 * level)))
    return wall


def answers(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """What a service says to each format, posted as the body and as a form."""
    said = {}
    for name, photo in photos().items():
        answer = client.post("/predict", files={"file": (f"photo.{name.lower()}", photo)})
        assert answer.is_success, f"{name}: {answer.text}"
        said[name] = answer.json()
    return said


@functools.cache
def expected() -> dict[str, dict[str, Any]]:
    """The answers of the standalone service, started from this checkout without any image."""
    with tempfile.TemporaryDirectory() as folder, started(Path(folder) / "log", {}) as service:
        return answers(service.client)


def check_photos(client: httpx.Client) -> None:
    """Every format is a boot, and as surely as the standalone service says."""
    for name, answer in answers(client).items():
        standalone = expected()[name]
        assert answer["label"] == standalone["label"] == "Ankle boot", name
        assert answer["background"] == standalone["background"], name
        for mine, other in zip(by_class(answer), by_class(standalone), strict=True):
            assert abs(mine - other) <= DIFFERENCE, name


def by_class(answer: dict[str, Any]) -> list[float]:
    """The ten probabilities, and that of being a garment at all."""
    ordered = sorted(answer["probabilities"], key=lambda row: row["class_id"])
    return [*(row["probability"] for row in ordered), answer["garment_probability"]]
