"""The requests that make an endpoint of an artifact, as SageMaker takes them.

Names follow from content: the same artifact, image and settings give the same names, so a second
`deploy` finds what the first has made. All begin with the endpoint's name, which is what the IAM
policies allow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VARIANT = "AllTraffic"
TAG = "garment-classifier"
Request = dict[str, Any]


@dataclass(frozen=True)
class Instances:
    """Machines that are always on."""

    kind: str
    count: int


@dataclass(frozen=True)
class Serverless:
    """Machines that come and go with the requests."""

    memory_mb: int
    concurrency: int


@dataclass(frozen=True)
class Deployment:
    """What is to be in service. `role` is an ARN, `environment` the container's."""

    endpoint: str
    version: str
    sha256: str
    model_url: str
    image: str
    role: str
    environment: Mapping[str, str]
    hardware: Instances | Serverless

    @property
    def model_name(self) -> str:
        """Name of SageMaker's model."""
        return self._name([self.sha256, self.model_url, self.image, self.role, self.environment])

    @property
    def config_name(self) -> str:
        """Name of the endpoint config."""
        return self._name([self.model_name, vars(self.hardware)])

    def _name(self, content: object) -> str:
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=dict).encode())
        version = re.sub("[^a-z0-9]+", "-", self.version.lower())[:12].strip("-")
        return f"{self.endpoint}-{version}-{digest.hexdigest()[:8]}"


def tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags of this project: `garment-classifier:NAME`."""
    return [{"Key": f"{TAG}:{name}", "Value": value} for name, value in values.items()]


def create_model(deployment: Deployment) -> Request:
    """Of `CreateModel`. SageMaker starts the image with the argument `serve`."""
    return {
        "ModelName": deployment.model_name,
        "ExecutionRoleArn": deployment.role,
        "PrimaryContainer": {
            "Image": deployment.image,
            "ModelDataUrl": deployment.model_url,
            "Environment": dict(deployment.environment),
        },
        "Tags": _about(deployment),
    }


def create_endpoint_config(deployment: Deployment, before: str | None) -> Request:
    """Of `CreateEndpointConfig`; `before` is the config in service until now, for `rollback`."""
    hardware = deployment.hardware
    variant: Request = {"VariantName": VARIANT, "ModelName": deployment.model_name}
    if isinstance(hardware, Serverless):
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": hardware.memory_mb,
            "MaxConcurrency": hardware.concurrency,
        }
    else:
        variant |= {
            "InstanceType": hardware.kind,
            "InitialInstanceCount": hardware.count,
            "InitialVariantWeight": 1.0,
        }
    return {
        "EndpointConfigName": deployment.config_name,
        "ProductionVariants": [variant],
        "Tags": [*_about(deployment), *(tags({"before": before}) if before else [])],
    }


def create_endpoint(endpoint: str, config: str) -> Request:
    """Of `CreateEndpoint`."""
    return {
        "EndpointName": endpoint,
        "EndpointConfigName": config,
        "Tags": tags({"endpoint": endpoint}),
    }


def _about(deployment: Deployment) -> list[dict[str, str]]:
    return tags(
        {
            "endpoint": deployment.endpoint,
            "version": deployment.version,
            "sha256": deployment.sha256,
        }
    )
