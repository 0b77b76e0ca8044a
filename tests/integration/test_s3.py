"""Publish to a real S3 server and fetch from it, as the training side and the service do."""

from __future__ import annotations

import argparse
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.release import sha256_of
from app.store import MissingError, StoreError, UnreachableError, fetch
from training import publish as command

pytestmark = pytest.mark.s3


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def publish(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def prefix(server) -> str:
    return f"s3://{server.bucket}/garments"


def keys(server) -> list[str]:
    with closing(server.client()) as client:
        listed = client.list_objects_v2(Bucket=server.bucket).get("Contents", [])
    return sorted(item["Key"] for item in listed)


def test_published_is_what_is_fetched_by_every_reference(s3_server, make_artifact, cache):
    model = make_artifact("1.0.0")
    assert publish(model, prefix(s3_server), "--tar") == 0
    names = ["1.0.0/manifest.json", "1.0.0/model.pt", "1.0.0/model.tar.gz", "latest.json"]
    assert keys(s3_server) == [f"garments/{name}" for name in names]
    for number, name in enumerate(names[1:]):
        artifact = fetch(f"{prefix(s3_server)}/{name}", cache / str(number))
        assert artifact.sha256 == sha256_of(model)
        assert artifact.path.read_bytes() == model.read_bytes()


def test_cached_then_tampered_with_then_without_s3(own_s3_server, make_artifact, cache, caplog):
    caplog.set_level("INFO")
    reference = f"{prefix(own_s3_server)}/latest.json"
    publish(make_artifact("1.0.0"), prefix(own_s3_server))
    first = fetch(reference, cache)
    assert "fetched version 1.0.0" in caplog.text

    caplog.clear()
    assert fetch(reference, cache) == first
    assert "fetched" not in caplog.text

    whole = first.path.read_bytes()
    first.path.write_bytes(whole.replace(b"made by a test", b"made by a thief"[:14]))
    assert fetch(reference, cache).path.read_bytes() == whole
    assert "The cached copy is not used" in caplog.text

    own_s3_server.stop()
    assert fetch(reference, cache) == first
    assert "S3 cannot be reached" in caplog.text
    assert "Serving the cached copy of version 1.0.0" in caplog.text
    with pytest.raises(UnreachableError, match="no cached copy"):
        fetch(reference, cache / "empty")


def test_without_a_manifest_the_servers_etag_decides(s3_server, make_artifact, cache, caplog):
    """A model.tar.gz as a SageMaker training job leaves it."""
    caplog.set_level("INFO")
    reference = f"{prefix(s3_server)}/1.0.0/model.tar.gz"
    publish(make_artifact("1.0.0"), prefix(s3_server), "--tar")
    with closing(s3_server.client()) as client:
        client.delete_object(Bucket=s3_server.bucket, Key="garments/1.0.0/manifest.json")
    first = fetch(reference, cache)
    caplog.clear()
    assert fetch(reference, cache) == first
    assert "known by its ETag" in caplog.text
    assert "fetched" not in caplog.text


def test_a_version_is_not_overwritten(s3_server, make_artifact, cache, capsys):
    model = make_artifact("1.0.0")
    assert publish(model, prefix(s3_server)) == 0
    assert publish(model, prefix(s3_server)) == 0
    assert "is there already" in capsys.readouterr().out
    assert publish(make_artifact("1.0.0", note="another"), prefix(s3_server)) == 1
    assert "belongs to another artifact" in capsys.readouterr().err
    assert fetch(f"{prefix(s3_server)}/latest.json", cache).sha256 == sha256_of(model)


def test_a_report_is_kept_and_not_overwritten(s3_server, make_artifact, tmp_path, capsys):
    model = make_artifact("1.0.0")
    page, another = tmp_path / "evaluation.html", tmp_path / "again.html"
    page.write_text(f"<p>{sha256_of(model)}</p>")
    another.write_text(f"<p>{sha256_of(model)}, a minute later</p>")
    assert publish(model, prefix(s3_server), "--report", page) == 0
    assert publish(model, prefix(s3_server), "--report", page) == 0
    assert publish(model, prefix(s3_server), "--report", another) == 1
    assert "1.0.0/report.html exists and is another report" in capsys.readouterr().err
    with closing(s3_server.client()) as client:
        stored = client.get_object(Bucket=s3_server.bucket, Key="garments/1.0.0/report.html")
        assert stored["Body"].read() == page.read_bytes()


@pytest.mark.parametrize("missing", ["1.0.0/model.pt", "1.0.0/manifest.json", "latest.json"])
def test_an_interrupted_publish_is_finished(s3_server, make_artifact, missing):
    model = make_artifact("1.0.0")
    publish(model, prefix(s3_server))
    whole = keys(s3_server)
    with closing(s3_server.client()) as client:
        client.delete_object(Bucket=s3_server.bucket, Key=f"garments/{missing}")
    assert publish(model, prefix(s3_server)) == 0
    assert keys(s3_server) == whole


@pytest.mark.parametrize("versions", [("1.0.0", "1.0.0"), ("2.0.0", "2.1.0")])
def test_of_two_publishers_at_once_one_wins(s3_server, make_artifact, cache, capsys, versions):
    models = [make_artifact(version, note=str(number)) for number, version in enumerate(versions)]
    together = threading.Barrier(2)
    status: dict[Path, int] = {}

    def work(model: Path) -> None:
        together.wait()
        status[model] = publish(model, prefix(s3_server))

    threads = [threading.Thread(target=work, args=[model]) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    artifact = fetch(f"{prefix(s3_server)}/latest.json", cache)
    winner = next(model for model in models if sha256_of(model) == artifact.sha256)
    assert status[winner] == 0
    if versions[0] == versions[1]:
        assert sorted(status.values()) == [0, 1]
        assert "belongs to another artifact" in capsys.readouterr().err
    else:
        # Both are stored; the second failed, or came after the first was done.
        assert {f"garments/{version}/model.pt" for version in versions} <= set(keys(s3_server))
        errors = capsys.readouterr().err
        assert (sum(status.values()) == 1) == ("changed by another publish meanwhile" in errors)


def test_latest_is_replaced_only_by_who_has_seen_it(s3_server, make_artifact, capsys):
    from training.releases.s3 import S3Destination

    class Slow(S3Destination):
        def replace(self, name, content, tag):
            publish(make_artifact("3.0.0"), prefix(s3_server))
            super().replace(name, content, tag)

    publish(make_artifact("1.0.0"), prefix(s3_server))
    with (
        closing(Slow(prefix(s3_server))) as destination,
        pytest.raises(command.PublishError, match=r"meanwhile and names 3\.0\.0"),
    ):
        command.publish(make_artifact("2.0.0"), destination)
    assert "1.0.0 -> 3.0.0" in capsys.readouterr().out


def test_damage_on_the_way_is_refused_by_the_server(s3_server, make_artifact):
    from training.releases.s3 import S3Destination

    with (
        closing(S3Destination(prefix(s3_server))) as destination,
        make_artifact().open("rb") as file,
        pytest.raises(command.PublishError),
    ):
        destination.create("1.0.0/model.pt", file, Path(file.name).stat().st_size, "0" * 64)
    assert keys(s3_server) == []


def test_wrong_credentials(s3_server, make_artifact, cache, monkeypatch, capsys):
    publish(make_artifact(), prefix(s3_server))
    reference = f"{prefix(s3_server)}/latest.json"
    fetch(reference, cache)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"does not accept these AWS credentials") as caught:
        fetch(reference, cache)
    assert not isinstance(caught.value, UnreachableError)
    assert publish(make_artifact("2.0.0"), prefix(s3_server)) == 1
    assert "check AWS_SECRET_ACCESS_KEY" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(StoreError, match="does not accept these AWS credentials"):
        fetch(reference, cache)


def test_missing_bucket_and_missing_key(s3_server, make_artifact, cache, capsys):
    with pytest.raises(MissingError, match=r"s3://nowhere/.*: there is no such bucket"):
        fetch("s3://nowhere/garments/latest.json", cache)
    with pytest.raises(MissingError, match="there is no such object"):
        fetch(f"{prefix(s3_server)}/latest.json", cache)
    with pytest.raises(MissingError, match="there is no such object"):
        fetch(f"{prefix(s3_server)}/1.0.0/model.pt", cache)
    assert publish(make_artifact(), "s3://nowhere/garments") == 1
    assert "there is no such bucket" in capsys.readouterr().err
