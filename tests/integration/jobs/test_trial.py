"""A trial of a tuning, for real: by the sagemaker-training toolkit, as AWS's containers run it.

`make test-slow` installs the toolkit, in a virtual environment beside the packages.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from app.artifact import open_artifact
from tests.integration.aws import Aws
from tests.integration.jobs.conftest import needs_sdk, tuned
from tests.integration.jobs.container import Container
from training.cloud.jobs.measures import OBJECTIVE, definitions

TOOLKIT = Path(sys.executable).parents[1] / "toolkit/bin/train"

pytestmark = [
    pytest.mark.aws,
    pytest.mark.timeout(1800),
    needs_sdk,
    pytest.mark.skipif(
        not TOOLKIT.exists(), reason="sagemaker-training is not installed: make test-slow does it"
    ),
]


def start(one: Container, aws: Aws, name: str) -> Container:
    environment = aws.environment() | {
        "TRAINING_JOB_NAME": name,
        "SAGEMAKER_BASE_DIR": str(one.root),
        # As AWS's PyTorch container has it.
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
        "SM_STUDIO_LOCAL_MODE": "true",
    }
    return one.start([str(TOOLKIT)], environment)


def test_a_trial_that_fails_tells_why(cloud, aws, data, container):
    trial = tuned(cloud, aws, data, "garment-tune-broken")
    # The command would refuse to start without it.
    aws.client("s3").delete_object(Bucket="shop", Key="data/garment-tune-broken/valid.zip")
    one = container().fill(trial, aws.client("s3"))
    status, said = start(one, aws, "garment-tune-broken-001").finish()

    assert status != 0
    assert "training needs a 'valid' split, and stripes has none" in one.failure(), said


def test_a_trial_goes_on_after_its_spot_instance_was_taken_away(cloud, aws, data, container):
    """From its last epoch: the toolkit passes SIGTERM on to nobody, and the machine then goes."""
    trial = tuned(cloud, aws, data, "garment-tune-spot", "--spot")
    s3, name = aws.client("s3"), "garment-tune-spot-001"
    assert trial["EnableManagedSpotTraining"]
    kept = trial["CheckpointConfig"]
    assert kept["S3Uri"] == "s3://shop/jobs/garment-tune-spot/checkpoints"
    trial["HyperParameters"] |= {"epochs": "12", "batch-size": "16"}  # its log comes late

    first = start(container().fill(trial, s3), aws, name)
    first.read_until('"epoch": 3')
    first.kill()
    assert [path.name for path in (first.root / "checkpoints").iterdir()] == [name]
    assert not list((first.root / "model").iterdir())

    second = container().fill(trial, s3)
    second.take_over(first)
    # Another trial's, at the same address on S3: not this one's.
    shutil.copytree(second.root / "checkpoints" / name, second.root / "checkpoints/another")
    status, said = start(second, aws, name).finish()

    assert status == 0, said[-4000:]
    [epoch] = re.findall(r"resumed after epoch (\d+)", said)
    assert int(epoch) >= 2
    assert (second.root / "output/success").exists()
    used = open_artifact(second.root / "model/model.pt").card.hyperparameters
    assert (used["learning_rate"], used["weight_decay"]) == (0.023456789, 4.56e-5)
    assert (used["epochs"], used["batch_size"]) == (12, 16)
    history = (second.root / "output/data/history.jsonl").read_text().splitlines()
    assert len(history) == 12
    assert said.count('"epoch": ') == 12 - int(epoch)
    [accuracy] = [item["Regex"] for item in definitions() if item["Name"] == OBJECTIVE]
    assert len(re.findall(accuracy, said)) == 12 - int(epoch)
