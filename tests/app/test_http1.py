"""Clients that offer another protocol with their photo."""

import socket
from typing import BinaryIO

import httpx
import pytest

from tests.app.conftest import encode, photo

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
    request = head(JAVA + b"X-Upgrade: no\r\nContent-Length: 3\r\n") + b"abc"
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
