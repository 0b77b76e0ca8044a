"""Whether the alarms can see the canary of an update fail: asked before anything is changed."""

from __future__ import annotations

from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.guardrails import Canary
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.endpoint.scaling import keeps_scaling


def machines_after(found: dict[str, Any], instances: int | None, *, keep_count: bool) -> int | None:
    """How many machines an update leads to; None for serverless.

    Args:
        found: the endpoint.
        instances: as its new config says.
        keep_count: keep the number of machines that scaling has set.
    """
    if instances is None or not keep_count:
        return instances
    variants = found.get("ProductionVariants") or [{}]
    return int(variants[0].get("DesiredInstanceCount", instances))


def unseen_failure(
    calls: Calls,
    found: dict[str, Any],
    hardware: Instances | Serverless,
    canary: Canary | None,
    error_share: float,
) -> str | None:
    """Why a canary could fail at every request, and no alarm for errors go off; None if it would.

    Args:
        calls: to AWS.
        found: the endpoint.
        hardware: what the update is to.
        canary: how traffic moves there.
        error_share: of the endpoint's requests, old machines' and new ones', above which the alarm
            goes off.
    """
    if canary is None or isinstance(hardware, Serverless):
        return None
    keep_count = keeps_scaling(calls, found, hardware)
    instances = machines_after(found, hardware.count, keep_count=keep_count)
    if instances is None or instances == 1:  # which gets all traffic
        return None
    size = canary.machines(instances)
    if size / instances > error_share:
        return None
    return (
        f"with --canary-percent {canary.percent}, the canary is {size} of {instances} machines and "
        f"gets {size / instances:.1%} of the requests; the alarm goes off when more than "
        f"{error_share:.1%} fail, so it would not see the canary fail"
    )
