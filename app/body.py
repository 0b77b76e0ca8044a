"""Photos out of a request's body, bounded in bytes and in time while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message

from fastapi import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.admission import Received
from app.errors import (
    BodyTooLarge,
    EmptyBody,
    MalformedMultipart,
    MissingFile,
    TooManyImages,
    UnsupportedEncoding,
    UploadTimeout,
)

MAX_PARTS = 2_000
"""Of a form, whatever a batch may hold: 10 MB are room for 170,000, and nothing else would run."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One photo as it was sent; it may be empty."""

    filename: str | None
    data: bytes


async def read_uploads(
    request: Request,
    fields: Sequence[str],
    room: Received,
    *,
    max_bytes: int,
    seconds: float,
    empty: bool = False,
) -> list[Upload]:
    """The files of a multipart body's `fields` in their order, or any other body as one photo.

    Args:
        request: whose body it is.
        fields: names of the form's fields that are read.
        room: where room for the body is taken.
        max_bytes: of the body.
        seconds: for it to arrive.
        empty: whether a body that holds no bytes is a photo as well.

    Raises:
        EmptyBody: a body that is not multipart holds no bytes, and `empty` is false.
        BodyTooLarge: more than `max_bytes` are announced or arrive.
        Overloaded: there is no room for it.
        UploadTimeout: it takes longer than `seconds`.
        MalformedMultipart: it is not the multipart/form-data that it says it is.
        MissingFile: no file in any of `fields`, or one in another.
        TooManyImages: more than `MAX_PARTS` in a form.
        UnsupportedEncoding: it is compressed.
        ClientDisconnect: the client left.
    """
    encoding = request.headers.get("content-encoding", "")
    if encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding(
            f"The body is encoded as {encoding[:100]}; send it as it is. Photos are compressed."
        )
    try:
        async with asyncio.timeout(seconds):
            body = b"".join([chunk async for chunk in _bounded(request, room, max_bytes)])
    except TimeoutError as error:
        raise UploadTimeout(f"The body did not arrive within {seconds:g} seconds.") from error
    content_type = request.headers.get("content-type", "")
    if content_type.lower().lstrip().startswith("multipart/"):
        return _from_form(body, content_type, fields)
    if not body and not empty:
        raise EmptyBody(
            "Send the image as the body, or as multipart/form-data in the field "
            f"`{fields[0]}`: curl -F {fields[0]}=@photo.jpg"
        )
    return [Upload(None, body)]


async def _bounded(request: Request, room: Received, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; what a Content-Length promises is refused early, but not relied on."""
    error = BodyTooLarge(f"The body is larger than the {max_bytes:,} bytes allowed.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise error
    # Not taken yet: a few that announce much and send nothing would shut all others out.
    room.check(int(announced) if announced.isdecimal() else 0)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise error
        room.take(len(chunk))
        yield chunk


def _from_form(body: bytes, content_type: str, fields: Sequence[str]) -> list[Upload]:
    """The files in a form's `fields`."""
    found: list[Upload] = []
    elsewhere: set[str] = set()
    texts: set[str] = set()
    empty: set[str] = set()
    for part, content in _parts(body, content_type):
        field, filename = _text(part.name or ""), _filename(part)
        if not (content or filename):  # no file was chosen, as Swagger UI or a browser says it
            empty.add(field)
        elif filename is None and not _is_photo(part):
            texts.add(field)
        elif field in fields:
            found.append(Upload(filename, content))
        else:
            elsewhere.add(field)
    name = fields[0]
    curl = f"with curl: -F {name}=@photo.jpg"
    if elsewhere:
        raise MissingFile(
            f"Files are read from the field `{name}`, and some came in {_listed(elsewhere)}; {curl}"
        )
    if texts.intersection(fields):
        raise MissingFile(f"The field `{name}` holds text, not a file; {curl}")
    if found:
        return found
    if empty.intersection(fields):
        raise MissingFile(f"No file was chosen for the field `{name}`; {curl}")
    others = texts | empty
    raise MissingFile(
        f"The form has no file in the field `{name}`"
        + (f", only {_listed(others)}." if others else "; it is empty.")
    )


def _parts(body: bytes, content_type: str) -> Iterator[tuple[MultipartSegment, bytes]]:
    """A form's parts and what they hold. Nothing is written to a disk, however large it is."""
    count = 0
    try:
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        # As Latin-1 every header can be read, also one of a client that knows no UTF-8.
        with PushMultipartParser(boundary, strict=True, header_charset="latin-1") as parser:
            chunks: list[bytes] = []
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    part, chunks = event, []
                    count += 1
                    if count > MAX_PARTS:
                        raise TooManyImages(f"The form has more than {MAX_PARTS:,} parts.")
                elif event:
                    chunks.append(event)
                else:
                    yield part, b"".join(chunks)
    except MultipartError as error:
        raise MalformedMultipart(f"This is no whole form: {error.args[0]}.") from error


def _is_photo(part: MultipartSegment) -> bool:
    """Whether a part is one by its type: RFC 7578 asks for a file's name, and does without."""
    kind = part.content_type or ""
    return kind.startswith("image/") or kind == "application/octet-stream"


def _listed(fields: set[str]) -> str:
    return ", ".join(f"`{field}`" for field in sorted(fields))


def _filename(part: MultipartSegment) -> str | None:
    """A file's name, `None` where there is none, as in a text field."""
    plain = None if part.filename is None else _text(part.filename)
    disposition = part.header("Content-Disposition")
    if "*" not in disposition:
        return plain
    header = Message()
    header["Content-Disposition"] = disposition
    try:
        # As `filename*=utf-8''photo.jpg` (RFC 2231), which some send, and .NET besides. It is last.
        parameters = header.get_params([], "Content-Disposition")
    except TypeError:  # it comes whole and in parts
        return plain
    value = {name.lower(): value for name, value in parameters}.get("filename")
    if not isinstance(value, tuple):
        return plain or value
    charset, _, latin_1 = value
    # No other charset is known by its name: what some of Python's give, no answer can hold.
    utf_8 = (charset or "").lower() == "utf-8"
    return latin_1.encode("latin-1").decode(errors="replace") if utf_8 else latin_1


def _text(latin_1: str) -> str:
    try:
        return latin_1.encode("latin-1").decode()
    except UnicodeDecodeError:
        return latin_1
