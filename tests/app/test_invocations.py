"""The container of a SageMaker endpoint: its two paths, over real HTTP."""

import base64
import concurrent.futures
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.artifact import Artifact
from tests.app.conftest import encode, photo, png_bomb, running, settings

PNG = encode(photo(), "PNG")
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
LINES = {"Accept": "application/jsonlines"}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def container(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """The real thing, with the tiny artifact in the folder that SageMaker mounts."""
    cache = tmp_path_factory.mktemp("cache")
    values = settings(model=str(artifact.path.parent), cache=cache)
    with running(values, endpoint=True) as server:
        yield server.client


@pytest.fixture(scope="module")
def expected(container: httpx.Client) -> dict:
    """What POST /predict says of the same photo."""
    return container.post("/predict", content=PNG).json()


def same(answer: dict, expected: dict) -> bool:
    """But for what changes from call to call; another size of batch rounds otherwise."""
    changing = {"timings_ms", "request_id", "explanation", "confidence", "probabilities"}
    kept = [{key: said[key] for key in said if key not in changing} for said in (answer, expected)]
    return kept[0] == kept[1] and [row["probability"] for row in answer["probabilities"]] == (
        pytest.approx([row["probability"] for row in expected["probabilities"]], abs=1e-5)
    )


def test_ping(container: httpx.Client) -> None:
    assert container.head("/ping").status_code == 200
    response = container.get("/ping")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "application/x-image", "application/octet-stream", ""]
)
def test_an_image_as_the_body_whatever_its_type(container, expected, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = container.post("/invocations", content=PNG, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert same(response.json(), expected)


def test_a_form(container, expected) -> None:
    assert same(container.post("/invocations", files={"file": PNG}).json(), expected)
    items = container.post("/invocations", files=[("files", PNG), ("files", PNG)]).json()["items"]
    assert [same(item["prediction"], expected) for item in items] == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        {"image": text(PNG)},
        {"image": f"data:image/png;base64,{text(PNG)}"},
        {"image": {"b64": text(PNG)}},
    ],
)
def test_json_of_one(container, expected, body) -> None:
    assert same(container.post("/invocations", json=body).json(), expected)


@pytest.mark.parametrize(
    "body",
    [
        [text(PNG), text(b"text")],
        {"images": [text(PNG), text(b"text")]},
        {"instances": [{"b64": text(PNG)}, {"b64": text(b"text")}]},
    ],
)
def test_json_of_several(container, expected, body) -> None:
    response = container.post("/invocations", json=body)
    assert response.status_code == 200
    first, second = response.json()["items"]
    assert same(first["prediction"], expected)
    assert second["error"]["code"] == "unsupported_format"


def test_a_list_of_one_is_answered_as_a_list(container, expected) -> None:
    (item,) = container.post("/invocations", json=[text(PNG)]).json()["items"]
    assert same(item["prediction"], expected)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"3", "Send"),
        (b"{}", "Send"),
        (b"[]", "Send"),
        (b'{"image": 3}', "image: not a string"),
        (b'["%%%"]', "image 0: not base64"),
    ],
)
def test_wrong_json(container, body: bytes, says: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = container.post("/invocations", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (["%%%"] * 33, "33 images; at most 32"),
        ({"instances": [{"b64": ""}] * 33}, "33 images; at most 32"),
        ({"image": text(PNG), "other": [1] * 10_000}, "more than 10,000 values"),
        ({"image": text(PNG), "other": [[]] * 5_000}, "more than 10,000 values"),
    ],
)
def test_json_of_too_much_is_refused_before_its_photos_are_read(container, body, says) -> None:
    response = container.post("/invocations", json=body)
    assert (response.status_code, response.json()["code"]) == (413, "too_many_images")
    assert says in response.json()["detail"]


def test_while_json_is_read_others_are_answered(container, monkeypatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    b64decode = base64.b64decode

    def slow(*values: object, **options: object) -> bytes:
        started.set()
        assert go_on.wait(30)
        return b64decode(*values, **options)

    monkeypatch.setattr(base64, "b64decode", slow)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(container.post, "/invocations", json={"image": text(PNG)})
        try:
            assert started.wait(10)
            assert container.get("/ping", timeout=10).status_code == 200
        finally:
            go_on.set()
        assert held.result().status_code == 200


def test_lines_have_an_answer_or_an_error_each(container, expected) -> None:
    body = [text(PNG), text(PNG[:60]), text(PNG), text(b"")]
    response = container.post("/invocations", json=body, headers=LINES)
    assert response.headers["content-type"] == "application/jsonlines"
    lines = [json.loads(line) for line in response.text.split("\n")]
    assert [line.get("code") for line in lines] == [None, "corrupt_image", None, "empty_body"]
    assert same(lines[0], expected)
    empty = container.post("/invocations", content=b"", headers=LINES)
    assert (empty.status_code, empty.json()["code"]) == (200, "empty_body")


def test_in_batch_transform_a_bad_photo_is_a_line(container, expected, monkeypatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    good = container.post("/invocations", content=PNG)
    assert same(json.loads(good.text), expected)
    assert "\n" not in good.text
    bad = container.post("/invocations", content=b"text")
    assert (bad.status_code, bad.json()["code"]) == (200, "unsupported_format")
    empty = container.post("/invocations", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (200, "empty_body")
    parameters = container.get("/execution-parameters").json()
    assert parameters == {
        "BatchStrategy": "SINGLE_RECORD",
        "MaxConcurrentTransforms": 16,
        "MaxPayloadInMB": 10,
    }


@pytest.mark.parametrize(
    ("accept", "status"),
    [("*/*", 200), ("", 200), ("text/csv, application/json;q=0.5", 200), ("text/csv", 406)],
)
def test_accept(container, accept: str, status: int) -> None:
    response = container.post("/invocations", content=PNG, headers={"Accept": accept})
    assert response.status_code == status
    if status == 406:
        assert response.json()["code"] == "not_acceptable"


def test_wishes_come_as_custom_attributes(container, expected) -> None:
    headers = {ATTRIBUTES: "trace=1; explain=true;top_k=3"}
    answer = container.post("/invocations", content=PNG, headers=headers).json()
    assert [row["label"] for row in answer["probabilities"]] == [
        row["label"] for row in expected["probabilities"][:3]
    ]
    assert answer["explanation"]["input"].startswith("data:image/png;base64,")
    for wrong in ("top_k=0", "top_k=x", "explain=maybe", f"top_k={'1' * 5_000}"):
        refused = container.post("/invocations", content=PNG, headers={ATTRIBUTES: wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_explanations_of_several_are_refused(container) -> None:
    headers = {ATTRIBUTES: "explain=true"}
    several = container.post("/invocations", json=[text(PNG), text(PNG)], headers=headers)
    line = container.post("/invocations", content=PNG, headers=headers | LINES)
    for refused in (several, line):
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_json_that_is_nested_without_end_is_the_callers_mistake(container) -> None:
    headers = {"Content-Type": "application/json"}
    refused = container.post("/invocations", content=b"[" * 9_000, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")


def test_the_card_is_given_on_demand(container) -> None:
    described = container.post("/invocations", json={"describe": True}).json()
    assert described == container.get("/model").json()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"text", 415, "unsupported_format"),
        (PNG[:60], 422, "corrupt_image"),
        (png_bomb(), 413, "image_too_large"),
    ],
)
def test_bad_photos(container, content: bytes, status: int, code: str) -> None:
    response = container.post("/invocations", content=content)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_standalone_service_has_none_of_these_paths(client: httpx.Client) -> None:
    assert client.get("/ping").status_code == 404
    assert client.post("/invocations", content=PNG).status_code == 404


def test_no_model_in_the_folder(tmp_path: Path) -> None:
    with running(settings(model=str(tmp_path)), ready=False, endpoint=True) as server:
        ping = server.client.get("/ping")
        assert (ping.status_code, ping.json()["code"]) == (503, "not_ready")
