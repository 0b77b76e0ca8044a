"""What is known of an endpoint: its state, config, models, tags and alarms. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.guardrails import scaling_target
from training.cloud.endpoint.requests import TAG
from training.errors import CloudError

BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
"""What an endpoint's status is while something is going on."""


@dataclass(frozen=True)
class Config:
    """An endpoint config that `deploy` has made, with this project's tags on it."""

    name: str
    arn: str
    models: list[str]
    tags: dict[str, str]


def find_endpoint(calls: Calls, endpoint: str) -> dict[str, Any] | None:
    """What `DescribeEndpoint` says; None where there is no such endpoint."""
    return calls.find(
        "sagemaker",
        "DescribeEndpoint",
        {"EndpointName": endpoint},
        f"looking at the endpoint {endpoint}",
    )


def existing_endpoint(calls: Calls, endpoint: str) -> dict[str, Any]:
    """What `DescribeEndpoint` says.

    Raises:
        CloudError: there is no such endpoint.
    """
    found = find_endpoint(calls, endpoint)
    if found is None:
        raise CloudError(
            f"there is no endpoint {endpoint} in this account and region; check the name and "
            "AWS_REGION, or make it: python -m training cloud deploy"
        )
    return found


def find_config(calls: Calls, name: str) -> dict[str, Any] | None:
    """What `DescribeEndpointConfig` says; None where there is no such config."""
    return calls.find(
        "sagemaker",
        "DescribeEndpointConfig",
        {"EndpointConfigName": name},
        f"looking at the endpoint config {name}",
    )


def find_model(calls: Calls, name: str) -> dict[str, Any] | None:
    """What `DescribeModel` says; None where there is no such model."""
    return calls.find(
        "sagemaker", "DescribeModel", {"ModelName": name}, f"looking at the model {name}"
    )


def models_of(config: Mapping[str, Any]) -> list[str]:
    """The models that a config puts into service."""
    names = [variant.get("ModelName") for variant in config["ProductionVariants"]]
    return [str(name) for name in names if name]


def model_in_service(calls: Calls, endpoint: str) -> str:
    """The model that the endpoint answers with; `MODEL` where a dry run cannot ask.

    Raises:
        CloudError: there is no such endpoint, or its config is gone.
    """
    found = find_endpoint(calls, endpoint)
    if calls.offline:
        return "MODEL"
    found = found or existing_endpoint(calls, endpoint)
    config = find_config(calls, found["EndpointConfigName"])
    if config is None:
        raise CloudError(f"the config of {endpoint} is gone; name its model with --model-name")
    return models_of(config)[0]


def tags_of(calls: Calls, arn: str) -> dict[str, str]:
    """This project's tags on a resource, without their prefix."""
    found = calls.find("sagemaker", "ListTags", {"ResourceArn": arn}, f"reading the tags of {arn}")
    listed = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags", [])}
    prefix = f"{TAG}:"
    return {key[len(prefix) :]: listed[key] for key in listed if key.startswith(prefix)}


def config_noted_before(calls: Calls, config: str) -> str | None:
    """The config that `deploy` has noted, in a tag, as the one in service before this one."""
    found = find_config(calls, config)
    return tags_of(calls, found["EndpointConfigArn"]).get("before") if found else None


def configs_of(calls: Calls, endpoint: str) -> Iterator[Config]:
    """The configs that `deploy` has made for the endpoint, the newest first."""
    order = {"NameContains": endpoint, "SortBy": "CreationTime", "SortOrder": "Descending"}
    for page in calls.pages("sagemaker", "ListEndpointConfigs", order, "listing endpoint configs"):
        for summary in page["EndpointConfigs"]:
            name, arn = summary["EndpointConfigName"], summary["EndpointConfigArn"]
            if not name.startswith(f"{endpoint}-"):
                continue
            found, tags = find_config(calls, name), tags_of(calls, arn)
            if found and tags.get("endpoint") == endpoint:
                yield Config(name, arn, models_of(found), tags)


def model_names(calls: Calls, endpoint: str) -> list[str]:
    """The models that `deploy` has made for the endpoint."""
    pages = calls.pages("sagemaker", "ListModels", {"NameContains": endpoint}, "listing models")
    listed = [model for page in pages for model in page["Models"]]
    mine = [model for model in listed if model["ModelName"].startswith(f"{endpoint}-")]
    return [
        str(model["ModelName"])
        for model in mine
        if tags_of(calls, model["ModelArn"]).get("endpoint") == endpoint
    ]


def scaling_of(calls: Calls, endpoint: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """The scalable target and its policies; None where the endpoint does not scale by itself."""
    doing, target = "looking at the scaling", scaling_target(endpoint)
    one = {**target, "ResourceIds": [target["ResourceId"]]}
    del one["ResourceId"]
    found = calls.find("application-autoscaling", "DescribeScalableTargets", one, doing)
    if not found or not found["ScalableTargets"]:
        return None
    said = calls.find("application-autoscaling", "DescribeScalingPolicies", target, doing)
    return found["ScalableTargets"][0], (said or {}).get("ScalingPolicies", [])
