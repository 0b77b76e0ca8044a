"""Label all photos below a prefix on S3, by a Batch Transform job on machines of its own.

The model is an endpoint's (it need not be in service any more, but its model has to be there), or
one of SageMaker's models by name. Each photo's answer becomes one line of JSON, PHOTO.out below the
second prefix. While the job runs, these are counted: "1,200 of 5,000 photos answered". At the end
a file with the lines of all photos is written, and a table tells how many got which label and how
many of them a person should look at. A job that is done for the same photos and model is not run
again, one that is running is followed, and after one that failed only those photos are sent that
have no answer. Damaged photos get a line with an error, and stop nothing. Ctrl-C asks whether to
stop the job.

    python -m training cloud label s3://shop/photos s3://shop/labels --endpoint garments
    python -m training cloud label s3://shop/photos s3://shop/labels --model-name \
garments-1-0-0-1a2b3c4d --instances 4 --output s3://shop/labels/labels.jsonl
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.aws import plain_errors
from training.cloud.asking import ask
from training.cloud.buckets import check_region, location
from training.cloud.calls import Calls
from training.cloud.endpoint.arguments import (
    add_dry_run,
    add_machines,
    add_timeout,
    add_yes,
    endpoint_name,
)
from training.cloud.endpoint.costs import hourly_costs
from training.cloud.endpoint.requests import Instances
from training.cloud.endpoint.state import find_model, model_in_service
from training.cloud.labelling.labels import merge
from training.cloud.labelling.photos import Photo, answer_to, answers_below, photos_below
from training.cloud.labelling.progress import Progress
from training.cloud.labelling.transform import (
    BUSY,
    Labelling,
    jobs_of,
    nth_job,
    photos_of,
    start_job,
    stop_job,
    wait_for_job,
)
from training.cloud.waiting import watch
from training.errors import CloudError

STOPPED = "Of a job that is stopped, AWS promises to keep no answers."
"""Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTransformJob.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("photos", help="s3://BUCKET/PREFIX of the photos")
    parser.add_argument("out", help="s3://BUCKET/PREFIX for the answers")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--endpoint", type=endpoint_name, help="label with this endpoint's model")
    model.add_argument("--model-name", help="label with this model of SageMaker's")
    add_machines(parser)
    parser.add_argument(
        "--concurrency",
        type=int,
        # AWS takes 100 MB at once at most, and a photo may have 10.
        choices=range(1, 11),
        metavar="1..10",
        default=4,
        help="photos that a machine gets at once (default %(default)s)",
    )
    parser.add_argument(
        "--output",
        default="labels.jsonl",
        help="file or s3:// address for all lines (default %(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="label also what is labelled already")
    add_timeout(parser, 24 * 60)
    add_yes(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Label the photos; 1 when the user does not agree, or some of them got no answer."""
    calls = Calls(arguments.dry_run)
    source, out = location(arguments.photos), location(arguments.out)
    labelling = Labelling(
        model=arguments.model_name or model_in_service(calls, arguments.endpoint),
        source=source,
        out=out,
        kind=arguments.instance_type,
        machines=arguments.instances,
        at_once=arguments.concurrency,
    )
    photos = list(photos_below(calls, source, out))
    sent = [photo for photo in photos if photo.refusal is None]
    model = find_model(calls, labelling.model)
    if calls.offline:
        start_job(calls, labelling, labelling.first_job(sent), sent)
        return 0
    if model is None:
        raise CloudError(f"there is no model {labelling.model} in this account and region")
    for bucket in {source.bucket, out.bucket}:
        check_region(calls.client("s3"), bucket)
    if not sent:
        raise CloudError(f"{source} holds no photos that could be labelled; check the prefix")
    print(
        f"{len(photos)} photos, {len(photos) - len(sent)} of them empty or too large, by "
        f"{labelling.model}"
    )
    first = labelling.first_job(sent)
    jobs = jobs_of(calls, first)
    status = jobs[-1]["TransformJobStatus"] if jobs else None
    job = nth_job(first, max(1, len(jobs)))
    left: Sequence[Photo] = []
    if status in BUSY:
        print(f"{job} is running already")
        left = photos_of(calls, labelling, job, sent)
    elif status == "Completed" and not arguments.again:
        print(f"{job} has done this already (--again does it once more)")
    else:
        left = sent if arguments.again or not jobs else _unanswered(calls, labelling, sent, jobs)
        if left:
            job = nth_job(first, len(jobs) + 1)
            machines = Instances(labelling.kind, labelling.machines)
            print(f"costs, while it runs: {hourly_costs(calls, machines, 'Batch Transform')}")
            if not (arguments.yes or calls.dry_run or ask(f"Label {len(left)} photos?")):
                print("nothing was started")
                return 1
            start_job(calls, labelling, job, left)
    if calls.dry_run:
        return 0
    progress = Progress(calls, labelling, left)
    ended: dict[str, Any] = {}

    def wait() -> int:
        ended.update(wait_for_job(calls, job, arguments.timeout * 60, progress.told))
        return 0

    if status := watch(job, "the same command", STOPPED, lambda: stop_job(calls, job), wait):
        return status
    answers = answers_below(calls, out, (jobs or [ended])[0]["CreationTime"])
    return _tell(calls, labelling, photos, answers, ended, arguments.output)


def _unanswered(
    calls: Calls, labelling: Labelling, photos: Sequence[Photo], jobs: Sequence[dict[str, Any]]
) -> list[Photo]:
    """The photos that the jobs so far have left out."""
    answers = answers_below(calls, labelling.out, jobs[0]["CreationTime"])
    left = [photo for photo in photos if not answer_to(photo, labelling.source, answers)]
    job, status = jobs[-1]["TransformJobName"], jobs[-1]["TransformJobStatus"]
    print(f"{job} is {status}; {len(left)} photos have no answer yet")
    return left


def _tell(
    calls: Calls,
    labelling: Labelling,
    photos: Sequence[Photo],
    answers: set[str],
    ended: dict[str, Any],
    output: str,
) -> int:
    """Write the merged file, print the table, and say whether all went well."""
    with tempfile.TemporaryDirectory() as folder:
        on_s3 = output.startswith("s3://")
        path = Path(folder) / "labels.jsonl" if on_s3 else Path(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        counts = merge(calls, photos, answers, labelling.source, labelling.out, path)
        if on_s3:
            bucket, key = location(output)
            with plain_errors(f"writing {output}"):
                calls.client("s3").upload_file(str(path), bucket, key)
    print(counts.table())
    print(f"one line per photo: {output}")
    if ended["TransformJobStatus"] != "Completed":
        print(
            f"{ended['TransformJobName']} is {ended['TransformJobStatus']}. AWS says: "
            f"{ended.get('FailureReason') or 'no reason'}. Its log: CloudWatch, "
            "/aws/sagemaker/TransformJobs"
        )
    if counts.errors["no_answer"]:
        print("Run the same command again to label what has no answer, or with --again all")
    return 1 if counts.errors["no_answer"] else 0
