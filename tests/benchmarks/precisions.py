"""What a faster precision costs in accuracy: all that this processor is fast at, side by side.

Runs an artifact (the bundled one by default) in OpenVINO as the service does, over a split of each
source, and prints a table. Exit status 1 if int8 loses more than 0.2 points of accuracy on any.

    .venv/bin/python tests/benchmarks/precisions.py data/fashion-mnist data/catalogue data/home
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from arguments import parsed
from PIL import Image
from tqdm import tqdm

from app.artifact import Artifact, open_artifact
from app.card import BACKGROUNDS, Figures
from app.cpu import available_cores, is_fast_at_bfloat16, is_fast_at_int8
from app.engines import EnginePrecision
from app.engines.openvino import OpenVINOEngine
from app.predictors.judging import run_upright
from training.data.datasets import sources_of
from training.data.loading import Split, load_split
from training.measurement import metrics
from training.measurement.limits import Answers

BATCH = 64
MOST_LOST = 0.002


def measure(artifact: Artifact, precision: EnginePrecision, split: Split, name: str) -> Figures:
    engine = OpenVINOEngine(artifact, precision, available_cores())
    scores = []
    for images in tqdm(split.images.split(BATCH), f"{name}, {precision}", disable=None):
        pixels = images.permute(0, 2, 3, 1).numpy()
        scores += run_upright(engine, [engine.prepare(Image.fromarray(each)) for each in pixels])
    answers = Answers(
        np.array([each.probabilities for each in scores]),
        np.array([each.garment_probability for each in scores], dtype=float),
        np.array([BACKGROUNDS.index(each.background) for each in scores]),
    )
    return metrics.figures(answers, split.labels.numpy(), artifact.card.calibration)


def main() -> int:
    arguments = parsed(__doc__)
    artifact = open_artifact(arguments.model)
    precisions: list[EnginePrecision] = ["float32"]
    precisions += ["bfloat16"] if is_fast_at_bfloat16() else []
    precisions += ["int8"] if is_fast_at_int8() and artifact.ranges else []
    lines, worst = [], 0.0
    for source, splits in sources_of(arguments.data).items():
        split = load_split(splits[arguments.split])
        name = f"{source}/{arguments.split}"
        found = {each: measure(artifact, each, split, name) for each in precisions}
        for precision, figures in found.items():
            lost = found["float32"].accuracy - figures.accuracy
            worst = max(worst, lost if precision == "int8" else 0.0)
            covered = figures.conformal.coverage
            auroc = f"{figures.other.auroc:.4f}" if figures.other else "none"
            lines.append(
                f"| `{name}` | {precision} | {figures.accuracy:.2%} | {100 * lost:+.2f} "
                f"| {figures.ece:.3f} | {covered:.2%} | {auroc} |"
            )
    print("| split | precision | accuracy | points lost | ECE | `labels` hold the truth | AUROC |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))
    return int(worst > MOST_LOST)


if __name__ == "__main__":
    sys.exit(main())
