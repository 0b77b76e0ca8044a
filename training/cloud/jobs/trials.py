"""The trials of a tuning: a table, and the best as a config for `train --config`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.aws import plain_errors
from training.cloud.jobs.hyperparameters import CONTAINER, Hyperparameters

_OF_THE_JOB = (*CONTAINER, "resume", "profile")


@dataclass(frozen=True)
class Trial:
    """One training job of a tuning; `accuracy` is None before it has one."""

    job: str
    status: str
    tuned: Hyperparameters
    accuracy: float | None
    why: str


def trials(sagemaker: Any, name: str) -> list[Trial]:
    """The trials of a tuning so far, the best first.

    Raises:
        CloudError: they cannot be listed.
    """
    with plain_errors(f"listing the trials of {name}"):
        pages = sagemaker.get_paginator(
            "list_training_jobs_for_hyper_parameter_tuning_job"
        ).paginate(HyperParameterTuningJobName=name)
        found = [_trial(job) for page in pages for job in page["TrainingJobSummaries"]]
    return sorted(found, key=lambda trial: -1.0 if trial.accuracy is None else trial.accuracy)[::-1]


def _trial(summary: dict[str, Any]) -> Trial:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    return Trial(
        job=summary["TrainingJobName"],
        status=summary["TrainingJobStatus"],
        tuned={name: value.strip('"') for name, value in summary["TunedHyperParameters"].items()},
        accuracy=metric.get("Value"),
        why=summary.get("FailureReason", ""),
    )


def table(found: list[Trial]) -> str:
    """The trials in columns, numbers to four digits."""
    names = sorted({name for trial in found for name in trial.tuned})
    rows = [["accuracy", *names, "status", "job"]]
    for trial in found:
        accuracy = "-" if trial.accuracy is None else f"{trial.accuracy:.2%}"
        values = [_short(trial.tuned.get(name, "-")) for name in names]
        rows.append([accuracy, *values, trial.status, trial.job])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [f"{trial.job}: {trial.why}" for trial in found if trial.why]
    return "\n".join(lines)


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def write_config(best: Trial, static: Hyperparameters, path: Path) -> None:
    """Write the flags of a trial as JSON, without those that are the container's.

    Args:
        best: the trial.
        static: the hyperparameters that all trials share.
        path: the file; its folder is made.
    """
    flags = {
        name: _value(value)
        for name, value in {**static, **best.tuned}.items()
        if name not in _OF_THE_JOB and not name.startswith(("sagemaker_", "_"))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(flags, indent=1) + "\n", encoding="utf-8")


def _value(text: str) -> str | int | float | bool:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text
