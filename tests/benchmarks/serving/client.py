"""One connection to a server, and the bytes of a request: as little work for each as can be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httptools

LABELS = frozenset(
    label.encode()
    for label in (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
)
PAUSE_SECONDS = 0.1
"""After an error, where the server does not say how long (`Retry-After`)."""
CONTENT_TYPES = {
    ".jpg": b"image/jpeg",
    ".jpeg": b"image/jpeg",
    ".png": b"image/png",
    ".webp": b"image/webp",
    ".gif": b"image/gif",
    ".avif": b"image/avif",
}

_LABEL = re.compile(rb'"label"\s*:\s*"([^"]*)"')
_BOUNDARY = b"------------------------b0e7c4a1d9f35286"


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, by name."""
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in CONTENT_TYPES)


def request_bytes(url: str, file: Path, raw: bool = False) -> bytes:
    """What curl would send: `-F file=@FILE`, or with `raw` `--data-binary @FILE`."""
    parts = urlsplit(url)
    body, kind = file.read_bytes(), CONTENT_TYPES[file.suffix.lower()]
    if not raw:
        head = f'Content-Disposition: form-data; name="file"; filename="{file.name}"'.encode()
        head += b"\r\nContent-Type: " + kind
        body = b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (_BOUNDARY, head, body, _BOUNDARY)
        kind = b"multipart/form-data; boundary=" + _BOUNDARY
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bench\r\n".encode()
    head += b"Accept: */*\r\nContent-Length: %d\r\nContent-Type: %b\r\n\r\n" % (len(body), kind)
    return head + body


class Connection(asyncio.Protocol):
    """With at most one request under way; `on_answer` is told how each ended, "" for well.

    It ends well with status 200 and an answer that names one of `LABELS`.
    """

    def __init__(self, on_answer: Callable[[Connection, str], object]) -> None:
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._body: list[bytes] = []
        self._busy = False
        self.due = 0.0
        """When the request under way should have been sent, in seconds of `time.perf_counter`."""
        self.retry_after = PAUSE_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None

    def send(self, request: bytes, due: float) -> None:
        """Send a request; the connection is open and idle."""
        assert self._transport is not None
        self.due, self._busy = due, True
        self._body.clear()
        self._transport.write(request)

    def close(self) -> None:
        """Close; of a request under way nothing is told any more."""
        if self._transport is not None:
            self._busy = False
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # by asyncio
        self._transport = transport  # type: ignore[assignment]  # of TCP
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:  # by asyncio
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._on_answer(self, "no HTTP")

    def connection_lost(self, error: Exception | None) -> None:  # by asyncio
        self._transport = None
        if self._busy:
            self._end("connection lost")

    def on_header(self, name: bytes, value: bytes) -> None:  # by httptools
        if name.lower() == b"retry-after" and value.isdigit():
            self.retry_after = float(value)

    def on_body(self, data: bytes) -> None:  # by httptools
        self._body.append(data)

    def on_message_complete(self) -> None:  # by httptools
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        if status != 200:
            self._end(f"status {status}")
            return
        label = _LABEL.search(b"".join(self._body))
        self._end("" if label and label[1] in LABELS else "no label")

    def _end(self, error: str) -> None:
        self._busy = False
        self._on_answer(self, error)
