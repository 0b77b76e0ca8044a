"""Why an artifact could not be fetched. Every message says what to do.

StoreError
├── UnreachableError      S3 does not answer; a verified cached copy is served instead
│   └── BrokenOffError    the download broke off; it is tried again
├── MissingError          no such bucket, key or file
├── DeniedError           these credentials may not read it
└── ChecksumError         the bytes are not those that the manifest names
"""

from __future__ import annotations

import errno
from pathlib import Path


class StoreError(Exception):
    """The artifact cannot be had from where it was looked for."""


class UnreachableError(StoreError):
    """S3 cannot be reached, or answers that it is not able to serve at the moment."""


class BrokenOffError(UnreachableError):
    """The download began and broke off."""


class MissingError(StoreError):
    """The bucket, the key or the file does not exist."""


class DeniedError(StoreError):
    """The credentials are known and may not read this."""


class ChecksumError(StoreError):
    """The SHA-256 is not the one in the manifest."""


def disk_error(error: OSError, folder: Path) -> StoreError:
    """What went wrong while writing into the cache, in plain words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"{folder}: the disk is full. Free some space, or set GARMENT_CACHE to a folder on "
            "another disk."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"{folder}: no permission to write there. Make it writable for the user that runs "
            "the service, or set GARMENT_CACHE to another folder."
        )
    return StoreError(f"{folder}: the artifact cannot be stored there: {error}")
