"""AWS as the commands see it: clients, requests to look at, and errors in plain words."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.config import Config

from training.errors import CloudError, TrainingError

CONFIG = Config(
    connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4}
)


def session() -> boto3.Session:
    """A session of the environment's credentials and region.

    Raises:
        CloudError: there is no region, or the profile does not exist.
    """
    try:
        # boto3 takes the region from AWS_DEFAULT_REGION only; ECS and Lambda set AWS_REGION.
        made = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    except boto.BotoCoreError as error:
        raise CloudError(f"{error}; check AWS_PROFILE") from error
    if made.region_name is None:
        raise CloudError("no region: set AWS_REGION to the one that the buckets lie in")
    return made


def client(
    service: str,
    made: boto3.Session | None = None,
    *,
    region: str | None = None,
    connections: int = 10,
) -> Any:
    """A client of an AWS service, such as `sagemaker`, with so many connections at once.

    Raises:
        CloudError: it cannot be made of the environment: half of the credentials, a region or an
            address of AWS that is none.
    """
    config = CONFIG.merge(Config(max_pool_connections=connections))
    with plain_errors(f"setting up {service}"):
        try:
            return (made or session()).client(  # type: ignore[call-overload]
                service, region_name=region, config=config
            )
        except boto.InvalidRegionError as error:
            raise CloudError(f"{str(error).rstrip('.')}; check AWS_REGION") from error
        except ValueError as error:  # botocore refuses an address without http:// so
            raise CloudError(f"{error}; write AWS_ENDPOINT_URL as http://HOST:PORT") from error


def show_request(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Print a request as --dry-run does: the operation, and its parameters as JSON."""
    print(f"{service} {operation}")
    print(json.dumps(parameters, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def code_of(error: boto.ClientError) -> str:
    """AWS's code of the error, such as `AccessDeniedException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def plain_errors(
    doing: str,
    kind: type[TrainingError] = CloudError,
    advice: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Turn what boto3 and AWS's SDKs raise into one error: what failed, why, and what to do.

    Args:
        doing: what fails then, such as `creating the endpoint garments`.
        kind: the error that is raised; AWS's own is its cause.
        advice: what to do by AWS's code, where it is not the usual.
    """
    try:
        yield
    except boto.ClientError as error:
        raise kind(f"{doing}: {_advice(error, advice or {})}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise kind(
            f"{doing}: no AWS credentials ({error}); set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        ) from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise kind(
            f"{doing}: AWS cannot be reached ({error}); check the network, AWS_REGION and any "
            "AWS_ENDPOINT_URL, then run this again"
        ) from error
    except Boto3Error as error:  # of an upload by the SDK; what S3 said is its context
        refused = error.__context__
        why = _advice(refused, advice or {}) if isinstance(refused, boto.ClientError) else error
        raise kind(f"{doing}: {why}") from error
    except (boto.BotoCoreError, ValueError) as error:  # the SDKs refuse by ValueErrors
        raise kind(f"{doing}: {error}") from error


def is_refusal(error: TrainingError) -> bool:
    """Whether AWS itself refused; otherwise it could not be asked."""
    return isinstance(error.__cause__, boto.ClientError)


_ADVICE = {
    "ExpiredToken": "the AWS credentials have expired; renew them",
    "ExpiredTokenException": "the AWS credentials have expired; renew them",
    "UnrecognizedClientException": "AWS does not know these credentials; check AWS_PROFILE and the "
    "keys, and whether they belong to this region's partition",
    "InvalidClientTokenId": "AWS does not know this access key; check AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "AWS does not know this access key; check AWS_ACCESS_KEY_ID",
    "InvalidToken": "the session token does not belong to these keys; check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "this machine's clock is wrong, and AWS goes by it; set it right",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "404": "there is no such bucket or object; check the address and the account",
    "301": "the bucket lies in another region; set AWS_REGION to it",
    "NoSuchBucket": "there is no such bucket; check its name and the account",
    "PermanentRedirect": "the bucket lies in another region; set AWS_REGION to it",
    "AuthorizationHeaderMalformed": "the bucket lies in another region; set AWS_REGION to it",
    "IllegalLocationConstraintException": "the bucket lies in another region; set AWS_REGION to it",
    "NoSuchEntity": "there is no such role; create it with the policies in "
    "training/cloud/policies/, or check --role and the account",
    "ResourceInUse": "that name is taken; choose another --name",
    "ThrottlingException": "AWS is throttling these calls; run this again in a minute",
}


def _advice(error: boto.ClientError, special: Mapping[str, str]) -> str:
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    if said := special.get(code) or _ADVICE.get(code):
        return f"{said} ({code})"
    if code in ("AccessDenied", "AccessDeniedException", "403"):
        return (
            f"access denied: {(message or code).rstrip('.')}. The policies that the commands need "
            "stand in training/cloud/policies/"
        )
    if code == "ResourceLimitExceeded":
        return (
            f"a quota of this account is reached: {message}. Ask for more in the Service Quotas "
            "console (Amazon SageMaker), or take another --instance-type"
        )
    if code in ("CapacityError", "InsufficientCapacity", "InsufficientInstanceCapacity"):
        return (
            f"AWS has no such instance free now: {message}. Run this again later, or take another "
            "--instance-type or region"
        )
    if code == "ValidationException" and "assume" in message.lower():
        return (
            f"SageMaker may not use the role: {message}. The role must exist and trust "
            "sagemaker.amazonaws.com (training/cloud/policies/README.md)"
        )
    if code == "ValidationException" and "region" in message.lower() and "s3" in message.lower():
        return f"the bucket must lie in the region of the job: {message}; set AWS_REGION to it"
    return f"{message or error} ({code})"
