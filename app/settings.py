"""Every setting of the service: an environment variable with the prefix GARMENT_."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "GARMENT_"
BUNDLED_MODEL = Path(__file__).parent / "bundled" / "model.pt"
MIB = 1024 * 1024
_BIND_TO_PORT = "SAGEMAKER_BIND_TO_PORT"


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "garment-classifier"


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message is one line."""


class Settings(BaseSettings):
    """Settings with their defaults and bounds; `python -m app --help` prints them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every one.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 for a free one.")
    backend: Literal["local", "sagemaker"] = Field(
        "local", description="What answers: a model in this process, or a SageMaker endpoint."
    )
    model: str = Field(
        str(BUNDLED_MODEL),
        min_length=1,
        description="The artifact: a path, s3://BUCKET/.../model.pt, s3://BUCKET/.../model.tar.gz "
        "or s3://BUCKET/.../latest.json.",
    )
    cache: Path = Field(
        default_factory=_default_cache, description="Folder for artifacts fetched from S3."
    )
    reload_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="How often to look whether GARMENT_MODEL names another artifact, and to take "
        "it; 0: never.",
    )
    engine: Literal["auto", "torchscript", "openvino"] = Field(
        "auto", description="What runs the network; auto: OpenVINO where it is installed."
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto", description="What the network computes in; auto: the fastest that answers right."
    )
    processes: int = Field(
        0,
        ge=0,
        le=64,
        description="Processes that decode and infer, this one among them; 0: as many as cores, at "
        "most 4, and with a GiB of memory for each.",
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Threads of all inferences; 0: the cores available."
    )
    decode_threads: int = Field(
        0, ge=0, le=64, description="Threads that decode images; 0: the cores available, at most 4."
    )
    batch_size: int = Field(
        8, ge=1, le=256, description="Images of different requests inferred together, at most."
    )
    max_body_bytes: int = Field(
        10 * MIB, ge=1024, le=1024 * MIB, description="Largest body of POST /predict, in bytes."
    )
    max_batch_body_bytes: int = Field(
        50 * MIB,
        ge=1024,
        le=4096 * MIB,
        description="Largest body of POST /predict/batch, in bytes.",
    )
    max_batch_images: int = Field(
        32, ge=1, le=1000, description="Images in one POST /predict/batch, at most."
    )
    max_image_pixels: int = Field(
        8192 * 6144,
        ge=1024,
        le=178_000_000,
        description="Largest image, in pixels (width x height); a phone's 50 MP photo passes.",
    )
    min_image_edge: int = Field(
        28, ge=1, le=1024, description="Images with a shorter edge (pixels) get too_small."
    )
    max_images_in_work: int = Field(
        128,
        ge=1,
        le=10_000,
        description="Images accepted and not yet answered; beyond it, 503. "
        "Explaining one counts as 30 more.",
    )
    max_bytes_in_work: int = Field(
        0,
        ge=0,
        description="Bytes of bodies accepted and not yet answered; beyond it, 503. "
        "0: a quarter of the memory available.",
    )
    upload_seconds: float = Field(
        30, gt=0, le=3600, description="How long a body may take to arrive."
    )
    deadline_seconds: float = Field(
        10, gt=0, le=3600, description="How long the answer may take once the body is there."
    )
    drain_seconds: int = Field(
        20, ge=1, le=3600, description="On SIGTERM, how long accepted requests may take to finish."
    )
    endpoint_name: str = Field(
        "", max_length=63, description="The SageMaker endpoint to call, as a proxy."
    )
    endpoint_connections: int = Field(
        16, ge=1, le=256, description="Calls of the endpoint at the same time, at most."
    )
    endpoint_attempts: int = Field(
        3, ge=1, le=10, description="How often a call is tried that is throttled or meets a 5xx."
    )
    endpoint_failures: int = Field(
        5, ge=1, le=1000, description="After so many failures in a row, the endpoint is left alone."
    )
    endpoint_pause_seconds: float = Field(
        10, gt=0, le=600, description="How long, before one call tries whether it works again."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="One JSON object per line, or text; auto: text on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )

    @field_validator("model", "cache")
    @classmethod
    def _has_a_home(cls, path: str | Path) -> str | Path:
        try:
            Path(path).expanduser()
        except RuntimeError as error:
            raise ValueError("the home it begins with is not known; write it whole") from error
        return path

    @model_validator(mode="after")
    def _has_an_endpoint(self) -> Settings:
        if self.backend == "sagemaker" and not self.endpoint_name:
            raise ValueError(
                f"{PREFIX}BACKEND is sagemaker, so {PREFIX}ENDPOINT_NAME has to name the endpoint"
            )
        return self

    @model_validator(mode="after")
    def _batch_fits(self) -> Settings:
        if self.max_batch_images > self.max_images_in_work:
            raise ValueError(
                f"{PREFIX}MAX_BATCH_IMAGES ({self.max_batch_images}) is above "
                f"{PREFIX}MAX_IMAGES_IN_WORK ({self.max_images_in_work}): a full batch could "
                "never be accepted"
            )
        if 0 < self.max_bytes_in_work < self.largest_body_bytes:
            alone = self.max_body_bytes == self.largest_body_bytes
            raise ValueError(
                f"{PREFIX}MAX_BYTES_IN_WORK ({self.max_bytes_in_work}) is below "
                f"{PREFIX}MAX_{'' if alone else 'BATCH_'}BODY_BYTES ({self.largest_body_bytes}): "
                "the largest body could never be accepted"
            )
        return self

    @property
    def largest_body_bytes(self) -> int:
        """Of any request's body, in bytes."""
        return max(self.max_body_bytes, self.max_batch_body_bytes)


def endpoint_defaults(environment: Mapping[str, str]) -> dict[str, str | int]:
    """What is otherwise by default in the container of a SageMaker endpoint.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """
    return {
        "host": "0.0.0.0",  # noqa: S104  # the container's network is SageMaker's
        "port": environment.get(_BIND_TO_PORT, "8080"),
        "model": "/opt/ml/model",
        "drain_seconds": 25,  # SIGKILL comes 30 seconds after SIGTERM
        "log_format": "json",
    }


def load_settings(defaults: Mapping[str, str | int] | None = None) -> Settings:
    """The settings of this environment.

    Args:
        defaults: in place of the settings' own.

    Raises:
        SettingsError: a variable cannot be used; names the first, and what it should be.
    """
    given = {name for name in Settings.model_fields if os.environ.get(PREFIX + name.upper())}
    values = {name: value for name, value in (defaults or {}).items() if name not in given}
    try:
        return Settings(**values)  # type: ignore[arg-type]  # they are checked here
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise SettingsError(str(first["ctx"]["error"])) from error
        name = str(first["loc"][0])
        bound = name == "port" and name in values
        variable = _BIND_TO_PORT if bound else PREFIX + name.upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{variable}={first['input']}: {reason}") from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with the prefix that are no setting: a typing error, most likely."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def describe_settings() -> str:
    """One paragraph for each variable: its name, default, bounds and meaning."""
    lines = []
    for name, field in Settings.model_fields.items():
        bounds = [f"at least {m.ge}" for m in field.metadata if isinstance(m, Ge)]
        bounds += [f"above {m.gt}" for m in field.metadata if isinstance(m, Gt)]
        bounds += [f"at most {m.le}" for m in field.metadata if isinstance(m, Le)]
        choices = getattr(field.annotation, "__args__", ())
        limits = " or ".join(str(c) for c in choices) if choices else ", ".join(bounds)
        default = field.get_default(call_default_factory=True)
        lines.append(f"  {PREFIX}{name.upper()}={default}" + (f"  ({limits})" if limits else ""))
        lines.append(f"      {field.description}")
    return "\n".join(lines)
