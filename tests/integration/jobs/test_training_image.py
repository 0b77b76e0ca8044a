"""Jobs of `cloud train` and `cloud tune` in this project's own training image, with `--image`.

A training job's request names what the container starts: the SDK's driver has to find all that it
needs in the image. A tuning's cannot name it: its trials start by the image's own entry point.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from app.artifact import open_artifact
from tests.integration.containers import NEEDS_ENGINE, build, docker
from tests.integration.jobs.conftest import QUICK, launched, needs_sdk, tuned
from tests.integration.jobs.container import Container

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(1800), needs_sdk]

NAME = "garment-image"


class ImageContainer(Container):
    """The real container: what lies in `root` is mounted at /opt/ml."""

    def here(self, text: str) -> str:
        """Paths are those of the container."""
        return text

    def run(self, image: str, request: Mapping) -> ImageContainer:
        """Start it as SageMaker does; without a network, pip finds that nothing is missing."""
        algorithm = request["AlgorithmSpecification"]
        own = algorithm.get("ContainerEntrypoint", [])
        words = [*own[1:], *algorithm.get("ContainerArguments", ["train"])]
        variables = {"TRAINING_JOB_NAME": NAME, **request.get("Environment", {})}
        options = [f"--env={name}={value}" for name, value in variables.items()]
        options += [f"--entrypoint={word}" for word in own[:1]]
        options += [f"--volume={self.root}:/opt/ml", "--network=none"]
        self.process = subprocess.Popen(
            ["docker", "run", "--rm", f"--name={self.root.name}", *options, image, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def terminate(self) -> None:
        """SIGTERM for the first process."""
        docker("kill", "--signal=TERM", self.root.name)

    def kill(self) -> None:
        """All of it ends at once."""
        docker("rm", "--force", self.root.name, check=False)
        super().kill()


@pytest.fixture(scope="module")
def image() -> str:
    return build("training")


@pytest.fixture
def containers(tmp_path) -> Iterator[list[ImageContainer]]:
    """Two, to start one after the other."""
    made = [ImageContainer(tmp_path / f"{NAME}-{number}-{tmp_path.name}") for number in (1, 2)]
    yield made
    for one in made:
        one.kill()


def test_a_job_runs_in_the_training_image_is_interrupted_and_goes_on(
    cloud, aws, data, image, containers
):
    flags = ["--image", image, *QUICK[:1], "8", *QUICK[2:]]
    request, s3 = launched(cloud, aws, data, NAME, *flags), aws.client("s3")
    assert request["AlgorithmSpecification"]["TrainingImage"] == image
    first, second = containers

    first.fill(request, s3).run(image, request).read_until('"epoch": 2')
    first.terminate()
    status, rest = first.finish()
    assert status == 143, rest
    assert "SIGTERM: the training writes its checkpoint" in rest

    second.fill(request, s3).take_over(first)
    # The same packages lie in the image too: those that were uploaded have to run.
    with (second.root / "input/data/code/training/__init__.py").open("a") as file:
        file.write('print("of the upload")\n')
    status, said = second.run(image, request).finish()
    assert status == 0, said[-4000:]
    assert re.search(r"resumed after epoch [1-9]", said)
    assert "of the upload" in said
    assert open_artifact(second.root / "model/model.pt").card.hyperparameters["epochs"] == 8


def test_a_trial_runs_by_the_image_s_own_entry_point_and_hears_sigterm(
    cloud, aws, data, image, containers
):
    trial = tuned(cloud, aws, data, "garment-image-tune", "--spot", "--image", image)
    trial["HyperParameters"]["epochs"] = "8"
    first, second = containers
    s3 = aws.client("s3")

    first.fill(trial, s3).run(image, trial).read_until('"epoch": 2')
    first.terminate()
    status, rest = first.finish()
    assert status == 143, rest
    assert [path.name for path in (first.root / "checkpoints").iterdir()] == [NAME]

    second.fill(trial, s3).take_over(first)
    status, said = second.run(image, trial).finish()
    assert status == 0, said[-4000:]
    assert re.search(r"resumed after epoch [1-9]", said)
    used = open_artifact(second.root / "model/model.pt").card.hyperparameters
    assert (used["learning_rate"], used["epochs"]) == (0.023456789, 8)
