"""Fixtures for every test."""

from __future__ import annotations

import base64
import functools
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

# Before anything loads torch: threads that spin while they wait slow each other down when tests,
# servers and trainings share two cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from app.artifact import CARD_FILE, GOLDEN_FILE, Golden, golden_json
from app.card import CATEGORIES
from tests.cards import make_card


@pytest.fixture
def make_artifact(tmp_path: Path) -> Callable[..., Path]:
    """A file that is verified as an artifact is, a few kB and without a network inside.

    Enough for what moves artifacts about: they are never loaded by it.
    """

    def make(version: str = "1.0.0", day: int = 1, note: str = "none") -> Path:
        card = make_card(
            version=version, created=datetime(2026, 1, day, tzinfo=UTC), limitations=[note]
        )
        golden = Golden(png=base64.b64encode(b"png"), label=CATEGORIES[0], probabilities=[0.1] * 10)
        path = tmp_path / "made" / f"{version}-{day}-{note}" / "model.pt"
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"model/extra/{CARD_FILE}", card.model_dump_json())
            archive.writestr(f"model/extra/{GOLDEN_FILE}", golden_json([golden]))
        return path

    return make


@pytest.fixture(scope="session", autouse=True)
def _aws_descriptions_are_read_once() -> Iterator[None]:
    """Each session of boto3 reads those of AWS's services anew, megabytes of JSON."""
    loader = JSONFileLoader()
    with pytest.MonkeyPatch.context() as patch:
        read = functools.cache(loader.load_file)
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield
