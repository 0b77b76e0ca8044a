"""The artifact as it is: TorchScript on the processor."""

from __future__ import annotations

import threading
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image

from app.artifact import Artifact, Precision, load_module
from app.card import BACKGROUNDS
from app.cpu import is_fast_at_bfloat16
from app.engines import EngineError, EngineName, EnginePrecision, Explanation, Pixels, Scores
from app.upright import WAYS


class TorchScriptEngine:
    """Runs an artifact; see `app.engines.Engine`."""

    name: EngineName = "torchscript"

    def __init__(
        self, artifact: Artifact, precision: Precision, threads: int, parallel: int = 1
    ) -> None:
        """Load the artifact's module.

        Args:
            artifact: a verified one.
            precision: of the network.
            threads: of all inferences together.
            parallel: how many inferences share the threads.

        Raises:
            EngineError: torch cannot load it.
        """
        self.precision: EnginePrecision = precision
        self.parallel = parallel
        self._threads = max(1, threads // parallel)
        self._own = threading.local()
        self._limit_threads()
        # In bfloat16 2.5 times as fast one by one, 1.3 times in batches; in float32 little faster,
        # for twice the memory. This holds for the process.
        can_fuse = is_fast_at_bfloat16()  # other processors may lack oneDNN
        self._is_fused = can_fuse and precision == "bfloat16"
        if can_fuse:
            torch.jit.enable_onednn_fusion(self._is_fused)
        self._dtype = torch.float32 if precision == "float32" else torch.bfloat16
        self._rejects, self._turns = artifact.card.can_reject, artifact.card.can_turn
        try:
            # Frozen, and no more: torch.jit.optimize_for_inference has known wrong results.
            module = load_module(artifact.path, precision)
        except (RuntimeError, OSError) as error:
            raise EngineError(f"{artifact.path}: cannot be loaded: {error}") from error
        self._module: Any = module

    def prepare(self, image: Image.Image) -> Pixels:
        """The image's pixels: the artifact's own `preprocess` does the rest, a batch at a time."""
        return np.asarray(image)

    def run(self, images: list[Pixels], alone: bool = False) -> list[Scores]:  # noqa: ARG002
        """The scores of uint8 RGB `[H, W, 3]` images, in order; `alone` makes no difference."""
        self._limit_threads()
        with torch.inference_mode():
            batch = self._filled_up(self._preprocess(images))
            backgrounds = self._module.backgrounds(batch)
            logits = self._module.logits(self._in_precision(batch))
            probabilities, garment = self._module.calibrate(logits, backgrounds)
            ways: list[tuple[float, ...] | None] = [None] * len(batch)
            if self._turns:
                ways = [tuple(row) for row in logits[:, -WAYS:].tolist()]
        found = probabilities.tolist(), garment.tolist(), backgrounds.tolist(), ways
        return [
            Scores(tuple(row), known if self._rejects else None, BACKGROUNDS[background], way)
            for row, known, background, way in islice(zip(*found, strict=True), len(images))
        ]

    def explain(self, image: Pixels, class_id: int) -> Explanation:
        """Where in a uint8 RGB `[H, W, 3]` image the evidence for a category lies."""
        self._limit_threads()
        with torch.inference_mode():
            batch = self._preprocess([image])
            heat = self._module.explain(self._in_precision(batch), torch.tensor([class_id]))
            seen = self._module.seen(batch)
        return Explanation(seen[0].permute(1, 2, 0).contiguous().numpy(), heat[0].numpy())

    def _limit_threads(self) -> None:
        """Torch keeps for each thread that calls it how many others it may use."""
        if getattr(self._own, "threads", None) is None:
            torch.set_num_threads(self._threads)
            self._own.threads = self._threads

    def _preprocess(self, images: list[Pixels]) -> torch.Tensor:
        """Float32, whatever the network's precision."""
        batch: torch.Tensor = self._module.preprocess([_tensor(image) for image in images])
        return batch

    def _filled_up(self, batch: torch.Tensor) -> torch.Tensor:
        """The batch with black images up to a power of two, where operations are fused.

        They are compiled for each size of a batch, with a copy of the weights for each.
        """
        if not self._is_fused:
            return batch
        missing = (1 << (len(batch) - 1).bit_length()) - len(batch)
        return torch.nn.functional.pad(batch, [0] * 7 + [missing])

    def _in_precision(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.to(self._dtype).contiguous(memory_format=torch.channels_last)


def _tensor(image: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
