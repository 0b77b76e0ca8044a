"""The same artifact under another version."""

from __future__ import annotations

import zipfile
from pathlib import Path

from app.artifact import CARD_FILE
from app.card import ModelCard


def other_version(source: Path, version: str, target: Path) -> Path:
    """Write the artifact `source` to `target`, with a card that says `version`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename.endswith(f"/extra/{CARD_FILE}"):
                card = ModelCard.model_validate_json(content)
                content = card.model_copy(update={"version": version}).model_dump_json().encode()
            new.writestr(member.filename, content)  # stored, as torch reads it
    return target
