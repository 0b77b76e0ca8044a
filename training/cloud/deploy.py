"""Put an artifact into service as a SageMaker endpoint, or update the endpoint to it.

Creates what is missing of model, endpoint config, alarms, endpoint and scaling; what is there is
found again, so a second run changes nothing. It shows the price by the hour, and asks. An update is
blue/green: a canary of the new machines gets traffic first, and an alarm brings the old ones back
(until then, both are there and cost). At last the artifact's golden images are sent to the
endpoint: the exit status is 1 when it answers otherwise than it should. The image is this service's
own (docker/), pushed to ECR. --dry-run reads what is there, prints the requests that a run would
make now, in order, and changes nothing.

    python -m training cloud deploy garments s3://shop-models/garments/1.0.0/ --image \
123456789012.dkr.ecr.eu-west-1.amazonaws.com/garments:1.0.0 --role GarmentEndpoint --instances 2
"""

from __future__ import annotations

import argparse
import functools

from training.cloud.asking import ask
from training.cloud.calls import Calls
from training.cloud.endpoint.alarms import Limits, set_alarms
from training.cloud.endpoint.arguments import (
    add_alarms,
    add_canary,
    add_dry_run,
    add_endpoint,
    add_machines,
    add_scaling,
    add_update_timeout,
    add_yes,
    canary_of,
    update_timeout,
    variable,
    wanted_scaling,
)
from training.cloud.endpoint.canary import unseen_failure
from training.cloud.endpoint.costs import hourly_costs
from training.cloud.endpoint.golden import proven
from training.cloud.endpoint.releases import Release, fetch_release
from training.cloud.endpoint.requests import (
    Deployment,
    Instances,
    Serverless,
    create_endpoint_config,
    create_model,
)
from training.cloud.endpoint.rollout import (
    check_kind,
    create,
    is_needed,
    remember_before,
    update,
    wait_for_service,
)
from training.cloud.endpoint.scaling import (
    check_scaling,
    clear_scaling,
    most_machines,
    question_of_scaling,
    scaling_put_back,
    scaling_taken_off,
    set_scaling,
)
from training.cloud.endpoint.state import (
    config_noted_before,
    find_config,
    find_endpoint,
    find_model,
)
from training.cloud.roles import role_arn, unknown_arn
from training.errors import CloudError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_endpoint(parser)
    parser.add_argument("model", help="s3://.../model.tar.gz, or a release: s3://PREFIX/VERSION/")
    parser.add_argument(
        "--image", required=True, help="of this service, in ECR; another needs another tag"
    )
    parser.add_argument(
        "--role", required=True, help="name or ARN of the role that the container has"
    )
    add_machines(parser)
    parser.add_argument(
        "--serverless", action="store_true", help="machines that come and go with the requests"
    )
    parser.add_argument(
        "--memory",
        type=int,
        choices=range(1024, 6145, 1024),
        default=3072,
        help="of serverless, in MB (default %(default)s)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        choices=range(1, 201),
        metavar="1..200",
        default=5,
        help="requests that serverless takes at once (default %(default)s)",
    )
    add_scaling(parser)
    parser.add_argument(
        "--env",
        type=variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="setting of the service, such as GARMENT_THREADS=2; repeat it",
    )
    add_alarms(parser)
    add_canary(parser)
    add_update_timeout(parser)
    add_yes(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Deploy one artifact; 1 when the user does not agree, or the endpoint answers wrongly."""
    scaling, moves = wanted_scaling(arguments), canary_of(arguments)
    calls = Calls(arguments.dry_run)
    release = fetch_release(calls, arguments.model)
    deployment = _deployment(calls, arguments, release)
    endpoint, config = deployment.endpoint, deployment.config_name
    print(f"{release.url}: version {release.version}, SHA-256 {release.sha256}")
    found = find_endpoint(calls, endpoint)
    needed = is_needed(found, config)
    if found:
        scaling = scaling or scaling_taken_off(calls, found)
    if found and needed:
        check_kind(calls, found, deployment.hardware)
        check_scaling(calls, found, deployment.hardware, scaling)
        limit = arguments.alarm_errors
        if why := unseen_failure(calls, found, deployment.hardware, moves, limit):
            raise CloudError(f"{why}. Raise --canary-percent, or lower --alarm-errors")
    if not calls.offline:
        most = most_machines(calls, endpoint, scaling)
        costs = hourly_costs(calls, deployment.hardware, most=most)
        print(f"costs, until it is deleted: {costs}")
    question: str | None = f"Put {release.version} into service as {endpoint}?"
    if not needed:  # but more machines may be
        question = question_of_scaling(calls, endpoint, scaling)
    if question and not (arguments.yes or calls.dry_run or ask(question)):
        print("nothing was changed")
        return 1
    _make_parts(calls, deployment, found["EndpointConfigName"] if found else None)
    set_alarms(calls, endpoint, Limits(arguments.alarm_errors, arguments.alarm_latency))
    with scaling_put_back(calls, endpoint):
        if found is None:
            create(calls, endpoint, config)
        elif needed:
            update(
                calls,
                found,
                config,
                instances=getattr(deployment.hardware, "count", None),
                canary=moves,
                keep_count=clear_scaling(calls, found, deployment.hardware),
            )
        if not calls.dry_run:
            again = "the same command"
            wait_for_service(calls, endpoint, config, update_timeout(arguments), again)
    set_scaling(calls, endpoint, scaling)
    way_back = functools.partial(_way_back, calls, endpoint, config)
    return 0 if proven(calls, endpoint, release.golden, release.sha256, way_back) else 1


def _way_back(calls: Calls, endpoint: str, config: str) -> str:
    if config_noted_before(calls, config):
        return f"Back to what was there: python -m training cloud rollback {endpoint}"
    return (
        "Nothing was there before; it costs money until it is deleted: python -m training cloud "
        f"delete {endpoint}"
    )


def _deployment(calls: Calls, arguments: argparse.Namespace, release: Release) -> Deployment:
    hardware = Instances(arguments.instance_type, arguments.instances)
    return Deployment(
        endpoint=arguments.endpoint,
        version=release.version,
        sha256=release.sha256,
        model_url=release.url,
        image=arguments.image,
        role=unknown_arn(arguments.role)
        if calls.offline
        else role_arn(arguments.role, calls.session, dry_run=calls.dry_run),
        environment=dict(arguments.env),
        hardware=Serverless(arguments.memory, arguments.concurrency)
        if arguments.serverless
        else hardware,
    )


def _make_parts(calls: Calls, deployment: Deployment, before: str | None) -> None:
    """Create the model and the config, where they are not there yet."""
    model, config = deployment.model_name, deployment.config_name
    if find_model(calls, model) is None:
        calls.change("sagemaker", "CreateModel", create_model(deployment), f"creating {model}")
    if find_config(calls, config) is None:
        request = create_endpoint_config(deployment, before)
        calls.change("sagemaker", "CreateEndpointConfig", request, f"creating {config}")
    elif before is not None:
        remember_before(calls, config, before)
