"""Whether the servers that are compared do the same work: their labels for the same photos."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from client import image_files, request_bytes
from servers import Running

PHOTOS = 16
"""Of each payload, at most."""


def same_labels(servers: list[Running], photos: dict[str, Path]) -> dict[str, dict[str, float]]:
    """For each payload, the share of photos to which a server gives the first one's label."""
    shares = {}
    for payload, folder in photos.items():
        files = image_files(folder)[:PHOTOS]
        labels = {one.server.name: [_label(one.url, file) for file in files] for one in servers}
        reference = labels[servers[0].server.name]
        shares[payload] = {
            name: sum(map(str.__eq__, given, reference)) / len(files)
            for name, given in labels.items()
        }
    return shares


def _label(url: str, file: Path) -> str:
    head, _, body = request_bytes(url, file).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("POST", urlsplit(url).path, body, dict(one.split(": ") for one in lines))
        return str(json.loads(connection.getresponse().read())["label"])
    finally:
        connection.close()
