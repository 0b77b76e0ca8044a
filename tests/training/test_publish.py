"""Publishing to a folder: what is written, in which order, and what is refused."""

from __future__ import annotations

import argparse
import json
import tarfile
from pathlib import Path

import pytest

from app.release import Latest, Manifest, sha256_of
from app.store import fetch
from training import publish as command
from training.errors import PublishError
from training.publish import publish
from training.releases.destinations import FolderDestination


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "published"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_writes_model_manifest_and_latest(make_artifact, folder):
    model = make_artifact("1.0.0")
    assert run(str(model), str(folder)) == 0
    assert list(files(folder)) == ["1.0.0/manifest.json", "1.0.0/model.pt", "latest.json"]
    manifest = Manifest.model_validate_json((folder / "1.0.0/manifest.json").read_bytes())
    assert manifest.sha256 == sha256_of(model) == sha256_of(folder / "1.0.0/model.pt")
    assert manifest.bytes == model.stat().st_size
    latest = Latest.model_validate_json((folder / "latest.json").read_bytes())
    assert (latest.version, latest.manifest) == ("1.0.0", "1.0.0/manifest.json")


def test_other_users_may_read_what_was_published(make_artifact, folder):
    publish(make_artifact(), FolderDestination(folder))
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.*") if path.is_file()} == {
        0o644
    }


def test_the_service_reads_what_was_published(make_artifact, folder, tmp_path):
    model = make_artifact("2.0.0")
    publish(model, FolderDestination(folder), tar=True)
    for reference in ("latest.json", "2.0.0/model.pt", "2.0.0/model.tar.gz", "2.0.0", "."):
        artifact = fetch(str(folder / reference), tmp_path / "cache")
        assert artifact.sha256 == sha256_of(model), reference


def test_the_same_artifact_again_changes_nothing(make_artifact, folder):
    model = make_artifact()
    publish(model, FolderDestination(folder), tar=True)
    before = files(folder)
    publish(model, FolderDestination(folder), tar=True)
    assert files(folder) == before


@pytest.mark.parametrize("missing", ["1.0.0/manifest.json", "latest.json", "1.0.0/model.pt"])
def test_finishes_an_interrupted_publish(make_artifact, folder, missing):
    model = make_artifact()
    publish(model, FolderDestination(folder))
    (folder / missing).unlink()
    publish(model, FolderDestination(folder))
    assert list(files(folder)) == ["1.0.0/manifest.json", "1.0.0/model.pt", "latest.json"]


@pytest.mark.parametrize("left", [["manifest.json", "model.pt"], ["model.pt"], ["manifest.json"]])
def test_refuses_to_overwrite_a_version(make_artifact, folder, left):
    publish(make_artifact(), FolderDestination(folder))
    for path in (folder / "1.0.0").iterdir():
        if path.name not in left:
            path.unlink()
    before = files(folder)
    with pytest.raises(PublishError, match=r"1\.0\.0/.* belongs to another artifact"):
        publish(make_artifact(note="another"), FolderDestination(folder))
    assert files(folder) == before


def test_latest_moves_and_says_from_where_to_where(make_artifact, folder, capsys):
    publish(make_artifact("1.0.0", day=2), FolderDestination(folder))
    assert "none -> 1.0.0" in capsys.readouterr().out
    publish(make_artifact("1.1.0", day=3), FolderDestination(folder))
    out = capsys.readouterr().out
    assert "1.0.0 -> 1.1.0" in out
    assert "older" not in out
    publish(make_artifact("0.9.0", day=1), FolderDestination(folder))
    assert "1.1.0 -> 0.9.0 (an older model than before)" in capsys.readouterr().out


def test_no_latest(make_artifact, folder):
    publish(make_artifact("1.0.0"), FolderDestination(folder))
    assert run(str(make_artifact("2.0.0")), str(folder), "--no-latest") == 0
    assert json.loads((folder / "latest.json").read_text())["version"] == "1.0.0"
    assert (folder / "2.0.0/manifest.json").is_file()


def test_first_publishes_where_nothing_is_and_rolls_nothing_back(make_artifact, folder, capsys):
    first = str(make_artifact("1.0.0"))
    assert run(first, str(folder), "--first") == 0
    assert json.loads((folder / "latest.json").read_text())["version"] == "1.0.0"
    assert run(str(make_artifact("2.0.0")), str(folder)) == 0
    before = files(folder)
    capsys.readouterr()
    assert run(first, str(folder), "--first") == 0
    assert "latest.json names 2.0.0 already, and stays as it is" in capsys.readouterr().out
    assert run(str(make_artifact("3.0.0")), str(folder), "--first") == 0
    assert files(folder) == before


def test_first_finishes_what_was_interrupted(make_artifact, folder):
    model = str(make_artifact("1.0.0"))
    assert run(model, str(folder), "--first") == 0
    (folder / "latest.json").unlink()
    assert run(model, str(folder), "--first") == 0
    assert json.loads((folder / "latest.json").read_text())["version"] == "1.0.0"


def test_dry_run_writes_nothing_and_says_what_it_would(make_artifact, folder, capsys):
    model = make_artifact("1.0.0")
    assert run(str(model), str(folder), "--dry-run", "--tar") == 0
    out = capsys.readouterr().out
    assert not folder.exists()
    names = ("1.0.0/model.pt", "1.0.0/model.tar.gz", "1.0.0/manifest.json", "none -> 1.0.0")
    assert [name for name in names if name in out] == list(names)
    assert f"({model.stat().st_size:,} bytes)" in out


def write_report(folder: Path, model: Path, note: str = "") -> Path:
    """A page that names the artifact, as `evaluate` writes it."""
    path = folder / f"evaluation{note}.html"
    path.write_text(f"<!doctype html><p>{sha256_of(model)} {note}</p>")
    return path


def test_a_report_is_kept_with_the_artifact(make_artifact, folder, tmp_path, capsys):
    model = make_artifact("1.0.0")
    page = write_report(tmp_path, model)
    assert run(str(model), str(folder), "--tar", "--report", str(page)) == 0
    assert (folder / "1.0.0/report.html").read_bytes() == page.read_bytes()
    written = [line.split("/")[-1] for line in capsys.readouterr().out.splitlines()]
    names = [line.split(" ")[0] for line in written]
    assert names == ["model.pt", "report.html", "model.tar.gz", "manifest.json", "latest.json:"]
    assert fetch(str(folder / "latest.json"), tmp_path / "cache").sha256 == sha256_of(model)


def test_the_same_report_again_is_fine_and_another_is_refused(
    make_artifact, folder, tmp_path, capsys
):
    model = make_artifact("1.0.0")
    page = write_report(tmp_path, model)
    assert run(str(model), str(folder), "--report", str(page)) == 0
    before = files(folder)
    assert run(str(model), str(folder), "--report", str(page)) == 0
    assert run(str(model), str(folder)) == 0  # without, the one that is there stays
    another = write_report(tmp_path, model, "of another day")
    assert run(str(model), str(folder), "--report", str(another)) == 1
    assert "1.0.0/report.html exists and is another report" in capsys.readouterr().err
    assert files(folder) == before


def test_a_report_can_be_added_later(make_artifact, folder, tmp_path):
    model = make_artifact("1.0.0")
    publish(model, FolderDestination(folder))
    publish(model, FolderDestination(folder), report=write_report(tmp_path, model))
    assert "1.0.0/report.html" in files(folder)


def test_a_refused_report_leaves_an_unfinished_version(make_artifact, folder, tmp_path):
    """It is written before the manifest, so nobody takes what the report is missing of."""
    model = make_artifact("1.0.0")
    (folder / "1.0.0").mkdir(parents=True)
    (folder / "1.0.0/report.html").write_text("somebody else's")
    with pytest.raises(PublishError, match="is another report"):
        publish(model, FolderDestination(folder), report=write_report(tmp_path, model))
    assert list(files(folder)) == ["1.0.0/model.pt", "1.0.0/report.html"]


def test_a_report_of_another_artifact_is_refused(make_artifact, folder, tmp_path, capsys):
    page = write_report(tmp_path, make_artifact("1.0.0"))
    assert run(str(make_artifact("2.0.0")), str(folder), "--report", str(page)) == 1
    assert "is not of this artifact" in capsys.readouterr().err
    assert run(str(make_artifact("3.0.0")), str(folder), "--report", str(tmp_path / "none")) == 1
    assert "No such file" in capsys.readouterr().err
    assert not folder.exists()


def test_dry_run_names_the_report(make_artifact, folder, tmp_path, capsys):
    model = make_artifact("1.0.0")
    page = write_report(tmp_path, model)
    assert run(str(model), str(folder), "--dry-run", "--report", str(page)) == 0
    assert f"1.0.0/report.html ({page.stat().st_size:,} bytes)" in capsys.readouterr().out
    assert not folder.exists()


def test_two_publish_different_reports(make_artifact, folder, tmp_path):
    model = make_artifact()
    mine, theirs = (write_report(tmp_path, model, note) for note in ("mine", "theirs"))

    class Slow(FolderDestination):
        def create(self, name, source, size, sha256):
            if name.endswith("report.html"):
                publish(model, FolderDestination(self.folder), report=theirs)
            super().create(name, source, size, sha256)

    with pytest.raises(PublishError, match="is another report"):
        publish(model, Slow(folder), report=mine)
    assert (folder / "1.0.0/report.html").read_bytes() == theirs.read_bytes()


def test_the_archive_holds_the_model_and_nothing_else(make_artifact, folder):
    model = make_artifact()
    publish(model, FolderDestination(folder), tar=True)
    with tarfile.open(folder / "1.0.0/model.tar.gz") as archive:
        assert archive.getnames() == ["model.pt"]
        member = archive.extractfile("model.pt")
        assert member is not None
        assert member.read() == model.read_bytes()


class Racing(FolderDestination):
    """Another publisher does all of its work just before this one's next conditional write."""

    def __init__(self, folder: Path, rival: Path, before: str) -> None:
        super().__init__(folder)
        self.rival, self.before = rival, before

    def _let_rival_go(self, name):
        if name.endswith(self.before) and self.rival is not None:
            rival, self.rival = self.rival, None
            publish(rival, FolderDestination(self.folder))

    def create(self, name, source, size, sha256):
        self._let_rival_go(name)
        super().create(name, source, size, sha256)

    def replace(self, name, content, tag):
        self._let_rival_go(name)
        super().replace(name, content, tag)


def test_two_publish_different_files_as_one_version(make_artifact, folder):
    rival = make_artifact(note="rival")
    with pytest.raises(PublishError, match="belongs to another artifact"):
        publish(make_artifact(), Racing(folder, rival, "model.pt"))
    assert fetch(str(folder / "latest.json"), folder / "cache").sha256 == sha256_of(rival)


def test_two_publish_the_same_file(make_artifact, folder):
    model = make_artifact()
    publish(model, Racing(folder, model, "model.pt"), latest=False)
    assert sha256_of(folder / "1.0.0/model.pt") == sha256_of(model)


@pytest.mark.parametrize("during", ["2.0.0/model.pt", "latest.json"])
def test_latest_is_not_taken_from_a_publisher_who_was_faster(make_artifact, folder, during):
    publish(make_artifact("1.0.0"), FolderDestination(folder))
    with pytest.raises(PublishError, match=r"meanwhile and names 3\.0\.0\. Version 2\.0\.0 is st"):
        publish(make_artifact("2.0.0"), Racing(folder, make_artifact("3.0.0"), during))
    assert json.loads((folder / "latest.json").read_text())["version"] == "3.0.0"


def test_a_lock_left_behind_is_named(make_artifact, folder):
    folder.mkdir()
    (folder / "latest.json.lock").touch()
    with pytest.raises(PublishError, match=r"latest\.json\.lock exists.*delete that file first"):
        publish(make_artifact(), FolderDestination(folder))


def test_damage_by_the_storage_is_noticed(make_artifact, folder):
    class Damaging(FolderDestination):
        def create(self, name, source, size, sha256):
            super().create(name, source, size, sha256)
            with (self.folder / name).open("ab") as file:
                file.write(b"!")

    with pytest.raises(PublishError, match="reads back differently"):
        publish(make_artifact(), Damaging(folder))
    assert not (folder / "latest.json").exists()


def test_what_is_no_artifact_is_not_published(tmp_path, folder, capsys):
    text = tmp_path / "model.pt"
    text.write_text("not a model")
    assert run(str(text), str(folder)) == 1
    assert "cannot be read as an artifact" in capsys.readouterr().err
    assert not folder.exists()
