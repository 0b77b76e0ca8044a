"""Zips of images: which can be read, and what to do about the others."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path

from app.errors import CorruptImage
from training.errors import DataError

_ENCRYPTED = 0x1
"""The bit of a member's flags. Source: PKWARE, "APPNOTE.TXT", 4.4.4."""
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
"""Those of Python. Windows packs files above 2 GB by Deflate64, which is none of them."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    UnicodeDecodeError,  # of the name that stands before the file
)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip whose files can all be read.

    Raises:
        DataError: it is no zip, or a file in it has a password or is packed by another method.
    """
    try:
        archive = _open(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is neither a folder nor a zip of images: {error}") from error
    for file in archive.infolist():
        problem = ""
        if file.flag_bits & _ENCRYPTED:
            problem = "is encrypted"
        elif file.compress_type not in _METHODS:
            problem = f"is packed by method {file.compress_type}, which Python does not read"
        if problem:
            raise DataError(f"{path}: {file.filename} {problem}: unpack it, and give the folder")
    return archive


def _open(path: Path) -> zipfile.ZipFile:
    """macOS writes names in UTF-8 without saying so, which Python then takes for the IBM PC's."""
    try:
        return zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """The bytes of one file.

    Raises:
        CorruptImage: it is damaged where it lies in the zip.
    """
    try:
        return archive.read(member)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's; bz2's have none
            raise
        raise CorruptImage(f"The zip is damaged there ({error}).") from error
