"""Limits and shutdown over real HTTP, on an engine that waits where it is told to."""

import concurrent.futures
import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import httpx

from app.memory import available_memory
from tests.app.conftest import KnownEngine, Running, encode, known_png, metric, photo, until

Start = Callable[..., Running]


def test_bodies_are_bounded_while_they_arrive(start: Start) -> None:
    client = start(max_body_bytes=2048, max_batch_body_bytes=4096).client
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 1000
            yield bytes(1000)

    responses = [
        client.post("/predict", content=bytes(2049)),
        client.post("/predict", content=endless()),
        client.post("/predict", files={"file": ("a.jpg", bytes(2049))}),
        client.post("/predict/batch", files={"files": ("a.jpg", bytes(5000))}),
    ]
    assert [(r.status_code, r.json()["code"]) for r in responses] == [(413, "body_too_large")] * 4
    for size, code in ((2049, "body_too_large"), (2048, "unsupported_format")):
        batch = client.post("/predict/batch", files=[("files", ("a", bytes(size)))]).json()
        assert batch["items"][0]["error"]["code"] == code
    for body in (bytes(2048), iter([bytes(1024)] * 2)):
        assert client.post("/predict", content=body).json()["code"] == "unsupported_format"
    assert client.post("/predict", content=known_png(1)).status_code == 200


def test_a_content_length_that_lies_does_not_help(start: Start) -> None:
    client = start(max_body_bytes=2048, upload_seconds=0.2).client
    address = (client.base_url.host, client.base_url.port)
    for length, status in ((9_999_999_999, b"413"), (2000, b"408")):
        with socket.create_connection(address) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode() + bytes(100))
            connection.settimeout(10)
            assert connection.recv(4000).split()[1] == status


def test_requests_together_form_a_batch_and_get_their_own_answers(
    start: Start, engine: KnownEngine
) -> None:
    client = start(batch_size=8).client
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        first = pool.submit(client.post, "/predict", content=known_png(0))
        assert engine.started.wait(10)
        others = [
            pool.submit(client.post, "/predict", content=known_png(label, bad=label == 3))
            for label in range(1, 6)
        ]
        until(lambda: metric(client, "garment_queue_depth") == 5)
        engine.go_on.set()
        answers = [future.result() for future in [first, *others]]
    assert [a.json().get("class_id") for a in answers] == [0, 1, 2, None, 4, 5]
    assert (answers[3].status_code, answers[3].json()["code"]) == (500, "internal_error")
    assert "bad image" not in answers[3].text
    assert engine.batches[:2] == [1, 5]


def test_beyond_the_images_in_work_it_refuses_at_once(start: Start, engine: KnownEngine) -> None:
    client = start(max_images_in_work=2, max_batch_images=2).client
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = [pool.submit(client.post, "/predict", content=known_png(1)) for _ in range(2)]
        until(lambda: metric(client, "garment_images_in_work") == 2)
        began = time.monotonic()
        refused = client.post("/predict", content=known_png(2))
        assert time.monotonic() - began < 2
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        engine.go_on.set()
        assert [future.result().status_code for future in held] == [200, 200]
    assert metric(client, "garment_images_in_work") == 0
    assert client.post("/predict", content=known_png(2)).status_code == 200


def test_beyond_the_bytes_in_work_it_refuses_at_once(start: Start, engine: KnownEngine) -> None:
    """Slow uploads of large photos wait in memory: there is room for two of these, not three."""
    client = start(
        max_body_bytes=40_000, max_batch_body_bytes=50_000, max_bytes_in_work=50_000
    ).client
    address = (client.base_url.host, client.base_url.port)
    head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 20001\r\n\r\n"
    with contextlib.ExitStack() as open_connections:
        for _ in range(2):
            slow = open_connections.enter_context(socket.create_connection(address))
            slow.sendall(head.encode() + bytes(20_000))
        until(lambda: metric(client, "garment_bytes_in_work") == 40_000)
        # By what it announces, and by what arrives where nothing is announced.
        for body in (bytes(20_000), iter([bytes(9_000), bytes(9_000)])):
            refused = client.post("/predict", content=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "1"
            assert metric(client, "garment_bytes_in_work") == 40_000
        assert client.post("/predict", content=known_png(2)).status_code == 200
    until(lambda: metric(client, "garment_bytes_in_work") == 0)
    assert client.post("/predict", content=bytes(20_000)).status_code == 415


def test_uploads_that_do_not_arrive_shut_nobody_out(start: Start) -> None:
    """Neither by the bytes that they announce, nor by the images that they may hold."""
    client = start(max_bytes_in_work=50 * 2**20, max_images_in_work=2, max_batch_images=2).client
    address = (client.base_url.host, client.base_url.port)
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {10 * 2**20}\r\n\r\n"
    with contextlib.ExitStack() as open_connections:
        for _ in range(10):
            slow = open_connections.enter_context(socket.create_connection(address))
            slow.sendall(head.encode() + bytes(1_000))
        until(lambda: metric(client, "garment_bytes_in_work") == 10_000)
        assert client.post("/predict", content=known_png(2)).status_code == 200
        assert metric(client, "garment_images_in_work") == 0


def test_by_default_bodies_take_a_quarter_of_the_memory(start: Start) -> None:
    client = start(max_batch_body_bytes=2**20).client
    assert metric(client, "garment_bytes_in_work_limit") == int(available_memory() / 4)


def test_batches_are_bounded(start: Start, engine: KnownEngine) -> None:
    client = start(max_images_in_work=3, max_batch_images=3).client

    def batch(count: int) -> httpx.Response:
        return client.post("/predict/batch", files=[("files", ("a", known_png(1)))] * count)

    assert (batch(4).status_code, batch(4).json()["code"]) == (413, "too_many_images")
    assert len(batch(3).json()["items"]) == 3
    engine.started.clear()
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.post, "/predict", content=known_png(1))
        assert engine.started.wait(10)
        assert (batch(3).status_code, batch(3).json()["code"]) == (503, "overloaded")
        engine.go_on.set()
        assert held.result().status_code == 200


def test_the_deadline(start: Start, engine: KnownEngine) -> None:
    client = start(deadline_seconds=0.3).client
    engine.go_on.clear()
    late = client.post("/predict", content=known_png(1))
    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    engine.go_on.set()
    assert client.post("/predict", content=known_png(1)).status_code == 200


def test_a_client_that_left_costs_no_inference(start: Start, engine: KnownEngine) -> None:
    client = start().client
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.post, "/predict", content=known_png(1))
        assert engine.started.wait(10)
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address) as connection:
            body = known_png(2)
            head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            until(lambda: metric(client, "garment_queue_depth") == 1)
        until(lambda: metric(client, "garment_queue_depth") == 0)
        until(lambda: metric(client, "garment_images_in_work") == 1)
        engine.go_on.set()
        assert held.result().status_code == 200
    assert engine.batches == [1]
    assert 'status="499"' in client.get("/metrics").text


def test_shutdown_finishes_what_was_accepted(start: Start, engine: KnownEngine) -> None:
    server = start()
    engine.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        held = [
            pool.submit(httpx.post, f"{server.client.base_url}/predict", content=known_png(label))
            for label in range(3)
        ]
        until(lambda: metric(server.client, "garment_images_in_work") == 3)
        server.stop()
        time.sleep(0.3)
        assert server.thread.is_alive()
        engine.go_on.set()
        assert [future.result().json()["class_id"] for future in held] == [0, 1, 2]
    server.thread.join(10)
    assert not server.thread.is_alive()


def test_a_photo_with_more_pixels_than_allowed(start: Start) -> None:
    client = start(max_image_pixels=5000).client
    refused = client.post("/predict", content=encode(photo(100, 51), "PNG"))
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
