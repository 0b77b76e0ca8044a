"""The role that a job runs as, by name or ARN."""

from __future__ import annotations

import json
import re

import boto3

from training.aws import client, is_refusal, plain_errors
from training.errors import CloudError

SERVICE = "sagemaker.amazonaws.com"


def role_arn(role: str, made: boto3.Session, *, dry_run: bool = False) -> str:
    """The ARN of a role; one that is given by name is looked up, and must trust SageMaker.

    Args:
        role: name or ARN.
        made: the session that asks.
        dry_run: where AWS cannot be asked, zeros stand for the account, and it says so.

    Raises:
        CloudError: there is no such role, it may not be seen, or SageMaker may not take it.
    """
    if _is_arn(role):
        return role
    try:
        with plain_errors(f"looking up the role {role}"):
            found = client("iam", made).get_role(RoleName=role)["Role"]
    except CloudError as error:
        if not dry_run or is_refusal(error):
            raise
        print(f"AWS cannot be asked, and zeros stand for the account: {error}")
        return unknown_arn(role)
    if SERVICE not in json.dumps(found.get("AssumeRolePolicyDocument", {})):
        raise CloudError(
            f"the role {role} does not trust {SERVICE}: SageMaker may not take it. See "
            "training/cloud/policies/README.md"
        )
    return str(found["Arn"])


def unknown_arn(role: str) -> str:
    """What stands for the ARN of a role in a request that is only shown; an ARN as it is."""
    return role if _is_arn(role) else f"arn:aws:iam::{'0' * 12}:role/{role}"


def _is_arn(role: str) -> bool:
    """Whether it is no name; one that is neither is refused, also where AWS cannot be asked."""
    if role.startswith("arn:"):
        return True
    if not re.fullmatch(r"[\w+=,.@-]{1,64}", role, re.ASCII):
        raise CloudError(f"--role {role!r} is neither the name of a role nor its ARN")
    return False
