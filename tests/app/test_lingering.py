"""Refusals that come before the end of a body, to clients that close the connection."""

import socket
import time

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "status"),
    [("/predict", b"413"), ("/predict?top_k=0", b"422"), ("/nothing", b"404")],
)
def test_a_client_that_sends_all_before_it_reads_gets_its_refusal(
    client: httpx.Client, path: str, status: bytes
) -> None:
    size = 60_000_000
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head.encode())
        for _ in range(60):
            connection.sendall(bytes(size // 60))
        with connection.makefile("rb") as stream:
            answer = stream.read()  # to its end: the connection is closed, and not reset
    assert answer.split()[1] == status
    assert b"problem+json" in answer


def test_also_where_its_request_is_not_http(client: httpx.Client) -> None:
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nno header\r\nContent-Length: 60000000\r\n\r\n"
        )
        for _ in range(60):
            connection.sendall(bytes(1_000_000))
        with connection.makefile("rb") as stream:
            answer = stream.read()
    assert answer.split()[1] == b"400"
    assert b"malformed_http" in answer


def test_bytes_after_a_request_are_told_of_in_its_place(client: httpx.Client) -> None:
    """And nothing else is sent, when it would have been answered."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef")
        with connection.makefile("rb") as stream:
            answer = stream.read()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"malformed_http" in answer


def test_a_refusal_does_not_wait_for_the_body(client: httpx.Client) -> None:
    """Nor does the server for a client that sends no more of it."""
    head = "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 99999999\r\n"
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        started = time.monotonic()
        connection.sendall(head.encode() + b"\r\n" + bytes(100))
        with connection.makefile("rb") as stream:
            assert stream.readline().split()[1] == b"413"
            assert time.monotonic() - started < 3
            stream.read()
            assert time.monotonic() - started < 15
