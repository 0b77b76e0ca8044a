"""Compiled networks on disk, so that only the first start compiles.

A file is the SHA-256 of what follows, and that. An engine may crash on a damaged one, so such a
file is never handed to it.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size

_log = logging.getLogger(__name__)


def read_compiled(path: Path) -> bytes | None:
    """What `write_compiled` kept at `path`; None when it is not there or damaged."""
    try:
        with path.open("rb") as file:
            digest, data = file.read(_DIGEST_BYTES), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the compiled model in the cache cannot be read: %s", error)
        return None
    if hashlib.sha256(data).digest() != digest:
        _log.warning("the compiled model in the cache is damaged and made anew: %s", path)
        return None
    return data


def write_compiled(path: Path, data: bytes) -> None:
    """Keep `data` at `path`, whole or not at all. A cache that cannot be written is only logged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may start at once: each writes its own, and the last one stays.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as new:
            partial = Path(new.name)
            try:
                new.write(hashlib.sha256(data).digest())
                new.write(data)
                new.close()
                # NamedTemporaryFile makes it readable by its owner only; a model is no secret.
                partial.chmod(0o644)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("the compiled model is not cached, so each start compiles it: %s", error)
