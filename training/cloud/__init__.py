"""Train, tune, deploy and label on AWS: S3 and SageMaker.

Credentials and region are boto3's own: AWS_PROFILE, AWS_REGION, a role and so on. Every command has
--dry-run, which prints the exact requests and changes nothing: it only reads what these depend on,
and AWS's price list. And every command can be run again without harm.

    python -m training cloud upload data/fashion-mnist s3://my-bucket/data/fashion-mnist
    python -m training cloud train --data s3://my-bucket/data/fashion-mnist --role GarmentTraining
"""

from __future__ import annotations

COMMANDS = ("upload", "train", "tune", "deploy", "status", "rollback", "delete", "label")
