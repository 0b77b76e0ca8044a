"""What boto3 raises, in plain words that say what to do."""

from __future__ import annotations

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from app.credentials import told_of_unreadable
from app.store.errors import DeniedError, MissingError, StoreError, UnreachableError

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
)
_EXPIRED_SESSIONS = (boto.SSOError, boto.LoginError, boto.TokenRetrievalError)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
_WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}


def explain(error: Exception, location: object) -> StoreError:
    """What went wrong with a call of S3 for what lies at `location`, and what to do."""
    if isinstance(error, boto.ClientError):
        return _explain_answer(error, location)
    if isinstance(error, _NO_CREDENTIALS):
        return StoreError(
            f"{location}: no AWS credentials ({error}). Give the machine or task a role, or set "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.{told_of_unreadable()}"
        )
    if isinstance(error, _EXPIRED_SESSIONS):
        return StoreError(f"{location}: the AWS login has expired ({error}). Log in again.")
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return UnreachableError(
            f"{location}: S3 cannot be reached ({error}). Check the network, the proxy and "
            "AWS_ENDPOINT_URL_S3"
        )
    if isinstance(error, OSError) and error.filename:
        return StoreError(
            f"{location}: no AWS credentials: {said(error)}. Check AWS_WEB_IDENTITY_TOKEN_FILE, "
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and AWS_CONFIG_FILE."
        )
    if isinstance(error, ResponseParserError):
        return StoreError(
            f"{location}: what answers is no AWS ({said(error)}). Check the network, the proxy, "
            "AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_STS."
        )
    return StoreError(f"{location}: cannot be read from S3: {said(error)}")


def said(error: Exception) -> str:
    """What boto3 raised, in one line. Not all of it is a BotoCoreError."""
    if isinstance(error, (boto.BotoCoreError, boto.ClientError)):
        return " ".join(str(error).split()).rstrip(".")
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used ({error.strerror})"
    # The lines after the first quote an answer that cannot be parsed: it may hold credentials.
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}".rstrip(".: ")


def _explain_answer(error: boto.ClientError, location: object) -> StoreError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return MissingError(
            f"{location}: there is no such bucket. Check the name, and whether "
            "AWS_ENDPOINT_URL_S3 and the credentials belong to the account that has it."
        )
    if code in {"NoSuchKey", "404"}:
        return MissingError(f"{location}: there is no such object. Check the key.")
    if code in _EXPIRED:
        return StoreError(f"{location}: the AWS credentials have expired. Renew them.")
    if code in _WRONG_KEYS:
        return StoreError(
            f"{location}: S3 does not accept these AWS credentials ({code}). Check "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."
        )
    if code in _DENIED:
        return DeniedError(
            f"{location}: access denied. These credentials need s3:GetObject on it, and "
            "s3:ListBucket on the bucket to tell a missing object from a forbidden one."
        )
    if code in _WRONG_REGION:
        return StoreError(
            f"{location}: the bucket lies in another region. Set AWS_REGION to the bucket's region."
        )
    if code == "RequestTimeTooSkewed":
        return StoreError(f"{location}: this machine's clock is wrong. Set it right.")
    if status >= 500 or code in {"SlowDown", "Throttling", "RequestTimeout"}:
        return UnreachableError(f"{location}: S3 is not able to answer at the moment ({code})")
    return StoreError(f"{location}: cannot be read from S3: {error}")
