"""What the commands for endpoints say: reasons, tables; and which names they take."""

import argparse

import pytest

from training.cloud.buckets import location
from training.cloud.endpoint.arguments import (
    add_alarms,
    add_canary,
    add_update_timeout,
    endpoint_name,
    share,
    update_timeout,
    variable,
)
from training.cloud.endpoint.rollout import explain
from training.cloud.labelling.labels import Counts
from training.cloud.labelling.photos import Photo, answer_to


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("The container did not pass the ping health check.", "answer /ping in time"),
        ("Unable to provision: InsufficientInstanceCapacity error", "another --instance-type"),
        ("Failed to download model data for container", "s3:GetObject"),
        ("Could not pull the image from ECR", "endpoint-role.json"),
        ("Alarm garments-5xx tripped", "An alarm went off"),
        (None, "AWS gives no reason"),
    ],
)
def test_reasons_and_what_to_do(reason, meant):
    said = explain(reason, "garments")
    assert meant in said
    assert "/aws/sagemaker/Endpoints/garments" in said


@pytest.mark.parametrize("name", ["g", "garments-2", "a" * 40])
def test_names_that_are_taken(name):
    assert endpoint_name(name) == name


@pytest.mark.parametrize("name", ["", "Garments", "a_b", "a--b", "-a", "a-", "a" * 41])
def test_names_that_are_refused(name):
    with pytest.raises(argparse.ArgumentTypeError, match="small letters"):
        endpoint_name(name)


def test_settings_of_the_container():
    assert variable("GARMENT_THREADS=2") == ("GARMENT_THREADS", "2")
    assert variable("A=b=c") == ("A", "b=c")
    for wrong in ("GARMENT_THREADS", "1A=2", "=2"):
        with pytest.raises(argparse.ArgumentTypeError, match="NAME=VALUE"):
            variable(wrong)


@pytest.mark.parametrize("wrong", ["5 %", "1.1", "-0.1", "nan"])
def test_shares(wrong):
    assert share("0.05") == 0.05
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 1"):
        share(wrong)


@pytest.mark.parametrize("wrong", ["nan", "inf", "0", "-5", "60001"])
def test_latencies_that_no_alarm_could_watch(wrong, capsys):
    parser = argparse.ArgumentParser()
    add_alarms(parser)
    assert parser.parse_args(["--alarm-latency", "250"]).alarm_latency == 250
    with pytest.raises(SystemExit):
        parser.parse_args([f"--alarm-latency={wrong}"])
    assert "is not within 1 to 60000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "minutes"), [([], 70), (["--canary-minutes", "60"], 180), (["--timeout", "5"], 5)]
)
def test_an_update_is_waited_for_as_long_as_its_canary_takes(flags, minutes):
    parser = argparse.ArgumentParser()
    add_canary(parser)
    add_update_timeout(parser)
    assert update_timeout(parser.parse_args(flags)) == minutes * 60


def test_the_table_of_labels():
    counts = Counts()
    for label, review in [("Bag", False), ("Coat", True), ("Coat", False)]:
        counts.add({"label": label, "needs_review": review})
    counts.add({"code": "corrupt_image"})
    assert counts.table().splitlines() == [
        "label           photos  to review",
        "Coat                 2          1",
        "Bag                  1          0",
        "all                  3          1",
        "without a label: 1 (corrupt_image)",
    ]


@pytest.mark.parametrize(
    "there", ["shoes/1.png.out", "photos/shoes/1.png.out", "2026/photos/shoes/1.png.out"]
)
def test_where_a_job_may_put_an_answer(there):
    photo = Photo("2026/photos/shoes/1.png", "shoes/1.png", "tag", 9)
    where = location("s3://shop/2026/photos/")
    assert answer_to(photo, where, {there, "1.png.out", "2.png.out"}) == there
    assert answer_to(photo, where, {"1.png.out"}) is None
