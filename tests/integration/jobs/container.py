"""A training job's container without the container: its folders, its files, its processes.

What SageMaker lays below /opt/ml is laid below a folder of the test, from the job's request and
S3; then the job's own command runs, both of SageMaker's ways.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ML = "/opt/ml"
SECONDS = 800
"""A training of seconds, on a machine that may have other work."""


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            parents[int(fields["Pid"])] = int(fields["PPid"])
    children = [child for child, parent in parents.items() if parent == pid]
    return children + [below for child in children for below in descendants(child)]


@dataclass
class Container:
    """One instance of a job; `root` stands for /opt/ml."""

    root: Path
    process: subprocess.Popen[str] | None = None

    def fill(self, request: Mapping, s3, hosts: tuple[str, ...] = ("algo-1",), host: int = 0):
        """Lay out the request's channels and configuration, as SageMaker does."""
        for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        channels = {}
        for channel in request["InputDataConfig"]:
            name = channel["ChannelName"]
            channels[name] = {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            self._download(channel["DataSource"]["S3DataSource"]["S3Uri"], name, s3)
        group = {"instance_group_name": "homogeneousCluster", "hosts": list(hosts)}
        group["instance_type"] = request["ResourceConfig"]["InstanceType"]
        self._config("inputdataconfig", channels)
        self._config(
            "resourceconfig",
            {
                "current_host": hosts[host],
                "hosts": list(hosts),
                "network_interface_name": "lo",
                "current_instance_type": group["instance_type"],
                "current_group_name": "homogeneousCluster",
                "instance_groups": [group],
            },
        )
        values = {k: self.here(v) for k, v in request["HyperParameters"].items()}
        self._config("hyperparameters", values)
        for path in (self.root / "input/data/sm_drivers").rglob("*"):
            if path.suffix in (".py", ".sh", ".json"):
                path.write_text(self.here(path.read_text()))
        return self

    def here(self, text: str) -> str:
        return text.replace(ML, str(self.root))

    def start(self, command: list[str], environment: Mapping[str, str]) -> Container:
        """Start a command as the container's processes, a group of their own."""
        self.process = subprocess.Popen(
            [self.here(word) for word in command],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                "TRAINING_JOB_NAME": "garment-test",
                # What is installed is enough, and nothing may be changed by a test.
                "PIP_NO_INDEX": "1",
                "OMP_NUM_THREADS": "1",
                "OMP_WAIT_POLICY": "PASSIVE",
                **environment,
            },
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def drive(self, request: Mapping) -> Container:
        """Start as `ModelTrainer`'s jobs start: by the SDK's own driver."""
        algorithm = request["AlgorithmSpecification"]
        command = [*algorithm["ContainerEntrypoint"], *algorithm["ContainerArguments"]]
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self.start(command, {"PATH": tools, **request.get("Environment", {})})

    def read_until(self, text: str) -> str:
        """What it says up to a line with this text."""
        said = ""
        for line in self.process.stdout:
            said += line
            if text in line:
                return said
        raise AssertionError(f"never said {text!r}:\n{said[-4000:]}")

    def terminate(self) -> None:
        """What a container hears before a spot instance ends: its first process, no other."""
        self.process.send_signal(signal.SIGTERM)

    def take_over(self, lost: Container) -> None:
        """What SageMaker copied to S3 while the lost one ran, it copies back before the start."""
        there = self.root / "checkpoints"
        there.rmdir()
        shutil.copytree(lost.root / "checkpoints", there)

    def finish(self) -> tuple[int, str]:
        """Wait for the end: the exit status, and what it said. Nothing is left running."""
        try:
            said, _ = self.process.communicate(timeout=SECONDS)
            return self.process.returncode, said
        finally:
            self.kill()

    def kill(self) -> None:
        """All its processes end at once, as when the machine is taken away."""
        if self.process is not None:
            for pid in [self.process.pid, *descendants(self.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()

    def failure(self) -> str:
        """What becomes the job's FailureReason."""
        return (self.root / "output/failure").read_text()

    def _config(self, name: str, content: object) -> None:
        path = self.root / f"input/config/{name}.json"
        path.write_text(json.dumps(content))

    def _download(self, uri: str, channel: str, s3) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                key = found["Key"]
                name = key.rpartition("/")[2] if key == prefix else key[len(prefix) :].lstrip("/")
                path = self.root / "input/data" / channel / name
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, key, str(path))
