"""A registry that an engine pushes to, and that keeps what it is told of images and no layer.

Enough of https://distribution.github.io/distribution/spec/api/ for that. Docker asks for no
certificate on 127.0.0.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


@dataclass
class Registry:
    """A running one; `manifests` are by tag or digest, with their media types."""

    address: str
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    layers: dict[str, int] = field(default_factory=dict)


@contextmanager
def registry() -> Iterator[Registry]:
    """On a free port of 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.kept = kept = Registry(f"127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    # Also to what is no HTTP: so engines that begin with TLS hear that there is none.
    protocol_version = default_request_version = "HTTP/1.1"

    @property
    def _kept(self) -> Registry:
        return self.server.kept

    def do_HEAD(self) -> None:
        """Whether something is there, and how large."""
        name = self.path.rpartition("/")[2]
        if "/blobs/" in self.path and name in self._kept.layers:
            self._answer(200, length=self._kept.layers[name])
        else:
            self._manifest(name)

    def do_GET(self) -> None:
        """A manifest, or whether this is a registry."""
        if self.path == "/v2/":
            self._answer(200)
        elif content := self._manifest(self.path.rpartition("/")[2]):
            self.wfile.write(content)

    def do_POST(self) -> None:
        """An upload begins."""
        self._read()
        self._answer(202, Location=f"{self.path.rstrip('/')}/{uuid.uuid4()}")

    def do_PATCH(self) -> None:
        """Some of it, or all."""
        self._kept.layers[self.path] = size = self._read()[0]
        self._answer(202, Location=self.path, Range=f"0-{size - 1}")

    def do_PUT(self) -> None:
        """A manifest, or the end of an upload."""
        size, digest, content = self._read()
        if "/manifests/" in self.path:
            kept = (self.headers["Content-Type"], content)
            self._kept.manifests[self.path.rpartition("/")[2]] = kept
            self._kept.manifests[digest] = kept
        else:
            upload = urlsplit(self.path)
            [digest] = parse_qs(upload.query)["digest"]
            self._kept.layers[digest] = self._kept.layers.pop(upload.path, 0) + size
        self._answer(201, Location=self.path, **{"Docker-Content-Digest": digest})

    def _manifest(self, name: str) -> bytes:
        """Announce it; gives what it is."""
        kind, content = self._kept.manifests.get(name, ("", b""))
        digest = f"sha256:{sha256(content).hexdigest()}"
        headers = {"Content-Type": kind, "Docker-Content-Digest": digest} if content else {}
        self._answer(200 if content else 404, len(content), **headers)
        return content

    def _read(self) -> tuple[int, str, bytes]:
        """The body: its size, its digest, and itself where it is small."""
        size, digest, start = 0, sha256(), b""
        for chunk in self._chunks():
            size += len(chunk)
            digest.update(chunk)
            if len(start) < 1_000_000:
                start += chunk
        return size, f"sha256:{digest.hexdigest()}", start

    def _chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            left = int(self.headers.get("Content-Length") or 0)
            while left > 0 and (chunk := self.rfile.read(min(left, 1 << 16))):
                left -= len(chunk)
                yield chunk
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""
