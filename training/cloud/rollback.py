"""Bring back the endpoint config that was in service before.

Which one that is, `deploy` has noted in a tag on the config that is in service now; where there is
no such tag, it is the newest config of the endpoint that is older. It shows the price by the hour,
and asks. Traffic moves as in an update: by a canary under the alarms, but for those that are on
already, which would stop this too. At last the golden images of the model that is back are sent.
Configs that were rolled back stay, and can be deployed again. Another rollback goes one further
back; --to names the config, and can be repeated.

    python -m training cloud rollback garments
    python -m training cloud rollback garments --to garments-1-0-0-1a2b3c4d --at-once --yes
"""

from __future__ import annotations

import argparse
from typing import Any

from app.artifact import ArtifactError
from training.cloud.asking import ask
from training.cloud.calls import Calls
from training.cloud.endpoint.alarms import error_share_of
from training.cloud.endpoint.arguments import (
    add_canary,
    add_dry_run,
    add_endpoint,
    add_update_timeout,
    add_yes,
    canary_of,
    update_timeout,
)
from training.cloud.endpoint.canary import unseen_failure
from training.cloud.endpoint.costs import hourly_costs
from training.cloud.endpoint.golden import proven
from training.cloud.endpoint.releases import fetch_release
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.endpoint.rollout import check_kind, is_needed, update, wait_for_service
from training.cloud.endpoint.scaling import (
    check_scaling,
    clear_scaling,
    most_machines,
    scaling_now,
    scaling_put_back,
    scaling_taken_off,
    set_scaling,
)
from training.cloud.endpoint.state import (
    config_noted_before,
    configs_of,
    existing_endpoint,
    find_config,
    find_endpoint,
    find_model,
    models_of,
)
from training.errors import CloudError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_endpoint(parser)
    parser.add_argument("--to", metavar="CONFIG", help="this config, and not the one before")
    add_canary(parser)
    add_update_timeout(parser)
    add_yes(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Roll back one endpoint; 1 when the user does not agree, or the model answers wrongly."""
    calls, endpoint, moves = Calls(arguments.dry_run), arguments.endpoint, canary_of(arguments)
    found = find_endpoint(calls, endpoint)
    if calls.offline:
        # Two machines stand for those that there are.
        wanted = arguments.to or "CONFIG-BEFORE"
        unseen = {"EndpointName": endpoint}
        update(calls, unseen, wanted, instances=2, canary=moves, keep_count=False)
        return 0
    found = found or existing_endpoint(calls, endpoint)
    current = found["EndpointConfigName"]
    if arguments.to:
        wanted, why = arguments.to, "as --to says"
    else:
        wanted, why = config_before(calls, endpoint, current)
    config = _usable(calls, endpoint, wanted)
    hardware = _hardware(config["ProductionVariants"][0])
    needed = is_needed(found, wanted)
    scaling = scaling_now(calls, endpoint) or scaling_taken_off(calls, found)
    if needed:
        check_kind(calls, found, hardware, ", or name a config of machines with --to")
        check_scaling(calls, found, hardware, scaling)
    print(f"{endpoint}: from {current} to {wanted}, {why}")
    # Told and not refused: the limit was set by `deploy`, and going back should not wait for it.
    limit = error_share_of(calls, endpoint) if needed else None
    if limit is not None and (missed := unseen_failure(calls, found, hardware, moves, limit)):
        print(missed)
    most = most_machines(calls, endpoint, scaling)
    print(f"costs, until it is deleted: {hourly_costs(calls, hardware, most=most)}")
    if needed and not (arguments.yes or calls.dry_run or ask("Roll back?")):
        print("nothing was changed")
        return 1
    with scaling_put_back(calls, endpoint):
        if needed:
            update(
                calls,
                found,
                wanted,
                instances=getattr(hardware, "count", None),
                canary=moves,
                keep_count=clear_scaling(calls, found, hardware),
            )
        if not calls.dry_run:
            again = f"python -m training cloud rollback {endpoint} --to {wanted}"
            wait_for_service(calls, endpoint, wanted, update_timeout(arguments), again)
    set_scaling(calls, endpoint, scaling if isinstance(hardware, Instances) else None)
    return 0 if _answers(calls, endpoint, models_of(config), current if needed else None) else 1


def config_before(calls: Calls, endpoint: str, current: str) -> tuple[str, str]:
    """The config that was in service before `current`, and how that is known.

    Raises:
        CloudError: there was none, by all that is known.
    """
    if before := config_noted_before(calls, current):
        return before, "by the tag that deploy left"
    names = [config.name for config in configs_of(calls, endpoint)]
    older = names[names.index(current) + 1 :] if current in names else []
    if not older:
        others = ", ".join(name for name in names if name != current) or "none"
        raise CloudError(
            f"{endpoint} had no config before {current} that is known. Choose one with --to; "
            f"there is: {others}"
        )
    return older[0], "the newest that is older, as no tag tells"


def _usable(calls: Calls, endpoint: str, name: str) -> dict[str, Any]:
    config = find_config(calls, name)
    gone = (
        [] if config is None else [one for one in models_of(config) if not find_model(calls, one)]
    )
    if config is None or gone:
        missing = f"its model {gone[0]}" if gone else "it"
        raise CloudError(
            f"{endpoint} cannot go back to {name}: {missing} is no longer there. Choose another "
            "config with --to, or deploy the version again"
        )
    return dict(config)


def _hardware(variant: dict[str, Any]) -> Instances | Serverless:
    if "ServerlessConfig" in variant:
        serverless = variant["ServerlessConfig"]
        return Serverless(serverless["MemorySizeInMB"], serverless["MaxConcurrency"])
    return Instances(variant["InstanceType"], variant["InitialInstanceCount"])


def _answers(calls: Calls, endpoint: str, models: list[str], before: str | None) -> bool:
    """Whether the model that is back answers its golden images right; `before` was another one."""
    found = find_model(calls, models[0]) or {}
    url = found.get("PrimaryContainer", {}).get("ModelDataUrl", "")
    try:
        release = fetch_release(calls, url)
    except (CloudError, ArtifactError) as error:
        print(f"The model was not checked, as its golden images cannot be read: {error}")
        return True
    another = f"--to {before}" if before else "--to CONFIG"
    way_back = f"To another config: python -m training cloud rollback {endpoint} {another}"
    return proven(calls, endpoint, release.golden, release.sha256, lambda: way_back)
