"""Clients that offer another protocol with their photo, ask for nothing, or speak no HTTP."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import httpx
import pytest
import uvicorn

from app.http1 import Http1Protocol
from tests.app.conftest import encode, photo, total

JAVA = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
)
"""What Java's HttpClient sends with each request over plain HTTP."""

PHOTO = encode(photo(), "PNG")


def answers(client: httpx.Client, *requests: list[bytes]) -> list[bytes]:
    """The status codes of requests, each sent in pieces, one after the other on one connection."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as stream:
            found = []
            for pieces in requests:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.002)  # so that the server does not read two of them as one
                found.append(read(stream))
            return found


def read(stream: BinaryIO) -> bytes:
    status = stream.readline().split()[1]
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)
    return status


def head(headers: bytes, path: str = "/predict") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n".encode() + headers + b"\r\n"


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_offer_of_http_2_costs_no_photo(
    client: httpx.Client, chunked: bool, apart: bool
) -> None:
    if chunked:
        headers = b"Transfer-Encoding: chunked\r\n"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PHOTO), PHOTO)
    else:
        headers, body = b"Content-Length: %d\r\n" % len(PHOTO), PHOTO
    request = [head(JAVA + headers), body]
    sent = request if apart else [b"".join(request)]
    assert answers(client, sent, sent, sent) == [b"200"] * 3


def test_an_offer_is_found_wherever_the_network_cuts_the_request(client: httpx.Client) -> None:
    """Also into single bytes; what is no photo is told from no body, and soon."""
    offer = b"Upgrade: h2c\r\nX-Upgrade: no\r\nHost: a\r\nConnection: Upgrade\r\n"
    request = b"POST /predict HTTP/1.1\r\n" + offer + b"Content-Length: 3\r\n\r\nabc"
    cuts = [[request[:at], request[at:]] for at in range(1, len(request))]
    cuts.append([request[at : at + 1] for at in range(len(request))])
    assert answers(client, *cuts) == [b"415"] * len(cuts)


def test_a_body_is_left_as_it_is(client: httpx.Client) -> None:
    """Also what comes of it after it was refused: a byte less, and the next request is lost."""
    line = b"\r\nUpgrade: h2c\r\nx: y"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = form + line * 9_000 + b"\r\n--x--"
    wrong = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n" % len(body)
    right = head(b"Content-Length: %d\r\n" % len(PHOTO)) + PHOTO
    # Read whole, and refused before its first byte was looked at.
    for path, status in (("/predict", b"415"), ("/predict?top_k=0", b"422")):
        refused = [head(wrong, path), body[:70_000], body[70_000:]]
        assert answers(client, refused, [right]) == [status, b"200"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /\xfc HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        head(b"Content-Length: a\r\n"),
        b"GET / HTTP/1.1\r\nX: " + b"y" * 65_536,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 11_000,
        head(b"X: y\r\n" * 11_000),
    ],
    ids=["header", "path", "TLS", "length", "endless line", "endless head", "long head"],
)
def test_what_is_not_http_is_a_problem_as_well(
    client: httpx.Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    counter = 'garment_errors_total{code="malformed_http"}'
    before = total(client, counter)
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(4000):
            answer += part
    told, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = told.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(body))
    assert headers["connection"] == "close"
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "malformed_http")
    assert problem["request_id"] == headers["x-request-id"]
    (logged,) = [record.fields for record in caplog.records if record.name == "app.http1"]
    assert (logged["code"], logged["request_id"]) == (problem["code"], problem["request_id"])
    assert total(client, counter) == before + 1


def test_a_head_may_be_long(client: httpx.Client) -> None:
    """Of each request on a connection anew."""
    lines = b"X: y\r\n" * 10_000
    assert answers(client, *[[head(lines, "/nothing")]] * 3) == [b"404"] * 3


@contextlib.contextmanager
def impatient() -> Iterator[socket.socket]:
    """A connection to a server that waits 0.1 seconds for a request, and takes 0.3 to refuse it."""

    async def refuse(scope: dict, receive: object, send: Callable) -> None:
        await asyncio.sleep(0.3)
        start = {"type": "http.response.start", "status": 404}
        await send({**start, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(refuse, http=Http1Protocol, log_config=None, timeout_keep_alive=0.1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as connection:
                yield connection
        finally:
            server.should_exit = True
            thread.join(30)


def is_closed(connection: socket.socket, more: bytes) -> bool:
    """By the server, within ten seconds, although more arrives all the time."""
    connection.settimeout(0.02)
    for _ in range(500):
        try:
            connection.sendall(more)
            if not connection.recv(4000):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
        (head(b"") + b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
        (head(b"Content-Length: 99999\r\n"), b"y"),
    ],
    ids=["nothing", "half a head", "half a second head", "half a body that was refused"],
)
def test_a_connection_that_asks_for_nothing_is_closed(sent: bytes, more: bytes) -> None:
    with impatient() as connection:
        connection.sendall(sent)
        assert is_closed(connection, more)


def test_one_that_waits_for_answers_is_not_closed() -> None:
    with impatient() as connection, connection.makefile("rb") as stream:
        connection.sendall(head(b"") * 2)
        assert [read(stream), read(stream)] == [b"404"] * 2
        assert is_closed(connection, b"")
