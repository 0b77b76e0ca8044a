"""What photos may go through and still be answered right, beside the photos as they are.

Alters the photos of a split, sends each through decoding, trimming and the network as the service
does, and prints a table for each source.

    .venv/bin/python tests/benchmarks/robustness.py data/catalogue data/home
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from arguments import parsed
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from tqdm import tqdm

from app.artifact import Artifact, open_artifact
from app.card import CATEGORIES
from app.cpu import available_cores, is_fast_at_int8
from app.engines.openvino import OpenVINOEngine
from app.images import decode
from app.predictors.judging import Judged, judge
from app.review import review_reasons
from app.settings import Settings
from training.data.datasets import class_ids, open_images, sources_of

BATCH = 32
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

Alteration = Callable[[Image.Image], Image.Image]


def on_square(colour: tuple[int, int, int], times: float) -> Alteration:
    """In the middle of a square of one colour, `times` as wide as the photo's longest edge."""

    def alter(photo: Image.Image) -> Image.Image:
        edge = round(times * max(photo.size))
        square = Image.new("RGB", (edge, edge), colour)
        square.paste(photo, ((edge - photo.width) // 2, (edge - photo.height) // 2))
        return square

    return alter


def coarse(photo: Image.Image) -> Image.Image:
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=10)
    return Image.open(data).convert("RGB")


def middle(photo: Image.Image) -> Image.Image:
    """Cut by 15 % on each side."""
    width, height = photo.size
    return photo.crop(
        tuple(round(edge) for edge in (0.15 * width, 0.15 * height, 0.85 * width, 0.85 * height))
    )


ALTERATIONS: dict[str, Alteration] = {
    "as it is": lambda photo: photo,
    "white bars, to a square": on_square(WHITE, 1),
    "in a white square, 1.6 times as wide": on_square(WHITE, 1.6),
    "in a white square, 4 times as wide": on_square(WHITE, 4),
    "in a black square, 1.3 times as wide": on_square(BLACK, 1.3),
    "mirrored": ImageOps.mirror,
    "grey": lambda photo: ImageOps.grayscale(photo).convert("RGB"),
    "a third as bright": lambda photo: ImageEnhance.Brightness(photo).enhance(0.35),
    "overexposed, 1.7 times as bright": lambda photo: ImageEnhance.Brightness(photo).enhance(1.7),
    "blurred": lambda photo: photo.filter(ImageFilter.GaussianBlur(max(photo.size) / 32)),
    "JPEG of quality 10": coarse,
    "cut by 15 % on each side": middle,
    "turned by 15 degrees": lambda photo: photo.rotate(
        15, Image.Resampling.BILINEAR, expand=True, fillcolor=photo.getpixel((0, 0))
    ),
    "turned by 90 degrees": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda photo: photo.transpose(Image.Transpose.ROTATE_180),
}


def encode(photo: Image.Image) -> bytes:
    data = io.BytesIO()
    photo.save(data, "PNG", compress_level=1)
    return data.getvalue()


def measure(
    artifact: Artifact, engine: OpenVINOEngine, photos: list[bytes], truths: list[int]
) -> tuple[float, float, float]:
    """Shares: right, accepted without review, and right of these."""
    settings = Settings()
    right, accepted = [], []
    for start in range(0, len(photos), BATCH):
        for outcome in judge(engine, settings.max_image_pixels, photos[start : start + BATCH]):
            assert isinstance(outcome, Judged), outcome
            scores = outcome.scores
            reasons = review_reasons(
                scores.probabilities,
                scores.garment_probability,
                artifact.card.calibration[scores.background],
                shortest_edge=outcome.shortest_edge,
                min_edge=settings.min_image_edge,
                blank=outcome.blank,
            )
            right.append(int(np.argmax(scores.probabilities)) == truths[len(right)])
            accepted.append(not reasons)
    of_accepted = np.array(right)[accepted]
    return np.mean(right), np.mean(accepted), np.mean(of_accepted) if len(of_accepted) else 0


def main() -> int:
    arguments = parsed(__doc__)
    artifact = open_artifact(arguments.model)
    precision = "int8" if is_fast_at_int8() and artifact.ranges else "float32"
    engine = OpenVINOEngine(artifact, precision, available_cores())
    for source, splits in sources_of(arguments.data).items():
        folder = open_images(splits[arguments.split])
        ids = class_ids(folder)
        files = [file for file in folder.files if ids[file.folder] < len(CATEGORIES)]
        photos = [decode(folder.read(file)).image for file in files]
        truths = [ids[file.folder] for file in files]
        print(f"`{source}/{arguments.split}`, {len(files):,} photos, {precision}\n")
        print("| photo | right | accepted without review | right of these |")
        print("|---|---|---|---|")
        for name, alter in tqdm(ALTERATIONS.items(), source, disable=None):
            found = measure(artifact, engine, [encode(alter(photo)) for photo in photos], truths)
            print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in found) + " |", flush=True)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
