"""Whose data a model has learnt from: that of its run, and that of the model which it began as."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.artifact import Artifact, ArtifactError, open_artifact
from app.card import DataSource
from training import checkpoint
from training.data.datasets import open_images
from training.errors import DataError
from training.releases.packed import model_file

IMAGENET = DataSource(
    name="ImageNet-1k, by torchvision's pretrained weights",
    licence="non-commercial research, by ImageNet's terms",
    url="https://www.image-net.org/",
    images=1_281_167,
)


def data_source(name: str, splits: Mapping[str, Path], split: str = "train") -> DataSource:
    """Who made the data, from the prepared.json that `prepare` left beside the splits.

    `split` is the one whose images are counted: `valid`, where a model is calibrated on them.

    Raises:
        DataError: there is no such split, or the prepared.json cannot be understood.
    """
    if split not in splits:
        raise DataError(f"{name} has no {split!r} split, which says what the model has learnt from")
    images = len(open_images(splits[split]).files)
    told = splits[split].parent / "prepared.json"
    try:
        source = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        if not isinstance(source, dict):
            raise ValueError("expected a JSON object")
        return DataSource(
            name=source.get("name", name),
            licence=source.get("licence", "not stated"),
            url=source.get("url"),
            images=images,
        )
    except ValueError as error:
        problem = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            problem = f"{first['loc'][0]}={first['input']!r}: {first['msg']}"
        raise DataError(f"{told}: not what prepare writes there: {problem}") from error


def learnt_from(
    ours: list[DataSource], models: Iterable[str], pretrained: bool
) -> list[DataSource]:
    """The sources of a run, and those of its models that are not among them.

    Args:
        ours: the sources of the run itself.
        models: what it starts from or is taught by: artifacts, folders or checkpoints of runs,
            here or on S3.
        pretrained: whether it starts from ImageNet's weights.

    Raises:
        CheckpointError: a model is none of these.
        ArtifactError, PublishError: see `model_file`.
    """
    sources: dict[tuple[str, str, str | None], DataSource] = {}
    for source in ours:
        key = _key(source)
        known = sources[key].images if key in sources else 0
        sources[key] = source.model_copy(update={"images": known + source.images})
    before = [IMAGENET] if pretrained else []
    for name in models:
        before += _sources_of(name)
    for source in before:  # the same data, learnt from again: its images count once
        sources.setdefault(_key(source), source)
    return list(sources.values())


def artifact_at(path: Path) -> Artifact | None:
    """The artifact at `path`; None where it is a run, by its folder or checkpoint, or nothing."""
    try:
        return open_artifact(path) if path.is_file() else None
    except ArtifactError:
        return None


def stored_sources(state: Mapping[str, Any]) -> list[DataSource] | None:
    """What a run has learnt from, by its checkpoint; None where an earlier version wrote it."""
    stored = state.get("sources")
    return None if stored is None else [DataSource(**source) for source in stored]


def _key(source: DataSource) -> tuple[str, str, str | None]:
    """By the name alone, one of two sources called `images` would be lost, with its licence."""
    return source.name, source.licence, source.url


def _sources_of(name: str) -> list[DataSource]:
    with model_file(name) as path:
        if (artifact := artifact_at(path)) is not None:
            return artifact.card.sources
        stored = stored_sources(checkpoint.load(path))
    unknown = DataSource(
        name=f"whatever {Path(name).name} learnt from", licence="not stated", images=0
    )
    return [unknown] if stored is None else stored
