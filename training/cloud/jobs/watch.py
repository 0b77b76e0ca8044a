"""Follow a training job: what state it is in, what it says, what it left, what it cost."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from training.cloud.asking import ask
from training.cloud.aws import code_of, plain_errors
from training.cloud.jobs.measures import OBJECTIVE
from training.errors import CloudError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
POLL_SECONDS = 5.0
ENDED = ("Completed", "Failed", "Stopped")
INTERRUPTED = 130
"""Exit status after Ctrl-C, with the job going on."""


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
            # SageMaker has no code of its own for this.
            if "not found" in str(error).lower() or "could not find" in str(error).lower():
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


def watch(name: str, again: str, stop: Callable[[], object], wait: Callable[[], int]) -> int:
    """Wait for what runs on AWS; Ctrl-C asks whether to stop it, a second one leaves.

    Args:
        name: what it is, for the question.
        again: the command that goes on watching.
        stop: stops it.
        wait: returns when it has ended, with the exit status.
    """
    try:
        return wait()
    except CloudError as error:
        raise CloudError(f"{error}. It goes on; to watch it again: {again}") from error
    except KeyboardInterrupt:
        print()
        if sys.stdin.isatty() and ask(f"Stop {name}? While it runs it costs money."):
            stop()
            print(f"Stopping {name}; what it has learnt so far is kept. (Ctrl-C leaves.)")
            with contextlib.suppress(KeyboardInterrupt):
                return wait()
            return INTERRUPTED
        print(f"{name} goes on and costs money; to watch it again: {again}")
        return INTERRUPTED


def summary(job: dict[str, Any]) -> tuple[int, str]:
    """The exit status of a job that has ended, and what it left and cost, in lines."""
    name, status = job["TrainingJobName"], job["TrainingJobStatus"]
    lines = [f"{name}: {status}"]
    if job.get("FailureReason"):
        lines.append(f"why: {job['FailureReason']}{_advice(job['FailureReason'])}")
    if job.get("SecondaryStatus") == "MaxRuntimeExceeded":
        lines.append("why: it ran as long as --max-hours allows; --checkpoints goes on from there")
    if status != "Failed":
        lines.append(f"artifact: {job['ModelArtifacts']['S3ModelArtifacts']}")
    metrics = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    if OBJECTIVE in metrics:
        lines.append(f"accuracy on valid: {metrics[OBJECTIVE]:.2%}")
    if checkpoints := job.get("CheckpointConfig", {}).get("S3Uri"):
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
