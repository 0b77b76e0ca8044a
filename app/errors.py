"""Everything that the service refuses or fails with; each leaves as RFC 9457 problem+json.

    ServiceError
    ├── RequestError                the request itself is wrong; sending it again changes nothing
    │   ├── MalformedHttp           400 malformed_http
    │   ├── EmptyBody               400 empty_body
    │   ├── MalformedMultipart      400 malformed_multipart
    │   ├── MissingFile             400 missing_file
    │   ├── MalformedJson           400 malformed_json
    │   ├── NotFound                404 not_found
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── NotAcceptable           406 not_acceptable
    │   ├── UploadTimeout           408 upload_timeout
    │   ├── BodyTooLarge            413 body_too_large
    │   ├── TooManyImages           413 too_many_images
    │   ├── UnsupportedEncoding     415 unsupported_encoding
    │   └── InvalidParameter        422 invalid_parameter
    ├── ImageError                  the bytes are not an image that can be read
    │   ├── ImageTooLarge           413 image_too_large
    │   ├── UnsupportedFormat       415 unsupported_format
    │   └── CorruptImage            422 corrupt_image
    ├── EndpointError               the SageMaker endpoint behind a proxy; see GARMENT_BACKEND
    │   ├── EndpointTooLarge        413 endpoint_too_large
    │   ├── EndpointRefused         502 endpoint_refused
    │   └── EndpointFailed          502 endpoint_failed
    ├── Unavailable                 try again later
    │   ├── NotReady                503 not_ready
    │   ├── Overloaded              503 overloaded
    │   ├── ShuttingDown            503 shutting_down
    │   ├── EndpointThrottled       503 endpoint_throttled
    │   ├── EndpointUnavailable     503 endpoint_unavailable
    │   ├── EndpointTimeout         504 endpoint_timeout
    │   └── DeadlineExceeded        504 deadline_exceeded
    └── InternalError               500 internal_error

No web framework is imported here: `app.images` raises some of these, and training uses it too.
`app/problems.py` turns them into answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class ServiceError(Exception):
    """An error with a stable code. `detail` tells the caller what is wrong and what to do."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer that this error becomes."""
        return {}


class RequestError(ServiceError):
    """The request itself is wrong; sending it again changes nothing."""


class MalformedHttp(RequestError):
    """What arrives is no HTTP/1.1 request, or its head has more than 64 KiB."""

    code, status, title = "malformed_http", 400, "Not a request that can be read"


class EmptyBody(RequestError):
    """No image: the body or the uploaded file holds no bytes."""

    code, status, title = "empty_body", 400, "The body is empty"


class MalformedMultipart(RequestError):
    """The body is not the multipart/form-data that its Content-Type promises."""

    code, status, title = "malformed_multipart", 400, "The multipart body cannot be read"


class MissingFile(RequestError):
    """The multipart body has no file in the expected field, or has one in another."""

    code, status, title = "missing_file", 400, "A file is missing in the expected field"


class MalformedJson(RequestError):
    """The body of POST /invocations is not the JSON that its Content-Type promises."""

    code, status, title = "malformed_json", 400, "The JSON body cannot be read"


class NotFound(RequestError):
    """No such path."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(RequestError):
    """The path exists, but not for this method."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"

    def __init__(self, detail: str, allow: str = "") -> None:
        super().__init__(detail)
        self.allow = allow

    @property
    def headers(self) -> dict[str, str]:
        """The methods that the path has."""
        return {"Allow": self.allow} if self.allow else {}


class NotAcceptable(RequestError):
    """The answer is asked for in a format that there is none in."""

    code, status, title = "not_acceptable", 406, "No answer in that format"


class UploadTimeout(RequestError):
    """The body did not arrive within GARMENT_UPLOAD_SECONDS."""

    code, status, title = "upload_timeout", 408, "The upload took too long"


class BodyTooLarge(RequestError):
    """More bytes than GARMENT_MAX_BODY_BYTES (or its counterpart for a batch) allows."""

    code, status, title = "body_too_large", 413, "The body is too large"


class TooManyImages(RequestError):
    """More images than the request may hold."""

    code, status, title = "too_many_images", 413, "Too many images"


class UnsupportedEncoding(RequestError):
    """The body is compressed, by its Content-Encoding."""

    code, status, title = "unsupported_encoding", 415, "The body is encoded"

    @property
    def headers(self) -> dict[str, str]:
        """That none is taken, which RFC 9110 tells apart from a wrong Content-Type by."""
        return {"Accept-Encoding": "identity"}


class InvalidParameter(RequestError):
    """A query parameter is wrong."""

    code, status, title = "invalid_parameter", 422, "A parameter is wrong"


class ImageError(ServiceError):
    """The bytes are not an image that can be read."""


class ImageTooLarge(ImageError):
    """More pixels than GARMENT_MAX_IMAGE_PIXELS, by the image's header; nothing was decoded."""

    code, status, title = "image_too_large", 413, "The image has too many pixels"


class UnsupportedFormat(ImageError):
    """Not one of the formats that are read, whatever the name or the Content-Type says."""

    code, status, title = "unsupported_format", 415, "Not a supported image format"


class CorruptImage(ImageError):
    """Of a supported format, and truncated or damaged, or of a kind that is not read."""

    code, status, title = "corrupt_image", 422, "The image is damaged"


class EndpointError(ServiceError):
    """The SageMaker endpoint behind a proxy."""


class EndpointTooLarge(EndpointError):
    """The photo is larger than the endpoint takes, even made smaller."""

    code, status, title = "endpoint_too_large", 413, "Too large for the endpoint"


class EndpointRefused(EndpointError):
    """AWS refuses the proxy's call: its credentials, its rights or its configuration are wrong."""

    code, status, title = "endpoint_refused", 502, "AWS refuses the call"


class EndpointFailed(EndpointError):
    """The endpoint's container failed, or its answer cannot be understood."""

    code, status, title = "endpoint_failed", 502, "The endpoint failed"


class Unavailable(ServiceError):
    """Nothing is wrong with the request; try again later."""

    retry_after: int = 1
    """Seconds."""

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """When to try again."""
        return {"Retry-After": str(self.retry_after)}


class NotReady(Unavailable):
    """The model is still being loaded and checked."""

    code, status, title = "not_ready", 503, "The model is not ready yet"
    retry_after = 2


class Overloaded(Unavailable):
    """As many images, or bytes of them, are in work as GARMENT_MAX_IMAGES_IN_WORK and
    GARMENT_MAX_BYTES_IN_WORK allow.
    """

    code, status, title = "overloaded", 503, "Too many images in work"


class ShuttingDown(Unavailable):
    """The service ended before the answer was ready; new connections are refused meanwhile."""

    code, status, title = "shutting_down", 503, "The service is shutting down"
    retry_after = 5


class EndpointThrottled(Unavailable):
    """AWS or the endpoint's container takes no more calls at the moment."""

    code, status, title = "endpoint_throttled", 503, "The endpoint is throttled"
    retry_after = 2


class EndpointUnavailable(Unavailable):
    """The endpoint is not there, not in service, or cannot be reached."""

    code, status, title = "endpoint_unavailable", 503, "The endpoint is not available"
    retry_after = 5


class EndpointTimeout(Unavailable):
    """The endpoint did not answer in time."""

    code, status, title = "endpoint_timeout", 504, "No answer from the endpoint in time"


class DeadlineExceeded(Unavailable):
    """No answer within GARMENT_DEADLINE_SECONDS."""

    code, status, title = "deadline_exceeded", 504, "No answer in time"


class InternalError(ServiceError):
    """A fault of the service; its log tells more under the same request id."""

    code, status, title = "internal_error", 500, "The service failed"


def all_errors(of: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Every error class that has a code, in the order of the tree above."""
    for error in of.__subclasses__():
        if hasattr(error, "code"):
            yield error
        yield from all_errors(error)
