"""Endpoints for the stand-in, stricter and closer to AWS than moto's.

What becomes of the next deployments is read from the file that ENDPOINT_PLAN names, see `Plan`;
where it is set, roles have to exist too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import SagemakerClientError, ValidationError
from moto.sagemaker.responses import SageMakerResponse

PLAN_FILE = os.environ.get("ENDPOINT_PLAN")
NO_QUOTA = "ml.p3.16xlarge"
BUSY = ("Creating", "Updating")


class ResourceLimitExceeded(SagemakerClientError):
    code = "ResourceLimitExceeded"


@dataclass(frozen=True)
class Plan:
    """How deployments, deletions and transform jobs go from now on.

    They are busy for `looks` looks at them, then end as InService, Failed, or Undone (an update
    whose alarm went off); `reason` is AWS's FailureReason. Transform jobs lose the photo `lost`.
    With `skip`, the next look is the last.
    """

    looks: int = 0
    end: str = "InService"
    reason: str = ""
    lost: str = ""
    skip: bool = False

    @classmethod
    def read(cls) -> Plan:
        path = Path(PLAN_FILE) if PLAN_FILE else None
        return cls(**json.loads(path.read_text())) if path and path.exists() else cls()


def create_model(self: SageMakerResponse) -> Any:
    name, role = self._get_param("ModelName"), self._get_param("ExecutionRoleArn")
    if name in self.sagemaker_backend._models:
        raise ValidationError(f"Cannot create already existing model {name!r}.")
    known = iam_backends[self.current_account]["aws"].roles.values()
    if PLAN_FILE and role not in [one.arn for one in known]:
        raise ValidationError(
            f"Could not assume role {role}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role."
        )
    return _moto_create_model(self)


def create_endpoint(self: SageMakerResponse) -> Any:
    name, config_name = self._get_param("EndpointName"), self._get_param("EndpointConfigName")
    if name in self.sagemaker_backend.endpoints:
        raise ValidationError(f"Cannot create already existing endpoint {name!r}.")
    for variant in self.sagemaker_backend.describe_endpoint_config(config_name)[
        "ProductionVariants"
    ]:
        if variant.get("InstanceType") == NO_QUOTA:
            raise ResourceLimitExceeded(
                f"The account-level service limit '{NO_QUOTA} for endpoint usage' is 0 Instances, "
                "with current utilization of 0 Instances and a request delta of 1 Instances."
            )
    answer = _moto_create_endpoint(self)
    _begin(self.sagemaker_backend.endpoints[name], "Creating", config_name)
    return answer


def update_endpoint(self: SageMakerResponse) -> Any:
    backend, name = self.sagemaker_backend, self._get_param("EndpointName")
    config_name = self._get_param("EndpointConfigName")
    backend.describe_endpoint(name)
    config, endpoint = backend.describe_endpoint_config(config_name), backend.endpoints[name]
    if endpoint.endpoint_status != "InService":
        raise ValidationError(f"Cannot update in-progress endpoint {name!r}.")
    if config_name == endpoint.endpoint_config_name:
        raise ValidationError(f"Endpoint config {config_name!r} is in use by the endpoint already.")
    wanted = config["ProductionVariants"][0]
    old = backend.describe_endpoint_config(endpoint.endpoint_config_name)["ProductionVariants"][0]
    if "ServerlessConfig" in wanted and "ServerlessConfig" not in old:
        raise ValidationError("An instance-based endpoint cannot be updated to a serverless one.")
    targets = applicationautoscaling_backends[self.current_account][self.region].targets
    scaled = f"endpoint/{name}/variant/AllTraffic" in targets.get(
        "sagemaker:variant:DesiredInstanceCount", {}
    )
    if scaled and wanted.get("InstanceType") != old.get("InstanceType"):
        raise ValidationError("The instance type of a variant with auto scaling cannot be changed.")
    deployment = self._get_param("DeploymentConfig")
    policy = (deployment or {}).get("BlueGreenUpdatePolicy", {})
    size = policy.get("TrafficRoutingConfiguration", {}).get("CanarySize", {}).get("Value", 0)
    count = wanted.get("InitialInstanceCount", 0)
    if self._get_param("RetainAllVariantProperties"):
        count = endpoint.production_variants[0]["DesiredInstanceCount"]
    if size * 2 > count:
        raise ValidationError("CanarySize must be at most 50% of the variant's instance count.")
    if deployment and "ServerlessConfig" in wanted:
        raise ValidationError("DeploymentConfig is not supported for serverless endpoints.")
    endpoint.last_deployment_config = deployment
    endpoint.pending_deployment_summary = {
        "EndpointConfigName": config_name,
        "ProductionVariants": [{"VariantName": "AllTraffic"}],
    }
    _begin(endpoint, "Updating", config_name)
    return ActionResult({"EndpointArn": endpoint.arn})


def _begin(endpoint: Any, status: str, config_name: str) -> None:
    endpoint.endpoint_status, endpoint.coming = status, config_name
    endpoint.looks = Plan.read().looks


def describe_endpoint(self: SageMakerResponse) -> Any:
    backend, name = self.sagemaker_backend, self._get_param("EndpointName")
    endpoint = backend.endpoints.get(name)
    if endpoint and endpoint.endpoint_status in BUSY:
        plan = Plan.read()
        if endpoint.looks <= 0 or plan.skip:
            _end(backend, endpoint, plan)
        endpoint.looks -= 1
    if endpoint and endpoint.endpoint_status == "Deleting":
        if endpoint.looks <= 0:
            backend.delete_endpoint(name)
        endpoint.looks -= 1
    answer = dict(backend.describe_endpoint(name))
    for unknown in ("Coming", "Looks", "Tags", "DataCaptureConfig"):
        answer.pop(unknown, None)
    return ActionResult(answer)


def _end(backend: Any, endpoint: Any, plan: Plan) -> None:
    endpoint.pending_deployment_summary = None
    endpoint.failure_reason = plan.reason or None
    if plan.end == "Failed":
        endpoint.endpoint_status = "Failed"
        return
    endpoint.endpoint_status = "InService"
    if plan.end == "InService":
        endpoint.endpoint_config_name = endpoint.coming
        config = backend.describe_endpoint_config(endpoint.coming)
        endpoint.production_variants = endpoint._process_production_variants(
            config["ProductionVariants"]
        )


def delete_endpoint(self: SageMakerResponse) -> Any:
    endpoint = self.sagemaker_backend.endpoints.get(self._get_param("EndpointName"))
    if endpoint and endpoint.endpoint_status in BUSY:
        raise ValidationError(f"Cannot update in-progress endpoint {endpoint.endpoint_name!r}.")
    if endpoint and (looks := Plan.read().looks):
        endpoint.endpoint_status, endpoint.looks = "Deleting", looks
        return ActionResult({})
    return _moto_delete_endpoint(self)


def add_tags(self: SageMakerResponse) -> Any:
    new = self._get_param("Tags")
    arn, keys = self._get_param("ResourceArn"), [tag["Key"] for tag in new]
    self.sagemaker_backend.delete_tags(arn, keys)  # as AWS does: one value for each key
    return ActionResult({"Tags": self.sagemaker_backend.add_tags(arn, new)})


_moto_create_model = SageMakerResponse.create_model
_moto_create_endpoint = SageMakerResponse.create_endpoint
_moto_delete_endpoint = SageMakerResponse.delete_endpoint


def install() -> None:
    """Put these calls in the place of moto's."""
    for call in (
        create_model,
        create_endpoint,
        update_endpoint,
        describe_endpoint,
        delete_endpoint,
        add_tags,
    ):
        setattr(SageMakerResponse, call.__name__, call)
