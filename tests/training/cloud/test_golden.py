"""What counts as the right answer to a golden image, with what an endpoint may say instead."""

import io
import json

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from app.artifact import Golden
from app.card import CATEGORIES
from training.cloud.calls import Calls
from training.cloud.endpoint.golden import proven
from training.errors import CloudError

RIGHT = [0.91, *[0.01] * 9]
GOLDEN = Golden(png="cG5n", label=CATEGORIES[0], probabilities=RIGHT)
SHA256 = "0" * 64


def answer(probabilities=RIGHT, label=CATEGORIES[0], sha256=SHA256) -> bytes:
    listed = [
        {"label": name, "class_id": number, "probability": probabilities[number]}
        for number, name in enumerate(CATEGORIES)
    ]
    listed.sort(key=lambda one: -one["probability"])
    model = {"name": "tiny", "version": "1.0.0", "sha256": sha256}
    return json.dumps({"label": label, "probabilities": listed, "model": model}).encode()


@pytest.fixture
def check(aws):
    """Runs `proven` with an endpoint that says so, or answers with an error's code."""

    def run(said: bytes | str, way_back=lambda: "There is a way back.") -> bool:
        calls = Calls()
        with Stubber(calls.client("sagemaker-runtime")) as stub:
            if isinstance(said, str):
                stub.add_client_error("invoke_endpoint", said, "It is told here.", 424)
            else:
                body = StreamingBody(io.BytesIO(said), len(said))
                request = {
                    "EndpointName": "garments",
                    "ContentType": "image/png",
                    "Accept": "application/json",
                    "Body": b"png",
                }
                stub.add_response("invoke_endpoint", {"Body": body}, request)
            return proven(calls, "garments", [GOLDEN], SHA256, way_back)

    return run


def test_the_right_answer(check, capsys):
    assert check(answer())
    assert "1 golden images answered as they should, to within 0.0000" in capsys.readouterr().out


def test_bfloat16_is_near_enough(check, capsys):
    assert check(answer([0.892, 0.028, *[0.01] * 8]))
    assert "to within 0.0180" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer([0.88, 0.04, *[0.01] * 8]), "T-shirt/top, off by 0.0300; T-shirt/top is right"),
        (answer(label="Coat"), "Coat, off by 0.0000; T-shirt/top is right"),
        (answer(sha256="1" * 64), "answered by another model, with SHA-256 1111"),
        (b"<html>", "no answer of this service: b'<html>'"),
        (b'{"label": "Coat"}', "no answer of this service"),
        (b"[]", "no answer of this service"),
    ],
)
def test_a_wrong_answer_is_told(check, capsys, said, told):
    assert not check(said)
    out = capsys.readouterr().out
    assert told in out
    assert "Do not use it. There is a way back." in out


def test_no_answer_at_all(check):
    """It is in service then, costs money, and after an update answers all."""
    with pytest.raises(CloudError, match="golden image 0 to garments: It is told here") as told:
        check("ModelError")
    assert "garments is in service" in str(told.value)
    assert "/aws/sagemaker/Endpoints/garments" in str(told.value)
    assert str(told.value).endswith("There is a way back.")


def test_no_answer_and_no_way_to_ask_which_way_back_there_is(check):
    def unreachable() -> str:
        raise CloudError("AWS cannot be reached")

    with pytest.raises(CloudError, match="garments is in service, costs money") as told:
        check("ModelError", unreachable)
    assert str(told.value).endswith("python -m training cloud status garments")
