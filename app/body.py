"""Photos out of a request's body, bounded in bytes and in time while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import BodyTooLarge, EmptyBody, MalformedMultipart, MissingFile, UploadTimeout


@dataclass(frozen=True, slots=True)
class Upload:
    """One photo as it was sent; it may be empty."""

    filename: str | None
    data: bytes


async def read_uploads(
    request: Request, fields: Sequence[str], *, max_bytes: int, seconds: float
) -> list[Upload]:
    """The files of a multipart body's `fields` in their order, or any other body as one photo.

    Raises:
        EmptyBody: a body that is not multipart holds no bytes.
        BodyTooLarge: more than `max_bytes` are announced or arrive.
        UploadTimeout: it takes longer than `seconds`.
        MalformedMultipart: it is not the multipart/form-data that it says it is.
        MissingFile: no file in any of `fields`.
        ClientDisconnect: the client left.
    """
    try:
        async with asyncio.timeout(seconds):
            chunks = _bounded(request, max_bytes)
            if _is_multipart(request):
                return await _from_form(request, chunks, fields, max_bytes)
            body = b"".join([chunk async for chunk in chunks])
    except TimeoutError as error:
        raise UploadTimeout(f"The body did not arrive within {seconds:g} seconds.") from error
    if not body:
        raise EmptyBody(
            "Send the image as the body, or as multipart/form-data in the field "
            f"`{fields[0]}`: curl -F {fields[0]}=@photo.jpg"
        )
    return [Upload(None, body)]


def _is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().lstrip().startswith("multipart/")


async def _bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; what a Content-Length promises is refused early, but not relied on."""
    error = BodyTooLarge(f"The body is larger than the {max_bytes:,} bytes allowed.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise error
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise error
        yield chunk


class _FormParser(MultiPartParser):
    """Starlette's parser, which takes a form that breaks off for a whole one."""

    complete = False

    def on_end(self) -> None:
        self.complete = True

    async def parse(self) -> FormData:
        self.stream = self._to_its_end(self.stream)
        return await super().parse()

    async def _to_its_end(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
        if not self.complete:
            raise MultiPartException("The body ends before the form does.")


async def _from_form(
    request: Request,
    chunks: AsyncGenerator[bytes, None],
    fields: Sequence[str],
    max_bytes: int,
) -> list[Upload]:
    parser = _FormParser(request.headers, chunks)
    parser.spool_max_size = max_bytes  # in memory: photos are never written to a disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedMultipart(error.message) from error
    try:
        return await _files(form, fields)
    finally:
        await form.close()


async def _files(form: FormData, fields: Sequence[str]) -> list[Upload]:
    found = [value for name, value in form.multi_items() if name in fields]
    uploads = [
        Upload(value.filename, await value.read())
        for value in found
        if isinstance(value, UploadFile)
    ]
    if len(uploads) == len(found) and uploads:
        return uploads
    name = fields[0]
    if found:
        raise MissingFile(
            f"The field `{name}` holds text, not a file; with curl: -F {name}=@photo.jpg"
        )
    others = ", ".join(f"`{other}`" for other in sorted(set(form.keys())))
    raise MissingFile(
        f"The form has no file in the field `{name}`"
        + (f", only {others}." if others else "; it is empty.")
    )
