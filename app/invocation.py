"""What SageMaker hands to POST /invocations: a body and headers, as photos and wishes."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from fastapi import Request

from app.admission import Received
from app.artifact import CATEGORY_COUNT
from app.body import Upload, read_uploads
from app.errors import InvalidParameter, MalformedJson, NotAcceptable
from app.settings import Settings

ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
JSON, JSON_LINES = "application/json", "application/jsonlines"


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


async def read_invocation(request: Request, room: Received, settings: Settings) -> Invocation:
    """The photos of a body: an image itself, a form, or JSON with base64.

    Raises:
        MalformedJson: it says that it is JSON, and is not, or holds no photos.
        ServiceError: as `app.body.read_uploads`.
    """
    uploads = await read_uploads(
        request,
        ["file", "files"],
        room,
        max_bytes=settings.max_batch_body_bytes,
        seconds=settings.upload_seconds,
    )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _from_json(uploads[0].data)
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
    if not (top_k.isdecimal() and 1 <= int(top_k) <= CATEGORY_COUNT):
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


def _from_json(body: bytes) -> Invocation:
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
