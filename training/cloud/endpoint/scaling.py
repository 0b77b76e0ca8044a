"""Scaling an endpoint with its load, by Application Auto Scaling."""

from __future__ import annotations

from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.guardrails import (
    Scaling,
    put_scaling_policy,
    register_scaling,
    scaling_target,
)
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.endpoint.state import find_config, scaling_of
from training.errors import CloudError

SERVICE = "application-autoscaling"


def keeps_scaling(calls: Calls, found: dict[str, Any], hardware: Instances | Serverless) -> bool:
    """Whether the endpoint scales, and may go on with that while it is updated."""
    return scaling_of(calls, found["EndpointName"]) is not None and _is_of_its_kind(
        calls, found, hardware
    )


def clear_scaling(
    calls: Calls, found: dict[str, Any], hardware: Instances | Serverless, wanted: Scaling | None
) -> bool:
    """Take scaling off where the update would fail for it; whether it is still on.

    AWS updates no endpoint that scales to another kind of machine.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html

    Raises:
        CloudError: it has to come off, and `wanted` does not say what to put there afterwards.
    """
    endpoint = found["EndpointName"]
    if scaling_of(calls, endpoint) is None:
        return False
    if _is_of_its_kind(calls, found, hardware):
        return True
    if isinstance(hardware, Instances) and wanted is None:
        raise CloudError(
            f"{endpoint} scales with the load, and has to stop that while it moves from "
            f"{_kind(calls, found)} to {hardware.kind}: say how it shall scale there, with "
            "--max-instances and --invocations"
        )
    remove_scaling(calls, endpoint)
    return False


def remove_scaling(calls: Calls, endpoint: str) -> bool:
    """Deregister the endpoint's machines, and the policy with them; whether there was any."""
    target = scaling_target(endpoint)
    return calls.change(SERVICE, "DeregisterScalableTarget", target, "taking off the scaling")


def question_of_scaling(calls: Calls, endpoint: str, wanted: Scaling | None) -> str | None:
    """What to ask before `set_scaling`, which may cost money; None where it changes nothing."""
    if wanted is None or told(scaling_of(calls, endpoint)) == told_of(wanted):
        return None
    return f"Scale {endpoint} with the load: {told_of(wanted)}?"


def set_scaling(calls: Calls, endpoint: str, wanted: Scaling | None) -> None:
    """Have the endpoint scale as `wanted`; None leaves it as it is."""
    found = scaling_of(calls, endpoint)
    if wanted is None or told(found) == told_of(wanted):
        print(f"scaling: {told(found)}")
        return
    for operation, request in (
        ("RegisterScalableTarget", register_scaling(endpoint, wanted)),
        ("PutScalingPolicy", put_scaling_policy(endpoint, wanted)),
    ):
        calls.change(SERVICE, operation, request, f"setting the scaling of {endpoint}")
    if not calls.dry_run:
        print(f"scaling: {told_of(wanted)}")


def scaling_now(calls: Calls, endpoint: str) -> Scaling | None:
    """How the endpoint scales; None where it does not, or by another policy than `deploy`'s."""
    found = scaling_of(calls, endpoint)
    if found is None or _target_value(found[1]) is None:
        return None
    target, policies = found
    return Scaling(target["MinCapacity"], target["MaxCapacity"], _target_value(policies) or 0.0)


def most_machines(calls: Calls, endpoint: str, wanted: Scaling | None) -> int | None:
    """How many machines there may be; None where their number is fixed."""
    if wanted is not None:
        return wanted.most
    found = scaling_of(calls, endpoint)
    return int(found[0]["MaxCapacity"]) if found else None


def _is_of_its_kind(calls: Calls, found: dict[str, Any], hardware: Instances | Serverless) -> bool:
    """Whether the endpoint has such machines already, so that an update leaves its scaling on."""
    return isinstance(hardware, Instances) and hardware.kind == _kind(calls, found)


def _kind(calls: Calls, found: dict[str, Any]) -> Any:
    """Of machine that the endpoint has; None where its config is gone, or it is serverless."""
    config = find_config(calls, found["EndpointConfigName"]) or {"ProductionVariants": [{}]}
    return config["ProductionVariants"][0].get("InstanceType")


def _target_value(policies: list[dict[str, Any]]) -> float | None:
    tracking = [one.get("TargetTrackingScalingPolicyConfiguration") for one in policies]
    return next((float(one["TargetValue"]) for one in tracking if one), None)


def told_of(wanted: Scaling) -> str:
    """The scaling in words."""
    least, most, invocations = wanted.least, wanted.most, wanted.invocations
    return f"{least} to {most} machines, {invocations:g} requests a minute for each"


def told(found: tuple[dict[str, Any], list[dict[str, Any]]] | None) -> str:
    """What `scaling_of` has found, in the same words."""
    if found is None:
        return "none, the number of machines is fixed"
    target, policies = found
    value = _target_value(policies)
    least, most = target["MinCapacity"], target["MaxCapacity"]
    if value is None:
        return f"{least} to {most} machines, by no policy of these commands"
    return told_of(Scaling(least, most, value))
