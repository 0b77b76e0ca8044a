"""Follow a training job: what state it is in, what it says, what it left, what it cost."""

from __future__ import annotations

import sys
import time
from typing import Any

from botocore.exceptions import ClientError

from training.aws import code_of, plain_errors
from training.cloud.calls import is_missing
from training.cloud.jobs.measures import OBJECTIVE
from training.errors import CloudError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
POLL_SECONDS = 5.0
ENDED = ("Completed", "Failed", "Stopped")


class Log:
    """What a job tells, each once: its states, and the lines of each of its containers."""

    def __init__(self, logs: Any, job: str) -> None:
        """`logs` is a client of CloudWatch Logs."""
        self.logs, self.job = logs, job
        self.tokens: dict[str, str] = {}
        self.states = 0
        self.denied = False

    def show_states(self, job: dict[str, Any]) -> None:
        """Print the states that are new in a description of the job."""
        states = job.get("SecondaryStatusTransitions", [])
        for state in states[self.states :]:
            print(f"-- {state['Status']}: {state.get('StatusMessage', '')}", flush=True)
        self.states = len(states)

    def show(self) -> None:
        """Print what is new; before a container has started there is no log."""
        try:
            streams = self._streams()
            for stream in streams:
                # The name of a stream is JOB/HOST-TIME.
                prefix = f"[{stream.partition('/')[2].rpartition('-')[0]}] "
                for line in self._new_lines(stream):
                    print(f"{prefix if len(streams) > 1 else ''}{line}", flush=True)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return
            if "AccessDenied" not in code_of(error):
                raise
            if not self.denied:
                print(f"note: the job's log may not be read: {error}", file=sys.stderr)
            self.denied = True

    def _streams(self) -> list[str]:
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self.job}/"
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    def _new_lines(self, stream: str) -> list[str]:
        lines: list[str] = []
        while True:
            token = self.tokens.get(stream)
            answer = self.logs.get_log_events(
                logGroupName=LOG_GROUP,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            lines += [event["message"].rstrip("\n") for event in answer["events"]]
            self.tokens[stream] = answer["nextForwardToken"]
            if answer["nextForwardToken"] == token or not answer["events"]:
                return lines


def describe(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """A job's description; None where there is no such job."""
    with plain_errors(f"looking at the job {name}"):
        try:
            return dict(sagemaker.describe_training_job(TrainingJobName=name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise


def follow(sagemaker: Any, log: Log, seconds: float = POLL_SECONDS) -> dict[str, Any]:
    """Print a job's states and log until it has ended, and give its last description."""
    while True:
        job = describe(sagemaker, log.job)
        if job is None:
            raise CloudError(f"there is no job {log.job} any more")
        log.show_states(job)
        with plain_errors(f"reading the log of {log.job}"):
            log.show()
        if job["TrainingJobStatus"] in ENDED:
            return job
        time.sleep(seconds)


_LIMITS = {
    "MaxRuntimeExceeded": "it ran as long as --max-hours allows",
    "MaxWaitTimeExceeded": "it waited and ran as long as --max-wait-hours allows: AWS had too "
    "little spare capacity for --spot",
}


def summary(job: dict[str, Any]) -> tuple[int, str]:
    """The exit status of a job that has ended, and what it left and cost, in lines."""
    name, status = job["TrainingJobName"], job["TrainingJobStatus"]
    lines = [f"{name}: {status}"]
    if job.get("FailureReason"):
        lines.append(f"why: {job['FailureReason']}{_advice(job['FailureReason'])}")
    if limit := _LIMITS.get(job.get("SecondaryStatus", "")):
        lines.append(f"why: {limit}")
    checkpoints = job.get("CheckpointConfig", {}).get("S3Uri")
    if status == "Completed":
        lines.append(f"artifact: {job['ModelArtifacts']['S3ModelArtifacts']}")
    elif status == "Stopped":
        # AWS names one here too; `train` writes it at the end only, and a checkpoint before.
        going_on = f"; the same flags with --checkpoints {checkpoints} go on from there"
        lines.append(f"no artifact: it was stopped before the end{going_on if checkpoints else ''}")
    metrics = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    if OBJECTIVE in metrics:
        lines.append(f"accuracy on valid: {metrics[OBJECTIVE]:.2%}")
    if checkpoints:
        lines.append(f"checkpoints: {checkpoints}")
    lines.append(_cost(job))
    return (0 if status == "Completed" else 1), "\n".join(lines)


def _cost(job: dict[str, Any]) -> str:
    billable, trained = job.get("BillableTimeInSeconds"), job.get("TrainingTimeInSeconds")
    if billable is None:
        return "billable seconds: AWS tells none"
    resources = job["ResourceConfig"]
    instances = resources.get("InstanceCount", 1)
    text = f"billable seconds: {billable:,} on {instances} x {resources.get('InstanceType')}"
    if job.get("EnableManagedSpotTraining") and trained:
        text += f"; spot saved {1 - billable / trained:.0%} of {trained:,}"
    return text


def _advice(reason: str) -> str:
    for word, advice in (
        ("CapacityError", "AWS has no such instance free: again later, or another instance type"),
        ("InternalServerError", "a fault of AWS: the same command may work the next time"),
        ("OutOfMemory", "a smaller --batch-size, or an instance with more memory"),
        ("out of memory", "a smaller --batch-size, or an instance with more memory"),
        ("AccessDenied", "the role lacks rights: training/cloud/policies/training-role.json"),
        ("No space left", "a larger --volume-gb"),
    ):
        if word in reason:
            return f" ({advice})"
    return ""
