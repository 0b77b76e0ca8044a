"""Delete an endpoint and all that `deploy` has made for it: it costs nothing any more then.

That is the endpoint, its scaling and alarms, and the endpoint configs and models that carry its
tag. What is gone already is fine. The model's file on S3, the image in ECR, the logs and the IAM
role stay; it says which of them still cost money.

    python -m training cloud delete garments --dry-run
    python -m training cloud delete garments --yes
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from training.cloud.asking import ask
from training.cloud.calls import Calls
from training.cloud.endpoint.alarms import alarm_names, find_alarms
from training.cloud.endpoint.arguments import (
    add_dry_run,
    add_endpoint,
    add_timeout,
    add_yes,
)
from training.cloud.endpoint.scaling import remove_scaling
from training.cloud.endpoint.state import (
    BUSY,
    configs_of,
    find_endpoint,
    find_model,
    model_names,
    scaling_of,
)
from training.cloud.waiting import wait_until_done
from training.errors import CloudError


@dataclass(frozen=True)
class Found:
    """What there is of an endpoint."""

    endpoint: dict[str, Any] | None
    scaled: bool
    alarms: list[str]
    configs: list[str]
    models: dict[str, dict[str, Any]]

    def lines(self) -> list[str]:
        """What will be deleted."""
        return [
            *([f"endpoint {self.endpoint['EndpointName']}"] if self.endpoint else []),
            *(["its scaling"] if self.scaled else []),
            *(f"alarm {name}" for name in self.alarms),
            *(f"endpoint config {name}" for name in self.configs),
            *(f"model {name}" for name in self.models),
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_endpoint(parser)
    add_timeout(parser, 10)
    add_yes(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Delete one endpoint; 1 when the user does not agree."""
    calls, endpoint = Calls(arguments.dry_run), arguments.endpoint
    found = find_all(calls, endpoint)
    if calls.offline:
        unseen = {"EndpointName": endpoint, "EndpointStatus": "InService"}
        found = Found(unseen, True, alarm_names(endpoint), ["CONFIG"], {"MODEL": {}})
    if not found.lines():
        print(f"there is nothing of {endpoint} in this account and region")
        return 0
    status = (found.endpoint or {}).get("EndpointStatus")
    if status in BUSY and status != "Deleting":
        raise CloudError(
            f"{endpoint} is {status}, and AWS deletes none that is: run this again when it is over "
            f"(python -m training cloud status {endpoint})"
        )
    print("\n".join(f"to delete: {line}" for line in found.lines()))
    if not (arguments.yes or calls.dry_run or ask("Delete all of this?")):
        return 1
    _delete(calls, endpoint, found, arguments.timeout * 60)
    print("\n".join(_still_there(endpoint, found)))
    return 0


def find_all(calls: Calls, endpoint: str) -> Found:
    """Look for everything that `deploy` makes."""
    described = {name: find_model(calls, name) for name in model_names(calls, endpoint)}
    return Found(
        endpoint=find_endpoint(calls, endpoint),
        scaled=scaling_of(calls, endpoint) is not None,
        alarms=list(find_alarms(calls, endpoint)),
        configs=[config.name for config in configs_of(calls, endpoint)],
        models={name: model for name, model in described.items() if model is not None},
    )


def _delete(calls: Calls, endpoint: str, found: Found, timeout: float) -> None:
    # The scaling first, so that nothing changes the endpoint meanwhile; what others use, last.
    if found.scaled:
        remove_scaling(calls, endpoint)
    if found.endpoint and found.endpoint["EndpointStatus"] != "Deleting":
        _drop(calls, "Endpoint", endpoint)
    if found.endpoint and not calls.dry_run:

        def look() -> tuple[bool, str]:
            left = find_endpoint(calls, endpoint)
            return left is None, f"{endpoint}: {left['EndpointStatus'] if left else 'deleted'}"

        wait_until_done(look, timeout, "Run this again to delete the rest")
    if found.alarms:
        request = {"AlarmNames": found.alarms}
        calls.change("cloudwatch", "DeleteAlarms", request, "deleting the alarms")
    for name in found.configs:
        _drop(calls, "EndpointConfig", name)
    for name in found.models:
        _drop(calls, "Model", name)


def _drop(calls: Calls, kind: str, name: str) -> None:
    there = calls.change("sagemaker", f"Delete{kind}", {f"{kind}Name": name}, f"deleting {name}")
    if not calls.dry_run:
        print(f"{'deleted' if there else 'was gone already:'} {name}")


def _still_there(endpoint: str, found: Found) -> list[str]:
    containers = [model.get("PrimaryContainer", {}) for model in found.models.values()]
    kept = {
        "the model's file on S3": [one.get("ModelDataUrl") for one in containers],
        "the image in ECR": [one.get("Image") for one in containers],
        "the logs in CloudWatch": [f"/aws/sagemaker/Endpoints/{endpoint}"],
    }
    return [
        f"still there, and costs money as storage does: {what} ({', '.join(sorted(names))})"
        for what, several in kept.items()
        if (names := {str(name) for name in several if name})
    ]
