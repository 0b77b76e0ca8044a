"""Make an S3 bucket unless it is there: `python make_bucket.py NAME`.

For docker-compose.yml's own S3 server.
"""

from __future__ import annotations

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ATTEMPTS = 60


def main(name: str) -> None:
    """Try for a minute: the server answers health checks before it can make a bucket."""
    s3 = boto3.client("s3", region_name=os.environ["AWS_REGION"])
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
                s3.create_bucket(Bucket=name)
            return
        except (ClientError, BotoCoreError) as error:
            if attempt == ATTEMPTS:
                sys.exit(f"{name}: {error}")
            time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
