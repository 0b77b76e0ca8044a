"""S3 as the service's client sees it, without a server."""

from __future__ import annotations

import hashlib
import io

from botocore import exceptions as boto


class FakeS3:
    """Objects by key; `failure` is raised instead of an answer; counts what was read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failure: Exception | None = None
        self.breaks_off = 0
        self.read: list[str] = []
        self.looked: list[str] = []

    def get_object(self, Bucket: str, Key: str) -> dict:  # noqa: N803
        if self.failure is not None:
            raise self.failure
        if Key not in self.objects:
            raise answer("NoSuchKey", 404)
        content = self.objects[Key]
        fake = self

        class Body(io.BytesIO):
            def read(self, size=-1):
                if Key not in fake.read[-1:]:
                    fake.read.append(Key)
                if fake.breaks_off and Key.endswith("model.pt"):
                    fake.breaks_off -= 1
                    raise boto.ResponseStreamingError(error="reset by peer")
                return super().read(size)

        return {"Body": Body(content), **described(content)}

    def head_object(self, Bucket: str, Key: str) -> dict:  # noqa: N803
        self.looked.append(Key)
        if self.failure is not None:
            raise self.failure
        if Key not in self.objects:
            raise answer("404", 404)
        return described(self.objects[Key])


def described(content: bytes) -> dict:
    return {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "ContentLength": len(content)}


def answer(code: str, status: int) -> boto.ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "GetObject")
