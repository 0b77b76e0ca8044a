"""Launching jobs on the stand-in for AWS, through sagemaker's SDK; and the jobs' containers."""

from __future__ import annotations

import json
import shlex
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.aws import Aws, running_aws
from tests.integration.jobs.container import Container
from tests.training.conftest import png, striped
from training.__main__ import main
from training.data.datasets import FOLDERS

needs_sdk = pytest.mark.skipif(
    find_spec("sagemaker") is None or find_spec("sagemaker.train") is None,
    reason="the extra sagemaker is not installed: make test-slow does it",
)

QUICK = shlex.split(
    "--epochs 2 --batch-size 40 --learning-rate 0.02 -- --small-size 32 --small-share 1 "
    "--precision float32 --threads 1 --ema-decay 0.5 --diagnose warn"
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running_aws(tmp_path_factory.mktemp("aws")) as running:
        running.client("s3").create_bucket(Bucket="shop")
        trust = {"Statement": [{"Principal": {"Service": "sagemaker.amazonaws.com"}}]}
        running.client("iam").create_role(
            RoleName="GarmentTraining", AssumeRolePolicyDocument=json.dumps(trust)
        )
        yield running


@pytest.fixture
def cloud(aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `python -m training cloud ...`: the exit status, and what it said."""
    aws.use(monkeypatch)

    def run(*arguments: object) -> tuple[int, str]:
        status = main(["cloud", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Packs of ten classes of stripes: 8 images each to train on, 2 to watch."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split, first, count in (("train", 0, 8), ("valid", 100, 2)):
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
            for label, name in enumerate(FOLDERS[:10]):
                for index in range(first, first + count):
                    archive.writestr(f"{name}/{index}.png", png(striped(label, index)))
    return folder


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Callable[[], Container]]:
    made: list[Container] = []

    def make() -> Container:
        made.append(Container(tmp_path / f"ml-{len(made)}"))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def launched(cloud, aws: Aws, data: Path, name: str, *flags: str) -> dict:
    """Upload data, start a job on it, and give what the stand-in got."""
    status, said = cloud("upload", data, f"s3://shop/data/{name}")
    assert status == 0, said
    status, said = cloud(
        "train", "--name", name, "--data", f"stripes=s3://shop/data/{name}", "--yes",
        "--role", "GarmentTraining", "--instance-type", "ml.m5.xlarge", "--spot", *flags,
    )  # fmt: skip
    assert status == 0, said
    assert f"artifact: s3://shop/jobs/{name}/output/model.tar.gz" in said
    return aws.client("sagemaker").describe_training_job(TrainingJobName=name)


VALUES = {
    "learning-rate": "0.023456789",
    "weight-decay": "4.56E-5",
    "augment": "0.123456",
    "_tuning_objective_metric": "valid:accuracy",
}
"""What SageMaker adds to the hyperparameters of a trial."""


def tuned(cloud, aws: Aws, data: Path, name: str, *flags: str) -> dict:
    """Start a tuning, and give what one of its trials runs."""
    cloud("upload", data, f"s3://shop/data/{name}")
    fixed = [word for word in QUICK if word not in ("--learning-rate", "0.02")]
    status, said = cloud(
        "tune", "--name", name, "--data", f"stripes=s3://shop/data/{name}", "--yes", "--no-wait",
        "--role", "GarmentTraining", "--instance-type", "ml.m5.xlarge", *flags, *fixed,
    )  # fmt: skip
    assert status == 0, said
    tuning = aws.client("sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    trial = tuning["TrainingJobDefinition"]
    trial["HyperParameters"] = trial["StaticHyperParameters"] | VALUES
    return trial
