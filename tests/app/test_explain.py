"""Why an answer is what it is: over HTTP, and under load."""

import base64
import concurrent.futures
import io
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from app.card import CATEGORIES
from app.predictors import EXPLANATION_COST
from tests.app.conftest import (
    KnownEngine,
    Running,
    encode,
    known_png,
    make_model,
    metric,
    photo,
    running,
    settings,
    until,
)
from tests.app.spot_model import save_spot_model, spotted
from tests.training.grey_model import save_grey_model

Start = Callable[..., Running]


def picture(address: str) -> Image.Image:
    kind, content = address.split(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def explained(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/predict?explain=true", content=data)


def test_an_explanation_is_given_where_it_is_asked_for(client: httpx.Client) -> None:
    data = encode(photo(), "PNG")
    answer = explained(client, data).json()
    explanation = answer["explanation"]
    assert set(explanation) == {"label", "input", "heatmap"}
    assert explanation["label"] == answer["label"]
    assert picture(explanation["heatmap"]).size == (336, 336)
    model = make_model(1)
    seen = model.seen(model.preprocess([torch.from_numpy(np.array(photo())).permute(2, 0, 1)]))
    shown = np.asarray(picture(explanation["input"]).convert("RGB")).astype(int)
    assert np.abs(shown - seen[0].permute(1, 2, 0).numpy()).max() <= 1
    timings = answer["timings_ms"]
    assert timings["explanation"] > 0
    assert timings["total"] >= timings["inference"] + timings["explanation"] - 0.1

    plain = client.post("/predict", content=data).json()
    assert plain["explanation"] is None
    assert plain["timings_ms"]["explanation"] is None
    assert plain["probabilities"] == answer["probabilities"]
    wrong = client.post("/predict?explain=perhaps", content=data)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_parameter")


def test_the_evidence_for_the_answer_is_shown_over_http(tmp_path: Path) -> None:
    spots = save_spot_model(tmp_path / "model.pt")
    image = spotted(red=(40, 88), blue=(80, 40))
    with running(settings(model=str(spots.path))) as server:
        for channel, label, (row, column) in (
            (0, CATEGORIES[0], (40, 88)),
            (2, CATEGORIES[1], (80, 40)),
        ):
            one = np.zeros_like(image)
            one[..., channel] = image[..., channel]
            one[0, 0, 1] = 20  # no border of one colour, which would be cut off
            answer = explained(server.client, encode(Image.fromarray(one), "PNG")).json()
            assert answer["explanation"]["label"] == answer["label"] == label
            light = np.asarray(picture(answer["explanation"]["heatmap"])).astype(int).sum(axis=2)
            brightest = np.unravel_index(light.argmax(), light.shape)
            assert brightest == pytest.approx((3 * row, 3 * column), abs=12)


def test_no_map_is_null(tmp_path: Path) -> None:
    path = save_grey_model(tmp_path / "model.pt")
    with running(settings(model=str(path))) as server:
        explanation = explained(server.client, encode(photo(), "PNG")).json()["explanation"]
    assert explanation["heatmap"] is None
    assert picture(explanation["input"]).size == (112, 112)


def test_an_explanation_counts_as_many_images_more(start: Start, engine: KnownEngine) -> None:
    client = start(max_images_in_work=32).client
    engine.explanations = threading.Semaphore(0)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = pool.submit(explained, client, known_png(1))
        until(lambda: "explain" in engine.calls)
        assert metric(client, "garment_images_in_work") == 1 + EXPLANATION_COST
        refused = explained(client, known_png(2))
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        plain = pool.submit(client.post, "/predict", content=known_png(3))
        until(lambda: metric(client, "garment_images_in_work") == 2 + EXPLANATION_COST)
        engine.explanations.release()
        assert plain.result().json()["class_id"] == 3
        assert held.result().json()["explanation"]["label"] == CATEGORIES[1]
    assert metric(client, "garment_images_in_work") == 0


def test_a_service_of_one_image_at_a_time_explains_too(start: Start) -> None:
    client = start(max_images_in_work=1, max_batch_images=1).client
    assert explained(client, known_png(4)).json()["explanation"]["label"] == CATEGORIES[4]


def test_a_photo_waits_for_one_explanation_at_most(start: Start, engine: KnownEngine) -> None:
    client = start().client
    engine.explanations = threading.Semaphore(0)
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        explanations = [pool.submit(explained, client, known_png(label)) for label in range(3)]
        until(lambda: metric(client, "garment_images_in_work") == 3 * (1 + EXPLANATION_COST))
        until(lambda: sum(engine.batches) + metric(client, "garment_queue_depth") == 3)  # decoded
        engine.go_on.set()
        engine.explanations.release()  # the first; the second is held, the third waits for it
        until(lambda: engine.calls.count("explain") == 2 and sum(engine.batches) == 3)
        until(lambda: metric(client, "garment_queue_depth") == 1)
        batches = metric(client, "garment_batch_size_count")
        plain = pool.submit(client.post, "/predict", content=known_png(7))
        until(lambda: metric(client, "garment_batch_size_count") == batches + 1)
        engine.explanations.release(2)
        assert plain.result().json()["class_id"] == 7
        assert {future.result().status_code for future in explanations} == {200}
    assert engine.calls[-3:] == ["explain", "run", "explain"]


def test_the_deadline_holds_for_the_explanation(start: Start, engine: KnownEngine) -> None:
    client = start(deadline_seconds=0.5).client
    engine.explanations = threading.Semaphore(0)
    late = explained(client, known_png(1))
    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    assert engine.calls == ["run", "explain"]
    engine.explanations.release()
    assert client.post("/predict", content=known_png(1)).status_code == 200


def test_what_fails_in_an_explanation_is_an_error_of_the_service(
    start: Start, engine: KnownEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bad map")

    monkeypatch.setattr(engine, "explain", fail)
    client = start().client
    failed = explained(client, known_png(1))
    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert "bad map" not in failed.text
    assert metric(client, "garment_images_in_work") == 0


def test_a_batch_is_not_explained(client: httpx.Client) -> None:
    files = {"files": ("a.png", encode(photo(), "PNG"))}
    for yes in ("true", "1"):
        refused = client.post(f"/predict/batch?explain={yes}", files=files)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
        assert "only of one photo" in refused.json()["detail"]
    for no in ("false", "False", "0", "no"):
        item = client.post(f"/predict/batch?explain={no}", files=files).json()["items"][0]
        assert "explanation" not in item["prediction"]
    for neither in ("perhaps", ""):
        wrong = client.post(f"/predict/batch?explain={neither}", files=files)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_parameter")
        alone = client.post(f"/predict?explain={neither}", files={"file": files["files"]})
        assert wrong.json()["detail"] == alone.json()["detail"]
