"""Settings, credentials and a network that are wrong: each command says so, in a line."""

import io
import os
import signal
import socket
import subprocess
import sys
import tarfile

import pytest

from tests.local_server import QuietHandler, asked_by_boto3
from tests.training.cloud.failing_s3 import failing_s3
from training.cloud.calls import Calls
from training.cloud.endpoint.state import scaling_of

ROLE = "arn:aws:iam::123456789012:role/GarmentTraining"
COMMANDS = {
    "upload": ["DATA", "s3://shop/data"],
    "train": ["--data", "s3://shop/data/home", "--role", ROLE, "--yes"],
    "tune": ["--data", "s3://shop/data/home", "--role", ROLE, "--yes"],
    "deploy": ["garments", "s3://shop/m.tar.gz", "--image", "garments:1", "--role", ROLE, "--yes"],
    "label": ["s3://shop/photos", "s3://shop/labels", "--model-name", "garments-1", "--yes"],
}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's shell with nothing of AWS in it but keys and a region."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def told(cloud, data, command: str) -> str:
    """What a command says that is to fail."""
    arguments = [data if word == "DATA" else word for word in COMMANDS[command]]
    status, _, err = cloud(command, *arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("AWS_SECRET_ACCESS_KEY", None, "no AWS credentials (Partial credentials found in env"),
        ("AWS_REGION", "eu west!", "'eu west!' doesn't match a supported format; check AWS_REGION"),
        (
            "AWS_ENDPOINT_URL",
            "localhost:4566",
            "Invalid endpoint: localhost:4566; write AWS_ENDPOINT_URL as http://HOST:PORT",
        ),
    ],
)
def test_settings_that_cannot_be(keys, cloud, data, monkeypatch, command, name, value, problem):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    assert problem in told(cloud, data, command)


UNKNOWN = "The AWS Access Key Id you provided does not exist in our records."


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("status", "code", "message", "problem"),
    [
        (403, "InvalidAccessKeyId", UNKNOWN, "AWS does not know this access key; check AWS_ACC"),
        (400, "ExpiredToken", "The token has expired.", "the AWS credentials have expired; renew"),
        (403, "SignatureDoesNotMatch", "It differs.", "the secret key is wrong; check AWS_SECRET"),
        (403, "AccessDenied", "No policy allows it.", "access denied: No policy allows it. The"),
    ],
)
def test_credentials_that_s3_refuses(
    keys, cloud, data, monkeypatch, command, status, code, message, problem
):
    with failing_s3(monkeypatch, status, code, message) as asked:
        assert problem in told(cloud, data, command)
    assert "GET" in asked, "an answer to HEAD has no body that says why"


def test_a_model_that_breaks_off(keys, cloud, data, monkeypatch):
    packed, model = io.BytesIO(), tarfile.TarInfo("model.pt")
    model.size = 200_000
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(model, io.BytesIO(os.urandom(model.size)))
    body = packed.getvalue()

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:100_000])

        do_HEAD = do_GET  # noqa: N815

    with asked_by_boto3(monkeypatch, "S3", Handler):
        assert "error: reading s3://shop/m.tar.gz: " in told(cloud, data, "deploy")


def test_ctrl_c_while_aws_does_not_answer(keys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which it inherits
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "training", "cloud", "status", "garments"],
                env={**os.environ, "AWS_ENDPOINT_URL": url},
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (-signal.SIGINT, "interrupted\n")


def test_a_target_of_scaling_that_is_not_there_is_none(aws):
    """By AWS's words, of a service whose errors say no more."""
    assert scaling_of(Calls(), "garments") is None
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/garments/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling, operation = "application-autoscaling", "DeregisterScalableTarget"
    assert not Calls().change(autoscaling, operation, target, "taking off the scaling")
