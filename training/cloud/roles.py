"""The role that a job runs as, by name or ARN."""

from __future__ import annotations

import json

import boto3

from training.cloud.aws import client, plain_errors
from training.errors import CloudError

SERVICE = "sagemaker.amazonaws.com"


def role_arn(role: str, made: boto3.Session) -> str:
    """The ARN of a role; one that is given by name is looked up, and must trust SageMaker.

    Raises:
        CloudError: there is no such role, it may not be seen, or SageMaker may not take it.
    """
    if role.startswith("arn:"):
        return role
    with plain_errors(f"looking up the role {role}"):
        found = client("iam", made).get_role(RoleName=role)["Role"]
    if SERVICE not in json.dumps(found.get("AssumeRolePolicyDocument", {})):
        raise CloudError(
            f"the role {role} does not trust {SERVICE}: SageMaker may not take it. See "
            "training/cloud/policies/README.md"
        )
    return str(found["Arn"])
