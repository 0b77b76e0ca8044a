"""The canary of an endpoint's update, and its scaling with the load, as AWS takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.cloud.endpoint.requests import VARIANT, Request

NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"


@dataclass(frozen=True)
class Canary:
    """How traffic moves to the new machines of an update."""

    percent: int = 10
    """Share of the machines that get traffic first; AWS takes up to 50."""
    wait_seconds: int = 300
    """How long the alarms watch these, before the rest follows."""

    def machines(self, instances: int) -> int:
        """How many of the machines get traffic first; all of them where there is one."""
        return max(1, instances * self.percent // 100)


@dataclass(frozen=True)
class Scaling:
    """How many machines there may be, and how many requests a minute each should get."""

    least: int
    most: int
    invocations: float


def update_endpoint(
    endpoint: str,
    config: str,
    *,
    instances: int | None,
    canary: Canary | None,
    alarms: Sequence[str],
    keep_count: bool,
) -> Request:
    """Of `UpdateEndpoint`: blue/green, by a canary where there are machines enough.

    Args:
        endpoint: its name.
        config: that is to be in service.
        instances: how many machines there will be; None for serverless, which AWS updates by
            itself and without these guards.
        canary: None moves all traffic at once.
        alarms: that bring the old machines back when they go off.
        keep_count: keep the number of machines that scaling has set.
    """
    request: Request = {
        "EndpointName": endpoint,
        "EndpointConfigName": config,
        "RetainAllVariantProperties": keep_count,
    }
    if instances is None:
        return request
    routing: Request = {"Type": "ALL_AT_ONCE"}
    # A canary is half of the machines at most, so a single one cannot be.
    if canary and instances > 1:
        size = {"Type": "INSTANCE_COUNT", "Value": canary.machines(instances)}
        routing = {"Type": "CANARY", "CanarySize": size}
    wait = canary.wait_seconds if canary else 0
    request["DeploymentConfig"] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {**routing, "WaitIntervalInSeconds": wait},
            # The old machines stay for as long again, so that going back is quick.
            "TerminationWaitInSeconds": wait,
        }
    }
    if alarms:
        watched = [{"AlarmName": name} for name in alarms]
        request["DeploymentConfig"]["AutoRollbackConfiguration"] = {"Alarms": watched}
    return request


def scaling_target(endpoint: str) -> Request:
    """What Application Auto Scaling calls the endpoint's machines."""
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": DIMENSION,
    }


def register_scaling(endpoint: str, scaling: Scaling) -> Request:
    """Of `RegisterScalableTarget`."""
    bounds = {"MinCapacity": scaling.least, "MaxCapacity": scaling.most}
    return {**scaling_target(endpoint), **bounds}


def put_scaling_policy(endpoint: str, scaling: Scaling) -> Request:
    """Of `PutScalingPolicy`: as many machines as keep each at `invocations` a minute."""
    return {
        **scaling_target(endpoint),
        "PolicyName": f"{endpoint}-invocations",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": scaling.invocations,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    }
