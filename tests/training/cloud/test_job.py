"""What the command line of a job becomes, and what is refused before it costs money."""

import argparse
import json
import re
from pathlib import Path

import pytest

from training import flags
from training.aws import session
from training.cloud import train
from training.cloud.jobs import arguments as job_arguments
from training.cloud.jobs import job, measures
from training.cloud.jobs.hyperparameters import hyperparameters
from training.cloud.jobs.launch import being_started, check_places
from training.errors import CloudError

HOME = "s3://shop/data/home"
STARTS = ("garments/1.0.0/model.pt", "jobs/a/output/model.tar.gz")


def described(*arguments: str, name: str = "garment-1", data: str = HOME) -> job.Job:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return job.job_of(parser.parse_args(["--data", data, "--role", "r", *arguments]), name)


def test_flags_become_hyperparameters_and_folders_the_containers():
    made = described("--epochs", "3", "--", "--mix=cutmix", "--pretrained", "--early-stop", "2")

    assert made.hyperparameters == {
        "epochs": "3",
        "mix": "cutmix",
        "pretrained": "true",
        "early-stop": "2",
        "resume": "true",
        "checkpoint-dir": "/opt/ml/checkpoints",
    }
    assert str(made.output) == "s3://shop/jobs"
    assert made.checkpoints == "s3://shop/jobs/garment-1/checkpoints"


@pytest.mark.parametrize("before", [[], ["--"]])
def test_flags_of_a_file_are_read_here_and_others_win(tmp_path, before):
    """As `tune` leaves it of the best trial."""
    file = tmp_path / "best.json"
    file.write_text('{"learning-rate": 0.05, "epochs": 7, "pretrained": true, "mix": "cutmix"}')
    made = described("--epochs", "3", *before, "--config", str(file))

    assert made.hyperparameters == {
        "learning-rate": "0.05",
        "epochs": "3",
        "pretrained": "true",
        "mix": "cutmix",
        "resume": "true",
        "checkpoint-dir": "/opt/ml/checkpoints",
    }
    file.write_text('{"data": "data/home"}')
    with pytest.raises(CloudError, match="--data cannot be passed on"):
        described("--config", str(file))


def test_the_trials_of_a_tuning_have_a_folder_each_or_no_checkpoints(monkeypatch):
    parser = argparse.ArgumentParser()
    job_arguments.add_arguments(parser)
    arguments = parser.parse_args(["--data", HOME, "--role", "r"])

    made = job.job_of(arguments, "garment-1", checkpoint_dir=job.TRIAL_CHECKPOINTS)
    assert made.checkpoints == "s3://shop/jobs/garment-1/checkpoints"
    folder = made.hyperparameters["checkpoint-dir"]
    assert folder == "/opt/ml/checkpoints/$TRAINING_JOB_NAME"
    # In the container, where SageMaker tells the name.
    monkeypatch.setenv("TRAINING_JOB_NAME", "garment-1-007")
    of_train = argparse.ArgumentParser()
    flags.add_arguments(of_train)
    taken = of_train.parse_args(["--output=unused", f"--checkpoint-dir={folder}"])
    assert taken.checkpoint_dir == Path("/opt/ml/checkpoints/garment-1-007")

    none = job.job_of(arguments, "garment-1", checkpoint_dir=None)
    assert none.checkpoints is None
    assert not {"resume", "checkpoint-dir"} & none.hyperparameters.keys()


def test_sources_become_channels_whose_names_a_shell_takes():
    made = described("--data", "Old=s3://shop/x", data="s3://shop/data/fashion-mnist/")

    # With a slash: the prefix alone would also bring data/fashion-mnist-old.
    assert made.channels == {
        "fashion_mnist": "s3://shop/data/fashion-mnist/",
        "old": "s3://shop/x/",
    }
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in made.channels)


def test_weights_name_the_sources_as_on_a_laptop():
    flags = ["--weights", "fashion-mnist=0.4,home=2", "--augment-of", "fashion_mnist=0.2"]
    made = described("--data", HOME, "--", *flags, data="s3://shop/data/fashion-mnist")
    assert made.hyperparameters["weights"] == "fashion-mnist=0.4,home=2"


@pytest.mark.parametrize("file", STARTS)
def test_an_artifact_to_start_from_is_a_channel_of_its_own(file: str):
    made = described("--start-from", f"s3://shop/{file}")

    assert made.channels["start_from"] == f"s3://shop/{file}"
    name = Path(file).name
    assert made.hyperparameters["start-from"] == f"/opt/ml/input/data/start_from/{name}"


def test_spot_waits_twice_as_long_as_it_may_run():
    assert described("--max-hours", "1.5").max_wait is None
    made = described("--max-hours", "1.5", "--spot")
    assert (made.max_run, made.max_wait) == (5400, 10800)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--", "--mixup", "x"], "train would refuse this: .*--mixup"),
        (["--epochs", "many"], "train would refuse this: .*'many' is not a number"),
        (["--", "--output", "x"], "--output cannot be passed on"),
        (["--", "--resume", "false"], "--resume cannot be passed on: .* --checkpoints"),
        (["--", "cutmix"], "'cutmix' is no flag of train"),
        (["--version", "1.10"], "--version 1.10 would arrive as 1.1; write it with two dots"),
        (["--", "--weights", "it's=2"], "--weights: SageMaker takes 256 characters, no quotes"),
        (["--data", HOME], "two sources are named 'home': write --data NAME=s3://shop/data/home"),
        (["--data", "s3://shop"], "name the source: --data NAME=s3://..."),
        (["--data", "code=s3://shop/x"], "name the source"),
        (["--data", "data/home"], "'data/home' is no S3 address"),
        (["--max-wait-hours", "2"], "--max-wait-hours is for --spot"),
        (["--spot", "--max-wait-hours", "1"], "it is at least --max-hours"),
        (["--tag", "shop"], "--tag 'shop' is not KEY=VALUE"),
        (["--start-from", "s3://shop/garments"], "name the model.pt or model.tar.gz itself"),
        (["--checkpoints", "jobs/x"], "'jobs/x' is no S3 address"),
        (["--", "--weights", "hom=4"], "--weights: no source is named 'hom'; there are home"),
        (["--", "--augment-of", "home=2"], "--augment-of: 'home=2' is not a number from 0 to 1"),
    ],
)
def test_what_cannot_be_is_told_before_it_costs_money(arguments, problem):
    with pytest.raises(CloudError, match=problem):
        described(*arguments)


def test_a_name_that_sagemaker_refuses_is_told():
    with pytest.raises(CloudError, match="63 letters, digits and hyphens"):
        described(name="garment_1")


@pytest.mark.parametrize(
    ("there", "channels"),
    [
        (["train/Bag/1.png", "valid.zip"], ["home=s3://shop/home"]),
        (["train/Bag/1.png", "valid/Bag/2.png"], ["s3://shop/home/train", "s3://shop/home/valid"]),
        (["train.zip", "valid.zip"], ["train=s3://shop/home", "valid=s3://shop/home"]),
        (["train/Bag/1.png", "valid/Bag/2.png"], ["train=s3://shop/home"]),
    ],
)
def test_data_that_train_takes_is_taken(s3, there, channels):
    for name in there:
        s3.put_object(Bucket="shop", Key=f"home/{name}", Body=b"x")
    first, *more = channels
    check_places(described(*(f"--data={one}" for one in more), data=first), session())


@pytest.mark.parametrize("file", STARTS)
def test_a_job_starts_only_from_what_is_there(s3, file: str):
    for name in ("data/home/train.zip", "data/home/valid.zip"):
        s3.put_object(Bucket="shop", Key=name, Body=b"x")
    starting = described("--start-from", f"s3://shop/{file}")
    with pytest.raises(CloudError, match=f"looking at s3://shop/{re.escape(file)}"):
        check_places(starting, session())
    s3.put_object(Bucket="shop", Key=file, Body=b"x")
    check_places(starting, session())


def test_a_job_goes_on_only_from_where_a_checkpoint_is(s3):
    for name in (
        "data/home/train.zip",
        "data/home/valid.zip",
        "jobs/old/checkpoints/checkpoint.pt",
    ):
        s3.put_object(Bucket="shop", Key=name, Body=b"x")
    with pytest.raises(
        CloudError, match=r"no checkpoint\.pt in s3://shop/jobs/odl/checkpoints, so"
    ):
        check_places(described("--checkpoints", "s3://shop/jobs/odl/checkpoints"), session())
    check_places(described("--checkpoints", "s3://shop/jobs/old/checkpoints/"), session())
    check_places(described("--spot"), session())  # its own place, which is empty at first


def test_ctrl_c_while_a_job_is_started_tells_its_name():
    told = r"--name garment-1, and .* follows it"
    with pytest.raises(CloudError, match=told), being_started("garment-1"):
        raise KeyboardInterrupt


def test_a_flag_twice_is_the_later_one():
    assert hyperparameters(["--epochs", "1", "--epochs=2"]) == {"epochs": "2"}


LINES = [
    # As of two sources, and with a number as JSON writes zero; real lines: tests/integration/jobs.
    '{"epoch": 1, "size": 32, "train_loss": 2.31142, "train_accuracy": 0.125, '
    '"valid_loss": 2.29918, "valid_accuracy": 0.15, "valid_accuracy_data": 0.2, '
    '"valid_accuracy_photos": 0.1, "learning_rate": 1.2e-05, "images_per_second": 210.4, '
    '"seconds": 0.5}',
    json.dumps(dict.fromkeys(measures.METRICS.values(), 0.0)),
]


@pytest.mark.parametrize("line", LINES)
def test_every_metric_is_found_in_a_line_of_train(line):
    record = json.loads(line)
    for definition in measures.definitions():
        field = measures.METRICS[definition["Name"]]
        assert [float(found) for found in re.findall(definition["Regex"], line)] == [record[field]]


def test_the_metrics_are_fields_of_what_the_trainer_prints():
    source = Path("training/trainer.py").read_text(encoding="utf-8")
    for field in measures.METRICS.values():
        assert f'"{field}": ' in source
