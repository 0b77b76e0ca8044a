"""Fetching artifacts: from disk for real, from S3 through a fake client that holds objects.

The same against a real S3 server is in tests/integration/test_s3.py.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore import exceptions as boto

from app.artifact import ArtifactError
from app.release import Latest, Manifest, sha256_of
from app.store import (
    ChecksumError,
    DeniedError,
    MissingError,
    StoreError,
    UnreachableError,
    fetch,
    transfer,
)
from tests.app.fake_s3 import FakeS3, answer

PREFIX = "s3://shop/garments"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def manifest_of(model: Path, version: str = "1.0.0") -> bytes:
    size = model.stat().st_size
    manifest = Manifest(version=version, sha256=sha256_of(model), bytes=size)
    return manifest.model_dump_json().encode()


def publish_release(s3: FakeS3, model: Path, version: str) -> None:
    """And let latest.json name it."""
    s3.objects[f"garments/{version}/model.pt"] = model.read_bytes()
    s3.objects[f"garments/{version}/manifest.json"] = manifest_of(model, version)
    latest = Latest(version=version, manifest=f"{version}/manifest.json")
    s3.objects["garments/latest.json"] = latest.model_dump_json().encode()


@pytest.fixture
def s3(make_artifact) -> FakeS3:
    """Version 1.0.0, published."""
    fake = FakeS3()
    publish_release(fake, make_artifact("1.0.0"), "1.0.0")
    return fake


# From disk


def test_a_path_and_its_folder_are_read_in_place(make_artifact, cache):
    model = make_artifact("1.0.0")
    for reference in (model, model.parent):
        artifact = fetch(str(reference), cache)
        assert artifact.path == model
        assert artifact.sha256 == sha256_of(model)
        assert artifact.card.version == "1.0.0"
    assert not cache.exists()


def test_a_manifest_beside_a_path_is_held_to(make_artifact, cache):
    model = make_artifact(note="replaced")
    (model.parent / "manifest.json").write_bytes(manifest_of(make_artifact()))
    with pytest.raises(ChecksumError, match="publish it again as a new version"):
        fetch(str(model), cache)


@pytest.mark.parametrize("name", ["model.pt", "./model.pt"])
def test_an_archive_and_its_folder_are_unpacked_into_the_cache(make_artifact, cache, name):
    model = make_artifact()
    members = {"code/inference.py": b"pass", name: model.read_bytes()}
    path = archive(model.parent.parent / "model.tar.gz", members)
    for reference in (path, path.parent):
        artifact = fetch(str(reference), cache)
        assert artifact.path == cache / sha256_of(model) / "model.pt"
    assert [file.name for file in cache.rglob("*") if file.is_file()] == ["model.pt"]


def test_nothing_but_model_pt_leaves_an_archive(tmp_path, cache):
    members = {"../../evil": b"1", "/tmp/evil": b"2", "a/../model.pt": b"3", "sub/model.pt": b"4"}
    with pytest.raises(StoreError, match=r"holds no model\.pt at its root"):
        fetch(str(archive(tmp_path / "model.tar.gz", members)), cache)
    assert not list(tmp_path.rglob("evil"))
    assert not list(cache.iterdir())


def test_a_link_named_model_pt_is_not_followed(tmp_path, cache):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("model.pt")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(StoreError, match=r"holds no model\.pt"):
        fetch(str(tmp_path / "model.tar.gz"), cache)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_BYTES", 10_000)
    path = archive(tmp_path / "model.tar.gz", {"padding": b"\0" * 9_000, "model.pt": b"\0" * 2_000})
    assert path.stat().st_size < 1_000
    with pytest.raises(StoreError, match="larger than 10,000 bytes"):
        fetch(str(path), cache)


@pytest.mark.parametrize(
    "content", [b"", b"text", gzip.compress(b"x" * 600, mtime=0), b"\x1f\x8b\x08half"]
)
def test_a_damaged_archive_is_said_to_be_one(tmp_path, cache, content):
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(StoreError, match=r"model\.tar\.gz: (cannot be read|holds no model)"):
        fetch(str(tmp_path / "model.tar.gz"), cache)


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere.pt", "no such file"), ("", "this folder holds none of")]
)
def test_nothing_there(tmp_path, cache, name, message):
    with pytest.raises(MissingError, match=message):
        fetch(str(tmp_path / name), cache)


def test_latest_on_disk_cannot_point_elsewhere(tmp_path, cache):
    (tmp_path / "latest.json").write_text('{"version": "1", "manifest": "../x/manifest.json"}')
    with pytest.raises(StoreError, match="not what publish writes"):
        fetch(str(tmp_path / "latest.json"), cache)


def test_a_path_imports_neither_torch_nor_boto3(make_artifact, cache):
    code = (
        "import sys; from pathlib import Path; from app.store import fetch; "
        "fetch(sys.argv[1], Path(sys.argv[2])); print({'torch', 'boto3'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(make_artifact()), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# From S3


@pytest.mark.parametrize("reference", ["latest.json", "1.0.0/model.pt"])
def test_s3_is_downloaded_once(s3, cache, reference):
    first = fetch(f"{PREFIX}/{reference}", cache, client=s3)
    assert first.path == cache / first.sha256 / "model.pt"
    assert s3.read[-1] == "garments/1.0.0/model.pt"
    s3.read.clear()
    assert fetch(f"{PREFIX}/{reference}", cache, client=s3) == first
    assert "garments/1.0.0/model.pt" not in s3.read


def test_an_archive_on_s3_has_its_models_checksum_in_the_manifest(s3, cache, tmp_path):
    model = s3.objects.pop("garments/1.0.0/model.pt")
    packed = archive(tmp_path / "a.tar.gz", {"model.pt": model})
    s3.objects["garments/1.0.0/model.tar.gz"] = packed.read_bytes()
    reference = f"{PREFIX}/1.0.0/model.tar.gz"
    assert fetch(reference, cache, client=s3).path.read_bytes() == model
    s3.read.clear()
    fetch(reference, cache, client=s3)
    assert s3.read == ["garments/1.0.0/manifest.json"]


def test_a_cached_copy_that_differs_is_fetched_again(s3, cache, caplog):
    path = fetch(f"{PREFIX}/latest.json", cache, client=s3).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"!")
    assert fetch(f"{PREFIX}/latest.json", cache, client=s3).path.read_bytes() == whole
    assert "The cached copy is not used" in caplog.text


def test_bytes_that_are_not_the_manifests_are_refused(s3, cache, make_artifact):
    s3.objects["garments/1.0.0/model.pt"] = make_artifact(note="swapped").read_bytes()
    with pytest.raises(ChecksumError, match="do not serve this one"):
        fetch(f"{PREFIX}/latest.json", cache, client=s3)
    assert not list(cache.rglob("*.pt"))
    assert not list(cache.glob(".partial-*"))


def test_without_a_manifest_the_etag_decides(s3, cache, make_artifact, caplog):
    caplog.set_level(logging.INFO)
    del s3.objects["garments/1.0.0/manifest.json"]
    reference = f"{PREFIX}/1.0.0/model.pt"
    first = fetch(reference, cache, client=s3)
    assert "no manifest beside it; known by its ETag" in caplog.text
    s3.read.clear()
    assert fetch(reference, cache, client=s3) == first
    assert s3.read == []
    s3.objects["garments/1.0.0/model.pt"] = make_artifact(note="newer").read_bytes()
    assert fetch(reference, cache, client=s3).sha256 != first.sha256


def test_a_new_latest_is_fetched(s3, cache, make_artifact):
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    publish_release(s3, make_artifact("2.0.0"), "2.0.0")
    assert fetch(f"{PREFIX}/latest.json", cache, client=s3).card.version == "2.0.0"


def test_a_download_that_breaks_off_is_tried_again(s3, cache):
    s3.breaks_off = 2
    assert fetch(f"{PREFIX}/latest.json", cache, client=s3).card.version == "1.0.0"
    shutil.rmtree(cache)
    s3.breaks_off = 3
    with pytest.raises(UnreachableError, match=r"broke off .* no cached copy"):
        fetch(f"{PREFIX}/latest.json", cache, client=s3)


@pytest.mark.parametrize(
    "failure",
    [
        boto.EndpointConnectionError(endpoint_url="https://s3"),
        boto.ConnectTimeoutError(endpoint_url="https://s3"),
        boto.ReadTimeoutError(endpoint_url="https://s3"),
        answer("SlowDown", 503),
        answer("InternalError", 500),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_the_cached_copy_is_served_when_s3_is_unreachable(s3, cache, caplog, failure):
    first = fetch(f"{PREFIX}/latest.json", cache, client=s3)
    s3.failure = failure
    assert fetch(f"{PREFIX}/latest.json", cache, client=s3) == first
    assert "Serving the cached copy of version 1.0.0" in caplog.text
    assert "confirmed 0:00:" in caplog.text
    with pytest.raises(UnreachableError, match="no cached copy"):
        fetch(f"{PREFIX}/other/latest.json", cache, client=s3)
    first.path.write_bytes(b"damaged")
    with pytest.raises(UnreachableError, match="no cached copy"):
        fetch(f"{PREFIX}/latest.json", cache, client=s3)


def test_a_cached_copy_is_no_answer_to_what_is_there_now(s3, cache):
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    s3.failure = answer("SlowDown", 503)
    with pytest.raises(UnreachableError, match="SlowDown"):
        fetch(f"{PREFIX}/latest.json", cache, client=s3, stale=False)


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (boto.NoCredentialsError(), StoreError, "no AWS credentials.*AWS_ACCESS_KEY_ID"),
        (boto.ProfileNotFound(profile="shop"), StoreError, "no AWS credentials"),
        (boto.UnauthorizedSSOTokenError(), StoreError, "login has expired.*Log in again"),
        (answer("ExpiredToken", 400), StoreError, "credentials have expired. Renew"),
        (answer("InvalidAccessKeyId", 403), StoreError, "does not accept these AWS credentials"),
        (answer("SignatureDoesNotMatch", 403), StoreError, "Check AWS_ACCESS_KEY_ID"),
        (answer("PermanentRedirect", 301), StoreError, "another region. Set AWS_REGION"),
        (answer("AuthorizationHeaderMalformed", 400), StoreError, "another region"),
        (answer("NoSuchBucket", 404), MissingError, "there is no such bucket"),
        (answer("NoSuchKey", 404), MissingError, "there is no such object"),
        (answer("AccessDenied", 403), DeniedError, "need s3:GetObject"),
        (answer("RequestTimeTooSkewed", 403), StoreError, "clock is wrong"),
        (answer("InvalidObjectState", 403), StoreError, "InvalidObjectState"),
    ],
    ids=str,
)
def test_what_s3_refuses_is_said_plainly_and_no_old_copy_is_served(
    s3, cache, failure, kind, message
):
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    s3.failure = failure
    with pytest.raises(kind, match=message) as caught:
        fetch(f"{PREFIX}/latest.json", cache, client=s3)
    assert not isinstance(caught.value, UnreachableError)
    assert f"{PREFIX}/latest.json" in str(caught.value)


@pytest.mark.parametrize("reference", ["s3://", "s3://shop", "s3://shop/", "s3://shop/garments"])
def test_a_reference_without_an_object(cache, reference):
    with pytest.raises(StoreError, match=r"latest\.json"):
        fetch(reference, cache, client=FakeS3())


def test_no_credentials_through_boto3_itself(cache, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="no AWS credentials"):
        fetch(f"{PREFIX}/latest.json", cache)


# The cache


def test_several_may_fetch_at_once(s3, cache):
    with ThreadPoolExecutor(8) as pool:
        fetched = list(
            pool.map(lambda _: fetch(f"{PREFIX}/latest.json", cache, client=s3), range(16))
        )
    assert len({artifact.sha256 for artifact in fetched}) == 1
    assert sorted(path.name for path in cache.iterdir()) == [fetched[0].sha256, "references"]


def test_what_a_killed_download_left_is_removed(s3, cache):
    cache.mkdir()
    old, new = cache / ".partial-old", cache / ".partial-new"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    assert [path.name for path in cache.glob(".partial-*")] == [new.name]


def test_releases_that_nothing_names_any_more_do_not_pile_up(s3, cache, make_artifact):
    """In a container's volume they would, with hot reload, until the disk is full."""

    def take(version: str) -> str:
        publish_release(s3, make_artifact(version), version)
        artifact = fetch(f"{PREFIX}/latest.json", cache, client=s3)
        assert artifact.card.version == version
        return artifact.sha256

    def kept() -> set[str]:
        return {path.parent.name for path in cache.glob("*/model.pt")}

    pinned = fetch(f"{PREFIX}/1.0.0/model.pt", cache, client=s3).sha256
    first, second, third = (take(version) for version in ("2.0.0", "3.0.0", "4.0.0"))
    assert kept() == {pinned, first, second, third}  # as long as they might be somebody's
    age(cache)
    fourth = take("5.0.0")
    assert kept() == {pinned, fourth}
    assert fetch(f"{PREFIX}/1.0.0/model.pt", cache, client=s3).sha256 == pinned


def age(cache: Path) -> None:
    """As if all artifacts were fetched two hours ago."""
    for path in cache.glob("*/model.pt"):
        os.utime(path, (time.time() - 7200, time.time() - 7200))


def test_what_nothing_names_makes_room_for_the_next_release(s3, cache, make_artifact, monkeypatch):
    """A disk that is full of it would stay so: it was removed after a download only."""
    for version in ("2.0.0", "3.0.0"):
        publish_release(s3, make_artifact(version), version)
        latest = fetch(f"{PREFIX}/latest.json", cache, client=s3)
    age(cache)
    publish_release(s3, make_artifact("4.0.0"), "4.0.0")

    def copy_if_there_is_room(*arguments):
        assert latest.path.exists()  # until the next is known to be whole
        if len(list(cache.glob("*/model.pt"))) > 1:
            raise OSError(28, os.strerror(28))
        return copy(*arguments)

    copy = transfer.copy
    monkeypatch.setattr(transfer, "copy", copy_if_there_is_room)
    assert fetch(f"{PREFIX}/latest.json", cache, client=s3).card.version == "4.0.0"


def test_a_release_that_somebody_holds_is_kept(s3, cache, make_artifact):
    """Its workers may have to be started anew, and the next release may never answer."""
    first = fetch(f"{PREFIX}/latest.json", cache, client=s3)
    code = (
        "import sys; from pathlib import Path; from app.store import hold; "
        "file = hold(Path(sys.argv[1])); print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(first.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline()
        for version in ("2.0.0", "3.0.0"):
            age(cache)
            publish_release(s3, make_artifact(version), version)
            latest = fetch(f"{PREFIX}/latest.json", cache, client=s3)
            assert {path.parent.name for path in cache.glob("*/model.pt")} == {
                first.sha256,
                latest.sha256,
            }
        other.kill()
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    assert [path.parent.name for path in cache.glob("*/model.pt")] == [latest.sha256]


def test_what_lies_in_the_cache_s_folder_and_is_not_the_cache_s_is_kept(s3, cache, make_artifact):
    """Such as the bundled model, where GARMENT_CACHE names the folder above it."""
    own = cache / "bundled" / "model.pt"
    own.parent.mkdir(parents=True)
    shutil.copy(make_artifact("0.9.0"), own)
    age(cache)
    fetch(f"{PREFIX}/latest.json", cache, client=s3)
    assert own.exists()


def test_a_cache_that_cannot_be_written(s3, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be stored there"):
        fetch(f"{PREFIX}/latest.json", tmp_path / "file" / "cache", client=s3)


@pytest.mark.parametrize(
    ("number", "message"), [(28, "disk is full"), (13, "no permission"), (30, "no permission")]
)
def test_a_full_or_read_only_disk(s3, cache, monkeypatch, number, message):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(transfer, "copy", fail)
    with pytest.raises(StoreError, match=f"{message}.*GARMENT_CACHE"):
        fetch(f"{PREFIX}/latest.json", cache, client=s3)


def test_something_that_is_no_artifact_is_not_kept(s3, cache):
    del s3.objects["garments/1.0.0/manifest.json"]
    s3.objects["garments/1.0.0/model.pt"] = b"text"
    named = r"^s3://\S+/1\.0\.0/model\.pt: cannot be read as an artifact"
    with pytest.raises(ArtifactError, match=named):
        fetch(f"{PREFIX}/1.0.0/model.pt", cache, client=s3)
    assert not list(cache.rglob("*.pt"))
