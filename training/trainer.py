"""The training loop: one-cycle, averaged weights, checkpoints that can be resumed anywhere.

All random numbers of a step follow from the seed and the step's number, so a run that was
interrupted and resumed, even within an epoch, gives the same result as one that was not.
"""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from app.card import DataSource
from training import checkpoint
from training.augment import augment
from training.batches import Batches, Images
from training.blend import make_blend
from training.data.loading import Split
from training.diagnose import Diagnosis
from training.distributed import Processes
from training.errors import CheckpointError
from training.mixture import Mixture
from training.networks import INPUT_SIZE, channels_last, normalise
from training.objective import Objective
from training.optimisation import make_average, make_optimizer, one_cycle, update_average
from training.options import Options
from training.profiling import Profile


class RunInterrupted(Exception):
    """The run was asked to end; its checkpoint is written."""


class Trainer:
    """Trains one network on one split and watches another."""

    def __init__(
        self,
        network: nn.Module,
        mixture: Mixture,
        objective: Objective,
        valid: dict[str, Split],
        options: Options,
        sources: list[DataSource],
        processes: Processes,
        diagnosis: Diagnosis | None,
        profile: Profile,
        precision: torch.dtype,
    ) -> None:
        """Make everything ready for the first step; `valid` holds the splits by source.

        `sources` is what the result will have learnt from.
        """
        self.options, self.processes, self.profile = options, processes, profile
        self.sources = sources
        self.diagnosis, self.precision = diagnosis, precision
        device, rank, world = processes.device, processes.rank, processes.world
        self.network = channels_last(network.to(device))
        self.average = make_average(self.network)
        self.parallel = processes.wrap(self.network)
        self.optimizer = make_optimizer(self.network, options)
        self.objective = objective
        self.train = Batches(
            mixture, objective.labels, options.batch_size, options.seed, rank, world, device
        )
        self.valid = {name: Images(split, rank, world, device) for name, split in valid.items()}
        self.blend = make_blend(options.mix, objective.kinds)
        self.data, self.digest = mixture.sizes, mixture.split.digest
        self.valid_digests = {name: split.digest for name, split in valid.items()}
        self.missing = mixture.missing
        self.step = 0
        self.sums = torch.zeros(3, dtype=torch.float64)  # loss, right answers, images
        self.seconds = 0.0  # what the epoch has taken before an interruption
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"valid_loss": math.inf, "epoch": 0, "network": None}
        self.interrupted = False

    def fit(self) -> None:
        """Train to the end; `checkpoint.result` reads the result off the last checkpoint.

        Raises:
            RunInterrupted: `interrupted` was set from outside; a checkpoint is written.
            TrainingStopped: a rule of the diagnosis ended the run.
        """
        is_first = self.processes.is_first
        writer = SummaryWriter(self.options.output / "tensorboard") if is_first else None
        while len(self.history) < self.options.epochs and not self._stops_early():
            self._epoch()
            if writer is not None:
                for name, value in self.history[-1].items():
                    writer.add_scalar(name, value, len(self.history))
                writer.flush()
        if writer is not None:
            writer.close()

    def _stops_early(self) -> bool:
        since = self.history[int(self.best["epoch"]) :]
        waited: int = sum(record["size"] == INPUT_SIZE for record in since)
        return 0 < self.options.early_stop <= waited

    def _epoch(self) -> None:
        epoch, started = len(self.history) + 1, time.monotonic() - self.seconds
        size = self.options.image_size(epoch)
        self.parallel.train()
        first_step = self.step - (epoch - 1) * self.train.steps
        bar = tqdm(
            self.train.in_epoch(epoch, size, first_step),
            f"epoch {epoch}/{self.options.epochs}, {size} px",
            self.train.steps,
            initial=first_step,
            unit="step",
            mininterval=0.1 if sys.stderr.isatty() else 30,  # a log wants a line now and then
            disable=not self.processes.is_first,
        )
        for images, labels, strength in bar:
            self._step(images, labels, strength)
            loss, right, seen = self.sums.tolist()
            steps = self.step - (epoch - 1) * self.train.steps
            rate = steps * self.options.batch_size / (time.monotonic() - started)
            text = f"loss {loss / seen:.3f}, accuracy {right / seen:.2%}, {rate:.0f} images/s"
            bar.set_postfix_str(text, refresh=False)
            if self.processes.any(self.interrupted):
                self.seconds = time.monotonic() - started
                self.save()
                raise RunInterrupted
        train_loss, train_accuracy, seen = self._means(self.sums)
        self.sums.zero_()
        self.seconds = 0.0
        measured = {name: self._validate(images, size) for name, images in self.valid.items()}
        valid_loss, valid_accuracy = (
            sum(values) / len(measured) for values in zip(*measured.values(), strict=True)
        )
        per_source = {
            f"valid_accuracy_{name}": round(accuracy, 5) for name, (_, accuracy) in measured.items()
        }
        seconds = time.monotonic() - started
        self.history.append(
            {
                "epoch": epoch,
                "size": size,
                "train_loss": round(train_loss, 5),
                "train_accuracy": round(train_accuracy, 5),
                "valid_loss": round(valid_loss, 5),
                "valid_accuracy": round(valid_accuracy, 5),
                **(per_source if len(measured) > 1 else {}),
                "learning_rate": round(self.optimizer.param_groups[0]["lr"], 7),
                "images_per_second": round(seen / seconds, 1),
                "seconds": round(seconds, 1),
            }
        )
        # Losses at two sizes do not compare, and the best epoch has to know the one it is used at.
        is_judged = self.options.early_stop and size == INPUT_SIZE
        if is_judged and valid_loss < self.best["valid_loss"]:
            state = {key: value.clone() for key, value in self.average.module.state_dict().items()}
            self.best = {"valid_loss": valid_loss, "epoch": epoch, "network": state}
        self._report_epoch()
        try:
            if self.diagnosis is not None:
                self.diagnosis.check_epoch(
                    epoch, train_loss, valid_loss, train_accuracy, valid_accuracy
                )
        finally:  # after it, so that the checkpoint knows what the diagnosis knows
            self.save()

    def _report_epoch(self) -> None:
        if self.processes.is_first:
            lines = [json.dumps(record) for record in self.history]
            print(lines[-1], flush=True)
            (self.options.output / "history.jsonl").write_text("\n".join(lines) + "\n")

    def _step(self, images: Tensor, labels: Tensor, strength: Tensor) -> None:
        options, phase = self.options, self.profile.phase
        seed = (options.seed * 1_000_003 + self.step) * 1_009 + self.processes.rank
        torch.manual_seed(seed)  # of dropout and of blending
        with phase("data"):
            generator = torch.Generator(images.device).manual_seed(seed)
            batch = normalise(augment(images, strength, generator))
            batch, targets = self.blend(batch, labels)
        with phase("forward"), self._autocast():
            logits = self.parallel(batch).float()
            loss = self.objective.loss(logits, targets, batch)
        with phase("backward"):
            self.optimizer.zero_grad()
            loss.backward()
        if self.diagnosis is not None:
            if self.step == 0:
                self.diagnosis.check_start(loss.item(), self.objective.guess)
            self.diagnosis.check_step(self.step, loss.item())
        with phase("optimiser"):
            progress = self.step / (self.train.steps * options.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = options.learning_rate * one_cycle(progress, options.warmup)
            self.optimizer.step()
            update_average(self.average, self.network, options.ema_decay, self.step)
        self.profile.step()
        self.step += 1
        right = self.objective.right(logits, labels)
        self.sums += torch.tensor([loss.item() * len(labels), right, len(labels)])

    @torch.inference_mode()
    def _validate(self, valid: Images, size: int) -> tuple[float, float]:
        """Mean loss and accuracy of the averaged weights on the valid split of a source."""
        self.average.eval()
        sums = torch.zeros(3, dtype=torch.float64)
        for images, labels in valid.in_order(size):
            with self._autocast():
                logits = self.average(normalise(images)).float()[:, : self.objective.outputs]
            loss = F.cross_entropy(logits, labels, reduction="sum").item()
            right = (logits.argmax(dim=1) == labels).sum().item()
            sums += torch.tensor([loss, right, len(labels)])
        return self._means(sums)[:2]

    def _means(self, sums: Tensor) -> tuple[float, float, float]:
        """Loss and accuracy per image, and the number of images, over all processes."""
        loss, right, seen = self.processes.sum(sums).tolist()
        return loss / seen, right / seen, seen

    def _autocast(self) -> AbstractContextManager[Any]:
        enabled = self.precision != torch.float32
        return torch.autocast(self.processes.device.type, dtype=self.precision, enabled=enabled)

    def save(self) -> None:
        """Write the checkpoint; within an epoch, its sums and seconds so far are kept too."""
        sums = self.processes.sum(self.sums)
        if not self.processes.is_first:
            return
        state = {
            "hyperparameters": self.options.hyperparameters(),
            "command": self.options.command,
            "data": self.data,
            "digest": self.digest,
            "valid_digests": self.valid_digests,
            "missing": self.missing,
            "outputs": self.objective.outputs,
            "sources": [source.model_dump() for source in self.sources],
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sums": sums,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best,
            "diagnosis": self.diagnosis.state_dict if self.diagnosis else None,
        }
        checkpoint.save(self.options.checkpoint_dir, state)

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one.

        Raises:
            CheckpointError: it is of another run, or of other data.
        """
        path = self.options.checkpoint_dir / checkpoint.FILE
        if not path.exists():
            return False
        state = checkpoint.load(path, self.processes.device)
        theirs, ours = state["hyperparameters"], self.options.hyperparameters()
        checkpoint.check_same_run(
            path, theirs | {"data": state.get("data", self.data)}, ours | {"data": self.data}
        )
        for kind, key, digest in (
            ("train", "digest", self.digest),
            ("valid", "valid_digests", self.valid_digests),
        ):
            if state.get(key, digest) != digest:  # earlier versions did not keep it
                raise CheckpointError(
                    f"{path} was written by a run on other data: the images of {kind} have other "
                    "names or labels. Give the data of that run, or another --output"
                )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.history, self.best = state["step"], state["history"], state["best"]
        if self.processes.is_first:  # the others count from zero: what is saved is the sum of all
            self.sums = state["sums"].cpu()
        self.seconds = state.get("seconds", 0.0)  # earlier versions did not keep it
        if self.diagnosis is not None and state["diagnosis"]:
            self.diagnosis.load_state_dict(state["diagnosis"])
        return True
