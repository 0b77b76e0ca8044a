"""The proof of a deployment: the artifact's golden images, answered by the endpoint itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from app.artifact import GOLDEN_TOLERANCE, Golden
from app.card import CATEGORIES
from training.aws import plain_errors, show_request
from training.cloud.calls import Calls
from training.cloud.endpoint.rollout import container_log
from training.errors import CloudError


def proven(
    calls: Calls,
    endpoint: str,
    golden: Sequence[Golden],
    sha256: str,
    way_back: Callable[[], str],
) -> bool:
    """Send each golden image, compare the answers, and print what was found.

    Args:
        calls: asks AWS.
        endpoint: its name; it is in service.
        golden: the artifact's golden images.
        sha256: the artifact's.
        way_back: tells what to do where it does not answer as it should.

    Raises:
        CloudError: the endpoint does not answer.
    """
    try:
        right = _are_answered(calls, endpoint, golden, sha256)
    except CloudError as error:
        raise CloudError(
            f"{str(error).rstrip('.')}. {endpoint} is in service, costs money and has proven "
            f"nothing: do not use it. {container_log(endpoint)} {_told(way_back, endpoint)}"
        ) from error
    if not right:
        print(f"Do not use it. {_told(way_back, endpoint)}")
    return right


def _told(way_back: Callable[[], str], endpoint: str) -> str:
    """The way back; where to look for it while AWS cannot be asked which one there is."""
    try:
        return way_back()
    except CloudError:
        return f"See what it does: python -m training cloud status {endpoint}"


def _are_answered(calls: Calls, endpoint: str, golden: Sequence[Golden], sha256: str) -> bool:
    wrong, worst = [], 0.0
    if calls.offline:
        _show(endpoint, "each golden image of the artifact")
    for number, image in enumerate(golden):
        if calls.dry_run:
            _show(endpoint, f"golden image {number}, {len(image.png)} bytes")
            continue
        with plain_errors(f"sending golden image {number} to {endpoint}"):
            runtime = calls.client("sagemaker-runtime")
            answer = runtime.invoke_endpoint(**_request(endpoint, image.png))["Body"].read()
        said, difference = _compare(answer, image, sha256)
        worst = max(worst, difference)
        if said:
            wrong.append(f"golden image {number}: {said}")
    for line in wrong:
        print(line)
    if not wrong and golden and not calls.dry_run:
        print(f"{len(golden)} golden images answered as they should, to within {worst:.4f}")
    return not wrong


def _request(endpoint: str, body: bytes | str) -> dict[str, Any]:
    kinds = {"ContentType": "image/png", "Accept": "application/json"}
    return {"EndpointName": endpoint, **kinds, "Body": body}


def _show(endpoint: str, body: str) -> None:
    show_request("sagemaker-runtime", "InvokeEndpoint", _request(endpoint, body))


def _compare(answer: bytes, image: Golden, sha256: str) -> tuple[str, float]:
    """What is wrong with an answer, and the largest difference in probability."""
    try:
        said = json.loads(answer)
        label, model = said["label"], said["model"]["sha256"]
        got = {one["label"]: float(one["probability"]) for one in said["probabilities"]}
        pairs = [(got[name], image.probabilities[i]) for i, name in enumerate(CATEGORIES)]
    except (ValueError, KeyError, TypeError):
        return f"no answer of this service: {answer[:200]!r}", 1.0
    difference = max(abs(one - other) for one, other in pairs)
    if model != sha256:
        return f"answered by another model, with SHA-256 {model}", difference
    if label != image.label or difference > GOLDEN_TOLERANCE:
        return f"{label}, off by {difference:.4f}; {image.label} is right", difference
    return "", difference
