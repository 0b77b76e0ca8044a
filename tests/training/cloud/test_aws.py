"""AWS's errors in plain words, roles, and a rehearsal."""

import json

import boto3
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

from training.aws import plain_errors, session
from training.cloud.jobs.rehearsal import Rehearsal, Rehearsed
from training.cloud.roles import role_arn, unknown_arn
from training.errors import CloudError, PublishError


def refused(code: str, message: str = "said AWS") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


def uploading(error: ClientError) -> S3UploadFailedError:
    failed = S3UploadFailedError("Failed to upload x")
    failed.__context__ = error
    return failed


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refused("ExpiredTokenException"), "the AWS credentials have expired; renew them"),
        (refused("ResourceLimitExceeded"), "a quota of this account is reached: said AWS. Ask for"),
        (refused("CapacityError"), "AWS has no such instance free now"),
        (refused("AccessDeniedException"), "access denied: said AWS. The policies"),
        (refused("NoSuchEntity"), "there is no such role"),
        (
            refused("ValidationException", "Could not assume role arn:aws:iam::1:role/R."),
            "SageMaker may not use the role: Could not assume role",
        ),
        (
            refused("ValidationException", "S3 bucket is in region eu-west-1, not us-east-1"),
            "the bucket must lie in the region of the job",
        ),
        (refused("ValidationException", "else"), "else (ValidationException)"),
        (refused("PermanentRedirect"), "the bucket lies in another region; set AWS_REGION to it"),
        (refused("ResourceInUse"), "that name is taken"),
        (uploading(refused("AccessDenied")), "access denied"),
        (NoCredentialsError(), "no AWS credentials"),
        (ParamValidationError(report="too long"), "too long"),
        (ValueError("no such strategy"), "no such strategy"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(error, told):
    with pytest.raises(CloudError) as raised, plain_errors("starting"):
        raise error
    assert str(raised.value).startswith("starting: ")
    assert told in str(raised.value)


def test_publishing_has_its_own_error_and_advice():
    advice = {"AccessDenied": "s3:PutObject is needed"}
    told = r"s3://shop: s3:PutObject is needed \(AccessDenied\)"
    with pytest.raises(PublishError, match=told), plain_errors("s3://shop", PublishError, advice):
        raise refused("AccessDenied")


def test_a_missing_region_is_told(aws, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(CloudError, match="no region: set AWS_REGION"):
        session()


def test_a_role_is_found_by_its_name_and_an_arn_is_taken_as_it_is(role):
    assert role_arn("GarmentTraining", session()) == role
    assert role_arn("arn:aws:iam::1:role/x", session()) == "arn:aws:iam::1:role/x"


def test_a_role_that_sagemaker_cannot_take_is_told(role):
    trust = {"Version": "2012-10-17", "Statement": []}
    boto3.client("iam").create_role(RoleName="Other", AssumeRolePolicyDocument=json.dumps(trust))
    with pytest.raises(CloudError, match=r"the role Other does not trust sagemaker.amazonaws.com"):
        role_arn("Other", session())
    with pytest.raises(CloudError, match="looking up the role Nobody: there is no such role"):
        role_arn("Nobody", session())


@pytest.mark.parametrize("role", ["", "Garment Training", "a/b", "r" * 65])
def test_what_is_no_role_is_told_also_in_a_dry_run(role):
    told = "is neither the name of a role nor its ARN"
    with pytest.raises(CloudError, match=told):
        role_arn(role, None, dry_run=True)
    with pytest.raises(CloudError, match=told):
        unknown_arn(role)


def test_a_dry_run_goes_on_where_aws_cannot_be_asked_and_not_where_it_refuses(
    role, monkeypatch, capsys
):
    with pytest.raises(CloudError, match="there is no such role"):
        role_arn("Nobody", session(), dry_run=True)
    # AWS is moto, in this process: only without a key is it not asked.
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    with pytest.raises(CloudError, match="no AWS credentials"):
        role_arn("GarmentTraining", session())
    arn = role_arn("GarmentTraining", session(), dry_run=True)
    assert arn == "arn:aws:iam::000000000000:role/GarmentTraining"
    assert "zeros stand for the account: looking up the role" in capsys.readouterr().out


def test_a_rehearsal_notes_checks_and_sends_nothing(capsys):
    """No stand-in: a call that were sent would find no AWS and fail."""
    rehearsal = Rehearsal("eu-west-1", "DeleteEndpoint")
    rehearsal.session.client("s3").put_object(Bucket="shop", Key="a/b.py", Body=b"x")
    rehearsal.session.client("s3").put_object(Bucket="shop", Key="a/a.py", Body=b"x")
    sagemaker = rehearsal.session.client("sagemaker")
    with pytest.raises(ParamValidationError):
        sagemaker.delete_endpoint(EndpointName=3)
    with pytest.raises(Rehearsed):
        sagemaker.delete_endpoint(EndpointName="garments")

    rehearsal.show()
    said = capsys.readouterr().out
    assert said.startswith("s3 PutObject s3://shop/a/ a.py b.py\nsagemaker DeleteEndpoint\n")
    assert '"EndpointName": "garments"' in said
