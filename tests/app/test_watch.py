"""Whether another artifact is there, seen without reading one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from botocore import exceptions as boto

from app.store import MissingError, StoreError, UnreachableError, Watch
from tests.app.fake_s3 import FakeS3, answer


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model, its manifest and a link to it."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "model.pt").write_bytes(b"first")
    (folder / "manifest.json").write_bytes(b"{}")
    (tmp_path / "current").symlink_to(folder)
    return folder


def put(path: Path, content: bytes) -> None:
    """In one step, as `mv` does, and with the same time and size."""
    status = path.stat()
    new = path.with_name("new")
    new.write_bytes(content)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)


@pytest.mark.parametrize("name", ["first", "first/model.pt", "current", "current/model.pt"])
def test_a_file_that_is_replaced_is_seen(files: Path, tmp_path: Path, name: str) -> None:
    watch = Watch(str(tmp_path / name))
    before = watch.look()
    assert watch.look() == before
    put(files / "model.pt", b"other")
    assert watch.look() != before


def test_a_file_that_is_written_over_is_seen(files: Path) -> None:
    watch = Watch(str(files))
    before = watch.look()
    (files / "model.pt").write_bytes(b"longer")
    assert watch.look() != before


def test_a_new_manifest_beside_it_is_seen(files: Path) -> None:
    watch = Watch(str(files))
    before = watch.look()
    put(files / "manifest.json", b"[]")
    assert watch.look() != before


def test_a_link_that_is_turned_is_seen(files: Path, tmp_path: Path) -> None:
    shutil.copytree(files, tmp_path / "second")
    watch = Watch(str(tmp_path / "current"))
    before = watch.look()
    (tmp_path / "link").symlink_to(tmp_path / "second")
    (tmp_path / "link").replace(tmp_path / "current")
    assert watch.look() != before


def test_a_file_that_is_gone_is_said_to_be(files: Path) -> None:
    watch = Watch(str(files / "model.pt"))
    before = watch.look()
    (files / "model.pt").rename(files / "kept")
    with pytest.raises(MissingError, match="no such file"):
        watch.look()
    (files / "kept").rename(files / "model.pt")
    assert watch.look() == before


@pytest.mark.parametrize("name", ["latest.json", "1.0.0/model.pt", "1.0.0/model.tar.gz"])
def test_on_s3_one_head_tells_and_nothing_is_read(name: str) -> None:
    s3 = FakeS3()
    s3.objects[f"garments/{name}"] = b"first"
    watch = Watch(f"s3://shop/garments/{name}", s3)
    before = watch.look()
    assert watch.look() == before
    s3.objects[f"garments/{name}"] = b"other"
    assert watch.look() != before
    assert s3.looked == [f"garments/{name}"] * 3
    assert s3.read == []


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (boto.EndpointConnectionError(endpoint_url="https://s3"), UnreachableError),
        (answer("503", 503), UnreachableError),
        (answer("403", 403), StoreError),
        (answer("404", 404), MissingError),
    ],
    ids=str,
)
def test_what_s3_refuses_is_said_and_it_is_seen_again(
    failure: Exception, kind: type[Exception]
) -> None:
    s3 = FakeS3()
    s3.objects["latest.json"] = b"first"
    watch = Watch("s3://shop/latest.json", s3)
    before = watch.look()
    s3.failure = failure
    with pytest.raises(kind, match=r"s3://shop/latest\.json"):
        watch.look()
    s3.failure = None
    assert watch.look() == before
