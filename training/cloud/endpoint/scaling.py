"""Scaling an endpoint with its load, by Application Auto Scaling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.guardrails import (
    Scaling,
    put_scaling_policy,
    register_scaling,
    scaling_target,
)
from training.cloud.endpoint.requests import Instances, Serverless, tags
from training.cloud.endpoint.state import BUSY, find_config, find_endpoint, scaling_of, tags_of
from training.errors import CloudError

SERVICE = "application-autoscaling"
TAKEN_OFF = "scaling"
"""The tag on an endpoint that tells how it scaled before an update took that off."""


def keeps_scaling(calls: Calls, found: dict[str, Any], hardware: Instances | Serverless) -> bool:
    """Whether the endpoint scales, and may go on with that while it is updated."""
    return scaling_of(calls, found["EndpointName"]) is not None and _is_of_its_kind(
        calls, found, hardware
    )


def check_scaling(
    calls: Calls, found: dict[str, Any], hardware: Instances | Serverless, wanted: Scaling | None
) -> None:
    """Make sure that it is known how the endpoint shall scale after the update.

    Raises:
        CloudError: the scaling has to come off, and `wanted` does not say what to put there.
    """
    endpoint = found["EndpointName"]
    comes_off = scaling_of(calls, endpoint) and not _is_of_its_kind(calls, found, hardware)
    if comes_off and isinstance(hardware, Instances) and wanted is None:
        raise CloudError(
            f"{endpoint} scales with the load, and has to stop that while it moves from "
            f"{_kind(calls, found)} to {hardware.kind}: say how it shall scale there, with "
            "--max-instances and --invocations"
        )


def clear_scaling(calls: Calls, found: dict[str, Any], hardware: Instances | Serverless) -> bool:
    """Take scaling off where the update would fail for it; whether it is still on.

    AWS updates no endpoint that scales to another kind of machine. How it scaled is noted in a tag
    on the endpoint, so that it is not lost when the update, or this program, ends too soon.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
    """
    endpoint = found["EndpointName"]
    if scaling_of(calls, endpoint) is None:
        return False
    if _is_of_its_kind(calls, found, hardware):
        return True
    if before := scaling_now(calls, endpoint):
        _note(calls, found, f"{before.least}:{before.most}:{before.invocations:g}")
    remove_scaling(calls, endpoint)
    return False


def scaling_taken_off(calls: Calls, found: dict[str, Any]) -> Scaling | None:
    """How the endpoint scaled before `clear_scaling`, where it has not been set since."""
    noted = tags_of(calls, found["EndpointArn"]).get(TAKEN_OFF)
    if not noted or scaling_of(calls, found["EndpointName"]) is not None:
        return None
    least, most, invocations = noted.split(":")
    return Scaling(int(least), int(most), float(invocations))


@contextlib.contextmanager
def scaling_put_back(calls: Calls, endpoint: str) -> Iterator[None]:
    """Where what is done inside fails, and the endpoint is back in service: set its old scaling."""
    try:
        yield
    except CloudError:
        try:
            found = find_endpoint(calls, endpoint)
            if found and found["EndpointStatus"] not in BUSY:
                set_scaling(calls, endpoint, scaling_taken_off(calls, found))
        except CloudError as error:
            print(f"its scaling was not looked at: {error}")
        raise


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
        described = find_endpoint(calls, endpoint)
        if described and TAKEN_OFF in tags_of(calls, described["EndpointArn"]):
            _note(calls, described, "")


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


def _note(calls: Calls, found: dict[str, Any], scaling: str) -> None:
    request = {"ResourceArn": found["EndpointArn"], "Tags": tags({TAKEN_OFF: scaling})}
    calls.change("sagemaker", "AddTags", request, f"tagging {found['EndpointName']}")


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
