"""Putting a config into service: create or update the endpoint, wait, and tell how it ended."""

from __future__ import annotations

from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.alarms import alarm_names, find_alarms
from training.cloud.endpoint.canary import machines_after
from training.cloud.endpoint.guardrails import Canary, update_endpoint
from training.cloud.endpoint.requests import Instances, Serverless, create_endpoint, tags
from training.cloud.endpoint.state import (
    BUSY,
    existing_endpoint,
    find_config,
)
from training.cloud.waiting import wait_until_done
from training.errors import CloudError


def is_needed(found: dict[str, Any] | None, config: str) -> bool:
    """Whether the endpoint has to be asked for `config`, or has it in service, or soon will have.

    Raises:
        CloudError: it is in a state that has to be put right, or to be waited for, first.
    """
    if found is None:
        return True
    check_healthy(found)
    endpoint, status, current = (
        found["EndpointName"],
        found["EndpointStatus"],
        found["EndpointConfigName"],
    )
    if status == "Deleting":
        raise CloudError(
            f"{endpoint} is being deleted; run this again when it is gone: python -m training "
            f"cloud status {endpoint}"
        )
    coming = found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", current)
    if status in BUSY and coming != config:
        raise CloudError(
            f"{endpoint} is {status}, to {coming}; AWS takes one change at a time. Run this again "
            f"when that is over: python -m training cloud status {endpoint}"
        )
    if coming == config:
        print(f"{endpoint} is {status} with {config} already")
    return bool(coming != config)


def check_kind(
    calls: Calls, found: dict[str, Any], hardware: Instances | Serverless, or_else: str = ""
) -> None:
    """Make sure that AWS updates the endpoint to this hardware.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-update.html

    Args:
        calls: to AWS.
        found: the endpoint.
        hardware: what the update is to.
        or_else: what else there is to do than to begin anew.

    Raises:
        CloudError: it does not.
    """
    endpoint = found["EndpointName"]
    # Where the config is gone, the endpoint itself tells it, by another name.
    variants = (find_config(calls, found["EndpointConfigName"]) or found)["ProductionVariants"]
    names = {"ServerlessConfig", "CurrentServerlessConfig"}
    if isinstance(hardware, Serverless) and any(names.isdisjoint(one) for one in variants):
        raise CloudError(
            f"{endpoint} has machines, and AWS turns no endpoint of machines into a serverless "
            f"one: delete it (python -m training cloud delete {endpoint}) and deploy again, or "
            f"deploy under another name{or_else}"
        )


def create(calls: Calls, endpoint: str, config: str) -> None:
    """Ask for a new endpoint."""
    request = create_endpoint(endpoint, config)
    calls.change("sagemaker", "CreateEndpoint", request, f"creating the endpoint {endpoint}")


def update(
    calls: Calls,
    found: dict[str, Any],
    config: str,
    *,
    instances: int | None,
    canary: Canary | None,
    keep_count: bool,
) -> None:
    """Ask for an update; see `guardrails.update_endpoint`.

    Alarms that are on already are left out: they would undo any update at once, also the one that
    puts things right.
    """
    endpoint = found["EndpointName"]
    instances = machines_after(found, instances, keep_count=keep_count)
    states = {name: alarm["StateValue"] for name, alarm in find_alarms(calls, endpoint).items()}
    # In a dry run they may not be there yet.
    names = alarm_names(endpoint) if calls.dry_run else list(states)
    guards = [name for name in names if states.get(name) != "ALARM"]
    if canary and instances is not None:
        for name in sorted(set(names) - set(guards)):
            print(f"the alarm {name} is on already, so it cannot guard this update")
        if instances == 1:
            print("one machine is too few for a canary: all traffic moves at once, under alarms")
    request = update_endpoint(
        endpoint,
        config,
        instances=instances,
        canary=canary,
        alarms=guards if canary else [],
        keep_count=keep_count,
    )
    calls.change("sagemaker", "UpdateEndpoint", request, f"updating the endpoint {endpoint}")


def remember_before(calls: Calls, config: str, before: str) -> None:
    """Tag a config that was in service once with the one that it takes over from now."""
    found = find_config(calls, config)
    if found is not None and before != config:
        request = {"ResourceArn": found["EndpointConfigArn"], "Tags": tags({"before": before})}
        calls.change("sagemaker", "AddTags", request, f"tagging {config}")


def wait_for_service(calls: Calls, endpoint: str, config: str, timeout: float, again: str) -> None:
    """Wait until `config` is in service.

    Args:
        calls: to AWS.
        endpoint: its name.
        config: that is to be in service.
        timeout: in seconds.
        again: the command that does what is left, when the waiting ends too soon.

    Raises:
        CloudError: it is not, with the reason and what to do.
    """

    def look() -> tuple[bool, str]:
        found = existing_endpoint(calls, endpoint)
        status = found["EndpointStatus"]
        stage = found.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        stages = {part["Status"] for one in stage for part in one.get("VariantStatus", [])}
        told = f" ({', '.join(sorted(stages))})" if stages else ""
        return status not in BUSY, f"{endpoint}: {status}{told}"

    then = (
        f"Follow it with: python -m training cloud status {endpoint}. Then do what is left, which "
        f"is to set the scaling and to check the answers, with {again}"
    )
    wait_until_done(look, timeout, then)
    found = existing_endpoint(calls, endpoint)
    check_healthy(found)
    if found["EndpointConfigName"] != config:
        raise CloudError(
            f"the update to {config} was undone: {endpoint} has {found['EndpointConfigName']} in "
            f"service. {explain(found.get('FailureReason'), endpoint)}"
        )


def check_healthy(found: dict[str, Any]) -> None:
    """Make sure that the endpoint is in no state that only a person gets it out of.

    Raises:
        CloudError: it is, with AWS's reason and what to do.
    """
    endpoint, status = found["EndpointName"], found["EndpointStatus"]
    if status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
        raise CloudError(
            f"{endpoint} is {status}. {explain(found.get('FailureReason'), endpoint)} Then delete "
            f"it (python -m training cloud delete {endpoint}) and deploy again"
        )


_REASONS = {
    "ping health check": "The container did not answer /ping in time: is the image this service's "
    "(docker/), for this processor, and does it get along with the model?",
    "capacity": "AWS has too few of these machines now: try later, or another --instance-type.",
    "model data": "SageMaker could not read the model: the role needs s3:GetObject on it.",
    "ecr": "SageMaker could not pull the image: the role needs the ecr: actions of "
    "training/cloud/policies/endpoint-role.json, and the image has to be in this region.",
    "alarm": "An alarm went off while the new machines had traffic.",
}


def explain(reason: str | None, endpoint: str) -> str:
    """AWS's FailureReason, what it means, and where the container's log is."""
    text = reason or "AWS gives no reason"
    meant = [said for words, said in _REASONS.items() if words in text.lower()]
    return " ".join([f"AWS says: {text.rstrip('.')}.", *meant, container_log(endpoint)])


def container_log(endpoint: str) -> str:
    """Where it is."""
    return f"The container's log: CloudWatch, /aws/sagemaker/Endpoints/{endpoint}."
