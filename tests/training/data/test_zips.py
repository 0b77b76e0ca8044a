import errno
import zipfile
from pathlib import Path

import pytest

from app.errors import CorruptImage
from tests.training.conftest import png, striped
from training.data.zips import open_zip, read_member
from training.prepare import prepare


def pack(path: Path, method: int, last: str) -> bytes:
    """Writes a zip of 20 coats and one named `last`; returns what it holds up to its directory."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for index in range(20):
            archive.writestr(f"Coat/{index}.png", png(striped(4, index)))
        archive.writestr(f"Coat/{last}", png(striped(4, 20)))
    return path.read_bytes()[: archive.start_dir]


@pytest.mark.parametrize(
    "method",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    ids=["stored", "deflate", "bzip2", "lzma"],
)
def test_a_damaged_member_is_left_out_however_it_is_packed(tmp_path: Path, method: int) -> None:
    path = tmp_path / "photos.zip"
    start = pack(path, method, "bad.png").rindex(b"bad.png") + 30
    content = bytearray(path.read_bytes())
    for index in range(start, start + 40):
        content[index] ^= 0x5A
    path.write_bytes(content)

    [told] = prepare(str(path), tmp_path / "data").corrupt

    assert told.startswith("Coat/bad.png: The zip is damaged there (")


def test_a_name_that_is_damaged_before_its_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    before = pack(path, zipfile.ZIP_STORED, "Mütze.png")
    damaged = before.replace("ü".encode(), b"\xc3\xc3")
    path.write_bytes(damaged + path.read_bytes()[len(before) :])

    with pytest.raises(CorruptImage, match="The zip is damaged there"):
        read_member(open_zip(path), "Coat/Mütze.png")


def test_a_disk_that_fails_is_not_taken_for_a_damaged_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(archive: zipfile.ZipFile, name: str) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    pack(tmp_path / "photos.zip", zipfile.ZIP_STORED, "last.png")
    monkeypatch.setattr(zipfile.ZipFile, "read", fail)

    with pytest.raises(OSError, match="Input/output error"):
        prepare(str(tmp_path / "photos.zip"), tmp_path / "data")
