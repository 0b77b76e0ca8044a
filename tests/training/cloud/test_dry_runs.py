"""Dry runs say what a run would say: wrong arguments, and an AWS of which a part can be asked."""

import pytest

ROLE = "arn:aws:iam::123456789012:role/GarmentTraining"


@pytest.mark.parametrize("command", ["train", "tune"])
def test_an_empty_role_is_refused(cloud, aws, command):
    given = ["--data", "s3://shop/data/home", "--role", "", "--dry-run"]
    status, _, err = cloud(command, *given)
    assert (status, err) == (2, "error: --role '' is neither the name of a role nor its ARN\n")


def test_checkpoints_that_are_no_address_are_refused(cloud, aws):
    given = ["--data", "s3://shop/data/home", "--role", ROLE, "--checkpoints", "foo", "--dry-run"]
    status, _, err = cloud("train", *given)
    assert (status, err) == (2, "error: 'foo' is no S3 address; write s3://BUCKET/PREFIX\n")


@pytest.mark.parametrize(
    ("command", "flags", "problem"),
    [
        ("train", ["--checkpoints", "s3://shop/jobs/odl"], "there is no checkpoint.pt in s3://sh"),
        ("tune", ["--data", "more=s3://shop/more"], "there is nothing below s3://shop/more"),
    ],
)
def test_places_that_a_job_would_not_take_are_refused(cloud, s3, command, flags, problem):
    for name in ("train.zip", "valid.zip"):
        s3.put_object(Bucket="shop", Key=f"data/home/{name}", Body=b"x")
    given = ["--data", "s3://shop/data/home", "--role", ROLE, "--dry-run", *flags]
    status, _, err = cloud(command, *given)
    assert status == 2
    assert err.startswith(f"error: {problem}")


def test_label_goes_on_where_only_s3_can_be_asked(cloud, s3, monkeypatch):
    """And shows what it would send of what it has found there."""
    for name in ("1.png", "2.png"):
        s3.put_object(Bucket="shop", Key=f"photos/{name}", Body=b"photo")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    monkeypatch.setattr("training.aws.CONFIG.retries", {"total_max_attempts": 1})
    places = ["s3://shop/photos", "s3://shop/labels", "--model-name", "m", "--dry-run"]
    status, said, err = cloud("label", *places)
    assert (status, err) == (0, "")
    assert said.startswith("AWS cannot be asked: looking at ")
    assert "the names of 2 photos" in said
    assert "sagemaker CreateTransformJob" in said
