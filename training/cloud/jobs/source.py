"""What a training job runs: the two packages without the bundled model, and what they need."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

ENTRY_POINT = "training/train.py"
REQUIREMENTS = "requirements.txt"
"""Beside the packages; the sagemaker-training toolkit looks for this very name."""

START = "start.sh"
"""Starts the SDK's script, and passes SIGTERM on to the training."""

OF_APP = (
    "__init__.py",
    "artifact.py",
    "card.py",
    "errors.py",
    "image_bounds.py",
    "image_depth.py",
    "images.py",
    "release.py",
    "trimming.py",
    "upright.py",
)
"""What training takes of the service."""


def write_source(folder: Path) -> Path:
    """Write the source of a training job below `folder`, some 0.5 MB, and give the folder.

    The cloud commands, the reports and the web page stay out: a job needs none of them.
    """
    (folder / "app").mkdir(parents=True)
    for name in OF_APP:
        shutil.copy(ROOT / "app" / name, folder / "app")
    ignored = shutil.ignore_patterns("cloud", "reports", "__pycache__", "*.pyc")
    shutil.copytree(ROOT / "training", folder / "training", ignore=ignored)
    shutil.copy(Path(__file__).with_name("container-requirements.txt"), folder / REQUIREMENTS)
    shutil.copy(Path(__file__).with_name(START), folder)
    return folder
