"""What a job's metrics are read from: the JSON line that `train` prints per epoch."""

from __future__ import annotations

OBJECTIVE = "valid:accuracy"
"""What tuning makes as large as it can; the mean over the sources."""

NUMBER = r"([0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)"

METRICS = {
    "train:loss": "train_loss",
    "train:accuracy": "train_accuracy",
    "valid:loss": "valid_loss",
    OBJECTIVE: "valid_accuracy",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}
"""Metric to field of the line."""


def definitions() -> list[dict[str, str]]:
    """SageMaker's metric definitions: a name, and a regular expression with one group each."""
    return [{"Name": name, "Regex": f'"{field}": {NUMBER}[,}}]'} for name, field in METRICS.items()]
