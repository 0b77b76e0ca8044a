"""What a training job of SageMaker left is taken: a model.tar.gz, here or on S3."""

import argparse
import tarfile
from pathlib import Path

import pytest

from app.release import sha256_of
from tests.training.conftest import packed
from tests.training.grey_model import add_grey_image, save_grey_model
from training import export
from training.__main__ import main
from training.data.datasets import FOLDERS
from training.errors import DataError
from training.measurement.comparison import Comparison
from training.measurement.evaluation import Evaluations


@pytest.mark.parametrize("name", ["model.pt", "./model.pt"])
def test_an_archive_is_published_as_its_model_is(make_artifact, tmp_path, name):
    model = make_artifact("1.0.0")
    archive, folder = packed(model, tmp_path / "model.tar.gz", name), tmp_path / "published"
    assert main(["publish", str(archive), str(folder), "--tar"]) == 0
    assert sha256_of(folder / "1.0.0/model.pt") == sha256_of(model)
    assert main(["publish", str(model), str(folder), "--tar"]) == 0, "it is the same release"


def test_a_link_in_an_archive_is_passed_over(make_artifact, tmp_path, capsys):
    model = make_artifact("1.0.0")
    archive, folder = tmp_path / "model.tar.gz", tmp_path / "published"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("best.pt", "model.pt"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "elsewhere.pt"
            tar.addfile(link)
        tar.add(model, "./model.pt")
    assert main(["publish", str(archive), str(folder)]) == 0
    assert sha256_of(folder / "1.0.0/model.pt") == sha256_of(model)

    archive.replace(folder / "1.0.0/model.tar.gz")
    assert main(["publish", str(model), str(folder), "--tar"]) == 0, "it holds the same model"
    assert "is there already: " in capsys.readouterr().out.splitlines()[-3]


@pytest.mark.parametrize("name", ["model.pt", "./model.pt"])
def test_an_archive_by_other_means_is_of_the_same_release(make_artifact, tmp_path, name):
    model, folder = make_artifact("1.0.0"), tmp_path / "published"
    assert main(["publish", str(model), str(folder)]) == 0
    packed(model, folder / "1.0.0/model.tar.gz", name)
    assert main(["publish", str(model), str(folder), "--tar"]) == 0


@pytest.mark.parametrize("name", ["model.tar.gz", "model.pt"])
def test_what_a_job_left_on_s3_is_published_from_there(make_artifact, tmp_path, s3, name):
    model = make_artifact("1.0.0")
    archive = packed(model, tmp_path / "model.tar.gz")
    left = archive if name == "model.tar.gz" else model
    s3.put_object(Bucket="shop", Key=f"jobs/garment-1/output/{name}", Body=left.read_bytes())
    given = f"s3://shop/jobs/garment-1/output/{name}"
    assert main(["publish", given, "s3://shop/garments"]) == 0
    body = s3.get_object(Bucket="shop", Key="garments/1.0.0/model.pt")["Body"].read()
    assert body == model.read_bytes()


def test_what_a_job_left_is_evaluated_compared_and_exported(tmp_path, s3, capsys):
    for name in FOLDERS[:10]:
        add_grey_image(tmp_path / "data/test", name, "a.png")
    good, bad = save_grey_model(tmp_path / "model.pt"), save_grey_model(tmp_path / "b.pt", shift=1)
    archive = packed(bad, tmp_path / "model.tar.gz")
    s3.put_object(Bucket="shop", Key="jobs/1/output/model.tar.gz", Body=archive.read_bytes())
    left = ["s3://shop/jobs/1/output/model.tar.gz", str(archive)]
    data = ["--data", str(tmp_path / "data")]
    for number, given in enumerate(left):
        output = tmp_path / f"out-{number}"
        assert main(["evaluate", given, *data, "--output", str(output)]) == 0
        told = Evaluations.model_validate_json((output / "evaluation.json").read_text())
        assert told.model.sha256 == sha256_of(bad)
        with pytest.raises(DataError, match="--output is missing: where to write what is made of"):
            export.run(argparse.Namespace(run=given, data=[], output=None))
    assert main(["compare", *left, str(good), *data, "--output", str(tmp_path / "all")]) == 0
    compared = Comparison.model_validate_json((tmp_path / "all/compare.json").read_text())
    assert [one.path for one in compared.candidates] == [*left, str(good)]
    assert [one.sources[0].figures.accuracy for one in compared.candidates] == [0, 0, 1]

    capsys.readouterr()
    assert main(["evaluate", "s3://shop/none/model.tar.gz", *data]) == 2
    assert capsys.readouterr().err == "error: s3://shop/none/model.tar.gz is not there\n"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("none.tar.gz", "No such file or directory"),
        ("damaged.tar.gz", "damaged.tar.gz is no .tar.gz, or is damaged"),
        ("other.tar.gz", "other.tar.gz holds no model.pt at its root"),
        ("s3://shop", "s3://shop: name the file, such as s3://BUCKET/PREFIX/model.tar.gz"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, monkeypatch, capsys, given, problem):
    monkeypatch.chdir(tmp_path)
    Path("damaged.tar.gz").write_bytes(b"damaged")
    packed(Path("damaged.tar.gz"), Path("other.tar.gz"), "other.txt")
    assert main(["publish", given, "published"]) == 1
    assert problem in capsys.readouterr().err
    assert not Path("published").exists()
