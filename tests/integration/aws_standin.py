"""A stand-in for SageMaker, S3 and IAM: moto's server, with the calls that it lacks.

ENDPOINT_UPSTREAM names a running serving container, to which `invoke_endpoint` forwards: then the
answers are real. Faults of an endpoint are read from the file that
ENDPOINT_FAULT names, see `Fault`; how deployments go, from ENDPOINT_PLAN (standin_endpoints.py).

    python tests/integration/aws_standin.py -H 127.0.0.1 -p 5000
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import standin_endpoints  # beside this file, which runs as a script
import standin_transform
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.iam.responses import IamResponse
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

UPSTREAM = os.environ.get("ENDPOINT_UPSTREAM")
FAULT_FILE = os.environ.get("ENDPOINT_FAULT")


@dataclass(frozen=True)
class Fault:
    """What the endpoint does instead of answering; read from FAULT_FILE (JSON) at each call.

    `seconds` are waited first. `status` and `error` are then answered, for the next `times` calls
    (-1: for ever).
    """

    status: int = 0
    error: str = ""
    seconds: float = 0.0
    times: int = -1


def take_fault() -> Fault:
    """The fault of this call; one less of it is left."""
    path = Path(FAULT_FILE) if FAULT_FILE else None
    if path is None or not path.exists():
        return Fault()
    fault = Fault(**json.loads(path.read_text()))
    if fault.times == 0:
        return Fault()
    if fault.times > 0:
        path.write_text(json.dumps({**vars(fault), "times": fault.times - 1}))
    return fault


def without_empty(name: str) -> None:
    """Leave out VpcConfig={} and DataCaptureConfig={}, which sagemaker-core rejects."""
    original = getattr(SageMakerResponse, name)

    def answer(self: SageMakerResponse) -> ActionResult:
        result = original(self)
        values = getattr(result, "_result", None) or result.result
        return ActionResult({key: value for key, value in values.items() if value != {}})

    setattr(SageMakerResponse, name, answer)


def stop_training_job(self: SageMakerResponse) -> EmptyResult:
    name, backend = self._get_param("TrainingJobName"), self.sagemaker_backend
    backend.describe_training_job(name)
    jobs = backend.training_jobs.values()
    job = next(found for found in jobs if found.training_job_name == name)
    job.training_job_status = job.secondary_status = "Stopped"
    return EmptyResult()


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    actions = self._get_param("ActionNames", [])
    return ActionResult(
        {
            "EvaluationResults": [
                {"EvalActionName": action, "EvalDecision": "allowed"} for action in actions
            ],
            "IsTruncated": False,
        }
    )


def refusal(status: int, error: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    headers = {"status": status, "x-amzn-ErrorType": error, "Content-Type": "application/json"}
    return status, headers, json.dumps(body)


def invoke_endpoint(self: SageMakerRuntimeResponse) -> Any:
    if not UPSTREAM:
        return _moto_invoke(self)
    name = self.path.split("/")[2]
    endpoints = sagemaker_backends[self.current_account][self.region].endpoints.values()
    if not any(endpoint.endpoint_name == name for endpoint in endpoints):
        message = f"Endpoint {name} of account {self.current_account} not found."
        return refusal(400, "ValidationError", {"Message": message})
    fault = take_fault()
    time.sleep(fault.seconds)
    if fault.status:
        return refusal(fault.status, fault.error, {"Message": "The stand-in was told to fail."})
    return forward(self)


def forward(self: SageMakerRuntimeResponse) -> Any:
    body = self.body if isinstance(self.body, bytes) else self.body.encode()
    headers = {
        "Content-Type": self.headers.get("Content-Type", "application/octet-stream"),
        "Accept": self.headers.get("Accept", "*/*"),
    }
    attributes = "X-Amzn-SageMaker-Custom-Attributes"
    if self.headers.get(attributes):
        headers[attributes] = self.headers[attributes]
    request = urllib.request.Request(f"{UPSTREAM}/invocations", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = {
                "Content-Type": response.headers.get("Content-Type", ""),
                "x-Amzn-Invoked-Production-Variant": "AllTraffic",
            }
            if response.headers.get(attributes):
                answer[attributes] = response.headers[attributes]
            return 200, answer, response.read()
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        said = f"Received client error ({error.code}) from primary with message {text!r}"
        return refusal(
            424,
            "ModelError",
            {
                "Message": said,
                "OriginalStatusCode": error.code,
                "OriginalMessage": text,
                "LogStreamArn": "arn:aws:logs:x",
            },
        )
    except OSError as error:
        return refusal(503, "ServiceUnavailable", {"Message": str(error)})


def with_raw_body(self: SageMakerRuntimeResponse, *arguments: Any, **_: Any) -> None:
    """Photos are no text, which moto takes every body for."""
    BaseResponse.setup_class(self, *arguments, use_raw_body=True)


_moto_invoke = SageMakerRuntimeResponse.invoke_endpoint


def install() -> None:
    """Give moto what it lacks."""
    standin_endpoints.install()
    standin_transform.install()
    for name in ("describe_model", "describe_endpoint", "describe_endpoint_config"):
        without_empty(name)
    SageMakerResponse.stop_training_job = stop_training_job
    SageMakerRuntimeResponse.setup_class = with_raw_body
    SageMakerRuntimeResponse.invoke_endpoint = invoke_endpoint
    IamResponse.simulate_principal_policy = simulate_principal_policy


if __name__ == "__main__":
    from moto.server import main

    install()
    main(sys.argv[1:])
