"""A trial of a tuning, for real: by the sagemaker-training toolkit, as AWS's containers run it.

`make test-slow` installs the toolkit, in a virtual environment beside the packages.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from app.artifact import open_artifact
from tests.integration.jobs.conftest import QUICK, needs_sdk
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


@pytest.mark.parametrize("broken", [False, True])
def test_a_trial_of_a_tuning_runs_by_the_toolkit(cloud, aws, data, container, broken):
    name = "garment-tune-broken" if broken else "garment-tune"
    if broken:
        (data / "valid.zip").unlink()
    cloud("upload", data, f"s3://shop/data/{name}")
    tuned = [word for word in QUICK if word not in ("--learning-rate", "0.02")]
    status, said = cloud(
        "tune", "--name", name, "--data", f"stripes=s3://shop/data/{name}", "--yes", "--no-wait",
        "--role", "GarmentTraining", "--instance-type", "ml.m5.xlarge", *tuned,
    )  # fmt: skip
    assert status == 0, said
    tuning = aws.client("sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    trial = tuning["TrainingJobDefinition"]
    # What SageMaker makes of a definition for each trial.
    trial["HyperParameters"] = trial["StaticHyperParameters"] | {
        "learning-rate": "0.023456789",
        "weight-decay": "4.56E-5",
        "augment": "0.123456",
        "_tuning_objective_metric": "valid:accuracy",
    }
    one = container().fill(trial, aws.client("s3"))
    environment = aws.environment() | {
        "SAGEMAKER_BASE_DIR": str(one.root),
        # As AWS's PyTorch container has it.
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
        "SM_STUDIO_LOCAL_MODE": "true",
    }
    status, said = one.start([str(TOOLKIT)], environment).finish()

    if broken:
        assert status != 0
        assert "training needs a 'valid' split, and stripes has none" in one.failure(), said
        return
    assert status == 0, said[-4000:]
    assert (one.root / "output/success").exists()
    used = open_artifact(one.root / "model/model.pt").card.hyperparameters
    assert (used["learning_rate"], used["weight_decay"]) == (0.023456789, 4.56e-5)
    assert used["batch_size"] == 16
    [accuracy] = [item["Regex"] for item in definitions() if item["Name"] == OBJECTIVE]
    assert len(re.findall(accuracy, said)) == 3
