"""What can be tuned in a training run, as one dataclass; `flags` fills it from the command line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from training.blend import Mix
from training.mixture import Balance
from training.networks import INPUT_SIZE, Architecture


@dataclass(frozen=True)
class Options:
    """Everything that a training run depends on; see `flags.add_arguments` for what each means."""

    data: tuple[Path, ...]
    weights: str
    output: Path
    model_dir: Path
    checkpoint_dir: Path
    version: str
    architecture: Architecture
    pretrained: bool
    start_from: str | None
    epochs: int
    batch_size: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup: float
    label_smoothing: float
    finer: float
    teachers: str
    ema_decay: float
    augment: float
    augment_of: str
    mix: Mix
    balance: Balance
    small_size: int
    small_share: float
    precision: Literal["auto", "float32", "bfloat16"]
    early_stop: int
    seed: int
    threads: int
    resume: bool
    diagnose: Literal["stop", "warn", "off"]
    profile: Path | None
    command: str

    @property
    def teacher_names(self) -> list[str]:
        """The runs and artifacts of `--teachers`, as they are given."""
        return [name for name in self.teachers.split(",") if name]

    def image_size(self, epoch: int) -> int:
        """Edge of the images in pixels, from `small_size` up, in steps of 16; epochs from 1 on.

        Growing by steps, since what was learnt at one size is of little use at quite another at
        first. Source: Tan and Le, "EfficientNetV2", 2021.
        """
        growing = round(self.epochs * self.small_share)
        if epoch > growing:
            return INPUT_SIZE
        size = self.small_size + (INPUT_SIZE - self.small_size) * (epoch - 1) / growing
        return max(self.small_size, int(size) // 16 * 16)

    def hyperparameters(self) -> dict[str, str | int | float | bool | None]:
        """What decides the result: what a resumed run must share, and the model card shows."""
        elsewhere = {"data", "output", "model_dir", "checkpoint_dir", "version", "resume"}
        elsewhere |= {"threads", "profile", "diagnose", "command"}
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if name not in elsewhere}
