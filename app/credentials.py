"""AWS's credential files that this process may not read: boto3 passes them over in silence."""

from __future__ import annotations

import os
from pathlib import Path

_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


def told_of_unreadable() -> str:
    """A sentence on each of them, after a space; empty where there is none.

    For the message of a call that found no credentials. A container with a mounted `~/.aws` is the
    usual case: its user is not the one whose files these are.
    """
    paths = [Path(os.environ.get(name, usual)).expanduser() for name, usual in _FILES.items()]
    return "".join(
        f" {path} may not be read by user {os.geteuid()}: give that user the right to, or run as "
        "its owner."
        for path in paths
        if _forbidden(path)
    )


def _forbidden(path: Path) -> bool:
    try:
        path.open("rb").close()
    except PermissionError:
        return True
    except OSError:
        pass  # it is not there, or boto3 says itself what is wrong with it
    return False
