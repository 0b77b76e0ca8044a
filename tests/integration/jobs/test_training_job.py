"""What runs inside a training job's containers, for real.

sagemaker's SDK sends a job to the stand-in for AWS; the request that the stand-in got is then run
here as SageMaker runs it, with the source that was uploaded.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from app.artifact import open_artifact
from tests.integration.conftest import free_port
from tests.integration.jobs.conftest import QUICK, launched, needs_sdk
from tests.training.conftest import packed
from training.cloud.jobs.measures import METRICS, definitions

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800), needs_sdk]


def metrics(said: str) -> dict[str, list[float]]:
    """What SageMaker would read from a log."""
    return {
        item["Name"]: list(map(float, re.findall(item["Regex"], said))) for item in definitions()
    }


def test_a_job_trains_is_interrupted_and_goes_on(cloud, aws, data, container):
    request = launched(cloud, aws, data, "garment-spot", *QUICK[:1], "8", *QUICK[2:])
    s3 = aws.client("s3")
    assert request["EnableManagedSpotTraining"]
    assert request["CheckpointConfig"]["S3Uri"] == "s3://shop/jobs/garment-spot/checkpoints"

    first = container().fill(request, s3).drive(request)
    first.read_until('"epoch": 2')
    first.terminate()
    sent = time.monotonic()
    status, rest = first.finish()
    assert time.monotonic() - sent < 30, "a spot instance has two minutes, a container 30 s"
    assert status == 143
    assert "SIGTERM: the training writes its checkpoint" in rest
    assert "--resume goes on" in rest
    assert not list((first.root / "model").iterdir())

    second = container().fill(request, s3)
    second.take_over(first)
    status, said = second.drive(request).finish()

    assert status == 0, said[-4000:]
    assert re.search(r"resumed after epoch [1-9]", said)
    card = open_artifact(second.root / "model/model.pt").card
    assert card.hyperparameters["epochs"] == 8
    assert [source.images for source in card.sources] == [80]
    records = (second.root / "output/data/history.jsonl").read_text().splitlines()
    assert len(records) == 8
    assert list((second.root / "output/data/tensorboard").iterdir())
    found = metrics(said)
    for name, field in METRICS.items():
        expected = [json.loads(line)[field] for line in records][-len(found[name]) :]
        assert found[name] == expected, name
        assert found[name]


def test_two_instances_train_one_model_further(cloud, aws, data, container, tmp_path):
    archive = packed(Path("app/bundled/model.pt"), tmp_path / "model.tar.gz")
    aws.client("s3").upload_file(str(archive), "shop", "jobs/1/output/model.tar.gz")
    flags = ["--start-from", "s3://shop/jobs/1/output/model.tar.gz", "--instances", "2"]
    request = launched(cloud, aws, data, "garment-two", *flags, "--profile", *QUICK)
    hosts, port = ("algo-1", "algo-2"), free_port()
    both = []
    for number in range(2):
        one = container().fill(request, aws.client("s3"), hosts, number)
        # Both are on this machine, which has no such name; the port may be taken here.
        environment = one.root / "input/data/sm_drivers/scripts/environment.py"
        text = environment.read_text().replace('"algo-1"', '"127.0.0.1"')
        environment.write_text(text.replace("SM_MASTER_PORT = 7777", f"SM_MASTER_PORT = {port}"))
        both.append(one.drive(request))
    (status, said), (other, _) = (one.finish() for one in both)

    assert (status, other) == (0, 0), said[-4000:]
    assert "2 x cpu" in said
    card = open_artifact(both[0].root / "model/model.pt").card
    assert card.hyperparameters["start_from"].endswith("start_from/model.tar.gz")
    assert [source.name for source in card.sources[:2]] == ["stripes", "Fashion-MNIST"]
    left = both[0].root / "output/data"
    assert len((left / "history.jsonl").read_text().splitlines()) == 2
    assert (left / "profile/profile.json").exists()
    assert not list((both[1].root / "model").iterdir()), "the first writes the artifact"


def test_a_failing_job_tells_why(cloud, aws, data, container):
    request = launched(cloud, aws, data, "garment-failing", *QUICK)
    # The command would refuse to start without it.
    aws.client("s3").delete_object(Bucket="shop", Key="data/garment-failing/valid.zip")
    failing = container().fill(request, aws.client("s3")).drive(request)
    status, said = failing.finish()

    assert status != 0
    assert "\nerror: training needs a 'valid' split" in said
    assert failing.failure() == "training needs a 'valid' split, and stripes has none\n", said
