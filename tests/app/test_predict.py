"""POST /predict and /predict/batch over real HTTP, with the tiny artifact."""

import gzip
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from app.artifact import Artifact, load_module
from app.card import CATEGORIES
from tests.app.conftest import encode, error_of, photo, png_bomb


def send(client: httpx.Client, data: bytes, name: str = "photo.jpg") -> httpx.Response:
    return client.post("/predict", files={"file": (name, data)})


def test_the_answer_is_the_models(client: httpx.Client, artifact: Artifact) -> None:
    import torch

    noise = np.random.default_rng(7).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    module = load_module(artifact.path, "float32")
    with torch.inference_mode():
        rows, garment = module([torch.from_numpy(noise).permute(2, 0, 1).contiguous()])
    expected = rows[0].tolist()

    response = send(client, encode(Image.fromarray(noise), "PNG"))
    assert response.status_code == 200
    answer = response.json()
    listed = answer["probabilities"]
    assert [entry["class_id"] for entry in listed] == sorted(range(10), key=lambda i: -expected[i])
    for entry in listed:
        assert entry["label"] == CATEGORIES[entry["class_id"]]
        assert entry["probability"] == pytest.approx(expected[entry["class_id"]], abs=1e-3)
    assert answer["garment_probability"] == pytest.approx(float(garment[0]), abs=1e-3)
    assert answer["background"] == "scene"
    limit = artifact.card.calibration["scene"].conformal_threshold
    assert answer["labels"] == [entry["label"] for entry in listed if entry["probability"] >= limit]
    assert (answer["label"], answer["class_id"], answer["confidence"]) == (
        listed[0]["label"],
        listed[0]["class_id"],
        listed[0]["probability"],
    )
    identity = {"name": "tiny", "version": "1.2.3", "sha256": artifact.sha256, "variant": None}
    assert answer["model"] == identity
    assert answer["request_id"] == response.headers["x-request-id"]
    timings = answer["timings_ms"]
    assert set(timings) == {"upload", "decode", "queue", "inference", "explanation", "total"}
    assert timings["total"] >= timings["decode"] + timings["inference"] - 0.1


def test_form_raw_body_and_chunks_give_the_same(client: httpx.Client) -> None:
    data = encode(photo(), "JPEG")

    def chunks() -> Iterator[bytes]:
        yield data[:300]
        yield data[300:]

    answers = [
        send(client, data),
        client.post("/predict", content=data),
        client.post("/predict", content=data, headers={"content-type": "image/jpeg"}),
        client.post("/predict", content=data, headers={"content-type": "application/octet-stream"}),
        client.post("/predict", content=chunks()),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.json()["probabilities"]) for answer in answers}) == 1


def test_top_k_cuts_the_probabilities(client: httpx.Client) -> None:
    data = encode(photo(), "PNG")
    full = client.post("/predict", content=data).json()["probabilities"]
    assert client.post("/predict?top_k=3", content=data).json()["probabilities"] == full[:3]
    for wrong in ("0", "11", "three"):
        response = client.post(f"/predict?top_k={wrong}", content=data)
        assert error_of(response) == (422, "invalid_parameter")
        assert response.json()["detail"].startswith("top_k: ")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format(client: httpx.Client, name: str) -> None:
    assert send(client, encode(photo(), name), "any.thing").status_code == 200


def test_review_reasons(client: httpx.Client) -> None:
    blank = send(client, encode(Image.new("RGB", (20, 300), "white"), "PNG")).json()
    assert blank["needs_review"]
    assert {"too_small", "blank_image"} <= set(blank["review_reasons"])


def test_wrong_input(client: httpx.Client) -> None:
    jpeg = encode(photo(400, 300), "JPEG")
    assert error_of(send(client, b"this is text", "a.jpg")) == (415, "unsupported_format")
    assert error_of(send(client, b"")) == (400, "empty_body")
    assert error_of(client.post("/predict")) == (400, "empty_body")
    assert error_of(send(client, jpeg[: len(jpeg) // 2])) == (422, "corrupt_image")
    assert error_of(send(client, png_bomb())) == (413, "image_too_large")


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("encoding", ["gzip", "BR", "gzip, identity"])
def test_a_body_that_is_compressed_is_told_so(
    client: httpx.Client, path: str, encoding: str
) -> None:
    body = gzip.compress(encode(photo(), "JPEG"))
    response = client.post(path, content=body, headers={"Content-Encoding": encoding})
    assert error_of(response) == (415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "identity"
    assert encoding in response.json()["detail"]


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_says_it_is_not_compressed_is_read(client: httpx.Client, encoding: str) -> None:
    body = encode(photo(), "JPEG")
    assert client.post("/predict", content=body, headers={"Content-Encoding": encoding}).is_success


def test_batch_gives_each_its_own_answer_or_error(client: httpx.Client) -> None:
    jpeg = encode(photo(), "JPEG")
    response = client.post(
        "/predict/batch?top_k=2",
        files=[
            ("files", ("good.jpg", jpeg)),
            ("files", ("text.jpg", b"text")),
            ("file", ("empty.jpg", b"")),
            ("files", ("cut.jpg", jpeg[:200])),
            ("files", ("again.jpg", jpeg)),
        ],
    )
    assert response.status_code == 200
    answer = response.json()
    items = answer["items"]
    assert [item["index"] for item in items] == [0, 1, 2, 3, 4]
    assert [item["filename"] for item in items][:2] == ["good.jpg", "text.jpg"]
    codes = [item["error"] and item["error"]["code"] for item in items]
    assert codes == [None, "unsupported_format", "empty_body", "corrupt_image", None]
    assert [item["prediction"] is None for item in items] == [False, True, True, True, False]
    single = client.post("/predict?top_k=2", content=jpeg).json()
    for item in (items[0], items[4]):
        assert item["prediction"]["label"] == single["label"]
        assert len(item["prediction"]["probabilities"]) == 2
    assert {item["error"]["request_id"] for item in items if item["error"]} == {
        response.headers["x-request-id"]
    }


def test_a_photo_itself_is_a_batch_of_one(client: httpx.Client) -> None:
    data, kind = encode(photo(), "JPEG"), {"content-type": "image/jpeg"}
    (item,) = client.post("/predict/batch", content=data, headers=kind).json()["items"]
    assert (item["filename"], item["error"]) == (None, None)
    nothing = client.post("/predict/batch", content=b"", headers=kind)
    assert error_of(nothing) == (400, "empty_body")


def test_request_ids(client: httpx.Client) -> None:
    assert client.get("/model", headers={"x-request-id": "order-17:b"}).headers["x-request-id"] == (
        "order-17:b"
    )
    for harmful in ("a b", "x" * 129, '{"a":1}'):
        made = client.get("/model", headers={"x-request-id": harmful}).headers["x-request-id"]
        assert len(made) == 32


def test_the_frameworks_own_errors(client: httpx.Client) -> None:
    assert error_of(client.get("/nothing/here")) == (404, "not_found")
    assert error_of(client.get("/model/")) == (404, "not_found")
    assert error_of(client.post("/predict/", content=b"x")) == (404, "not_found")
    response = client.get("/predict")
    assert error_of(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
