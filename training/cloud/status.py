"""Tell what an endpoint does: status, machines, model, last update, alarms, scaling and costs.

Nothing is changed. The exit status is 0 when it is in service, and 1 when it is not (yet).

    python -m training cloud status garments
"""

from __future__ import annotations

import argparse
from typing import Any

from training.aws import show_request
from training.cloud.calls import Calls
from training.cloud.endpoint.alarms import alarm_names, find_alarms
from training.cloud.endpoint.arguments import add_dry_run, add_endpoint
from training.cloud.endpoint.costs import hourly_costs
from training.cloud.endpoint.guardrails import scaling_target
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.endpoint.scaling import SERVICE, told
from training.cloud.endpoint.state import (
    existing_endpoint,
    find_config,
    find_model,
    models_of,
    scaling_of,
    tags_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_endpoint(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one endpoint's status."""
    endpoint = arguments.endpoint
    if arguments.dry_run:
        _show(endpoint)
        return 0
    calls = Calls()
    found = existing_endpoint(calls, endpoint)
    config = find_config(calls, found["EndpointConfigName"]) or {"ProductionVariants": []}
    kinds = {one["VariantName"]: one for one in config["ProductionVariants"]}
    lines = [("endpoint", f"{endpoint}, {found['EndpointStatus']}, {_when(found)}")]
    lines += [("trouble", found["FailureReason"])] if found.get("FailureReason") else []
    if pending := found.get("PendingDeploymentSummary"):
        lines.append(("coming", pending["EndpointConfigName"]))
    lines.append(("config", found["EndpointConfigName"]))
    tags = tags_of(calls, config["EndpointConfigArn"]) if "EndpointConfigArn" in config else {}
    lines.append(("before it", tags.get("before", "none that is known; see rollback --to")))
    lines += [("model", line) for name in models_of(config) for line in _model(calls, name)]
    variants = found.get("ProductionVariants", [])
    lines += [("machines", _machines(one, kinds.get(one["VariantName"], {}))) for one in variants]
    lines.append(("last update", _update(found.get("LastDeploymentConfig"))))
    alarms = find_alarms(calls, endpoint)
    states = [f"{name} {alarm['StateValue']}" for name, alarm in alarms.items()]
    lines.append(("alarms", ", ".join(states) or "none"))
    lines.append(("scaling", told(scaling_of(calls, endpoint))))
    lines += [("costs", _costs(calls, one, kinds.get(one["VariantName"], {}))) for one in variants]
    for name, text in lines:
        print(f"{name:<13}{text}")
    return 0 if found["EndpointStatus"] == "InService" else 1


def _when(found: dict[str, Any]) -> str:
    return f"last changed {found['LastModifiedTime']:%Y-%m-%d %H:%M %Z}"


def _model(calls: Calls, name: str) -> list[str]:
    model = find_model(calls, name)
    if model is None:
        return [f"{name}, which is gone: new machines cannot start"]
    tags, container = tags_of(calls, model["ModelArn"]), model.get("PrimaryContainer", {})
    version, sha256 = (tags.get(key, "unknown") for key in ("version", "sha256"))
    return [
        f"{name}: version {version}, SHA-256 {sha256}",
        f"{container.get('ModelDataUrl')} in {container.get('Image')}",
    ]


def _machines(variant: dict[str, Any], configured: dict[str, Any]) -> str:
    name = variant["VariantName"]
    if serverless := variant.get("CurrentServerlessConfig"):
        memory, most = serverless["MemorySizeInMB"], serverless["MaxConcurrency"]
        return f"{name}: serverless, {memory} MB, {most} requests at once"
    current, desired = variant.get("CurrentInstanceCount"), variant.get("DesiredInstanceCount")
    kind = configured.get("InstanceType", "unknown")
    weight = variant.get("CurrentWeight", 1.0)
    return f"{name}: {current} of {desired} {kind}, weight {weight:g}"


def _update(deployment: dict[str, Any] | None) -> str:
    if not deployment:
        return "none yet, or one without guards"
    policy = deployment.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    size = routing.get("CanarySize", {}).get("Value")
    how = f"canary of {size}" if size else str(routing.get("Type", "rolling")).lower()
    watched = deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    names = ", ".join(one["AlarmName"] for one in watched) or "no alarms"
    return f"{how}, {routing.get('WaitIntervalInSeconds', 0) / 60:g} minutes, under {names}"


def _costs(calls: Calls, variant: dict[str, Any], configured: dict[str, Any]) -> str:
    if "CurrentServerlessConfig" in variant:
        serverless = variant["CurrentServerlessConfig"]
        return hourly_costs(
            calls, Serverless(serverless["MemorySizeInMB"], serverless["MaxConcurrency"])
        )
    if "InstanceType" not in configured:
        return "by the hour, as long as it is there; the config that tells the machines is gone"
    machines = Instances(configured["InstanceType"], variant.get("CurrentInstanceCount", 0))
    return f"{hourly_costs(calls, machines)}; used or not"


def _show(endpoint: str) -> None:
    target = scaling_target(endpoint)
    several = {name: target[name] for name in target if name != "ResourceId"}
    for service, operation, parameters in (
        ("sagemaker", "DescribeEndpoint", {"EndpointName": endpoint}),
        ("cloudwatch", "DescribeAlarms", {"AlarmNames": alarm_names(endpoint)}),
        (SERVICE, "DescribeScalableTargets", {**several, "ResourceIds": [target["ResourceId"]]}),
        (SERVICE, "DescribeScalingPolicies", target),
    ):
        show_request(service, operation, parameters)
    print("and then, for what these name: sagemaker DescribeEndpointConfig, DescribeModel and")
    print("ListTags, and pricing GetProducts")
