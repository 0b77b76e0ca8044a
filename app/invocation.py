"""What SageMaker hands to POST /invocations: a body and headers, as photos and wishes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from dataclasses import dataclass

from fastapi import Request

from app.admission import Received
from app.body import Upload, read_uploads
from app.card import CATEGORY_COUNT
from app.errors import InvalidParameter, MalformedJson, NotAcceptable, TooManyImages
from app.settings import Settings

ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
JSON, JSON_LINES = "application/json", "application/jsonlines"

MAX_VALUES = 10_000
"""Of JSON, whatever a batch may hold: while millions are read, nothing else runs."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call: its photos, or none where the model's card is asked for.

    `several` tells a list of one photo from one photo.
    """

    uploads: list[Upload]
    several: bool = False
    describe: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What goes in the query of POST /predict; SageMaker passes on a header, and no query."""

    explain: bool = False
    top_k: int = CATEGORY_COUNT


async def read_invocation(
    request: Request, room: Received, settings: Settings, lines: bool
) -> Invocation:
    """The photos of a body: an image itself, a form, or JSON with base64.

    With `lines`, a body of no bytes is a photo as well, which gets its error as its line.

    Raises:
        MalformedJson: it says that it is JSON, and is not, or holds no photos.
        TooManyImages: it is JSON with more than a batch may hold.
        ServiceError: as `app.body.read_uploads`.
    """
    uploads = await read_uploads(
        request,
        ["file", "files"],
        room,
        max_bytes=settings.max_batch_body_bytes,
        seconds=settings.upload_seconds,
        empty=lines,
    )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        # In a thread: base64 of many megabytes would hold up everything else.
        return await asyncio.to_thread(_from_json, uploads[0].data, settings.max_batch_images)
    return Invocation(uploads, several=len(uploads) > 1)


def read_wishes(attributes: str) -> Wishes:
    """`explain=true;top_k=3`, in any order; what else stands there is somebody else's.

    Raises:
        InvalidParameter: a value is wrong.
    """
    values = dict(part.strip().partition("=")[::2] for part in attributes.split(";"))
    explain, top_k = values.get("explain", "false"), values.get("top_k", str(CATEGORY_COUNT))
    if explain not in ("true", "false"):
        raise InvalidParameter(f"explain: true or false, not {explain!r}.")
    # Of thousands of digits, `int` makes no number.
    if not (re.fullmatch(r"\d{1,9}", top_k) and 1 <= int(top_k) <= CATEGORY_COUNT):
        raise InvalidParameter(f"top_k: a number from 1 to {CATEGORY_COUNT}, not {top_k!r}.")
    return Wishes(explain == "true", int(top_k))


def wants_lines(accept: str) -> bool:
    """Whether one line of JSON for each photo is wanted, and not one JSON document.

    Raises:
        NotAcceptable: something that is neither.
    """
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for kind in filter(None, kinds):
        if kind in (JSON, "application/*", "*/*"):
            return False
        if kind in (JSON_LINES, "application/x-jsonlines", "application/jsonl"):
            return True
    if any(kinds):
        raise NotAcceptable(f"Answers are {JSON} or {JSON_LINES}, not {accept}.")
    return False


def _from_json(body: bytes, max_images: int) -> Invocation:
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooManyImages(f"The JSON has more than {MAX_VALUES:,} values.")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise MalformedJson(f"The body is not JSON: {error}.") from error
    if isinstance(value, dict):
        if value.get("describe") is True:
            return Invocation([], describe=True)
        if "image" in value:
            return Invocation([_upload(value["image"], "image")])
        value = value.get("images", value.get("instances"))
    if not isinstance(value, list) or not value:
        raise MalformedJson(
            'Send {"image": "BASE64"}, {"images": ["BASE64", ...]} or a list of these strings.'
        )
    if len(value) > max_images:
        raise TooManyImages(f"{len(value)} images; at most {max_images} are allowed.")
    photos = [_upload(item, f"image {number}") for number, item in enumerate(value)]
    return Invocation(photos, several=True)


def _upload(value: object, name: str) -> Upload:
    if isinstance(value, dict):  # {"b64": ...}, as TensorFlow Serving has it
        value = value.get("b64", value.get("image"))
    if not isinstance(value, str):
        raise MalformedJson(f"{name}: not a string of base64.")
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return Upload(None, base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise MalformedJson(f"{name}: not base64: {error}.") from error
