"""The artifact as it is: TorchScript on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from app.artifact import Artifact, Precision, load_module
from app.engines import EngineError, Pixels, Scores


def fast_precision() -> Precision:
    """bfloat16 where the processor has instructions for it, float32 elsewhere.

    Without them bfloat16 is emulated, and slower than float32.
    """
    capabilities: dict[str, Any] = dict(torch.cpu.get_capabilities())
    fast = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return "bfloat16" if fast else "float32"


class TorchScriptEngine:
    """Runs an artifact; see `app.engines.Engine`."""

    name = "torchscript"

    def __init__(self, artifact: Artifact, precision: Precision, threads: int) -> None:
        """Load the artifact's module.

        Raises:
            EngineError: torch cannot load it.
        """
        torch.set_num_threads(threads)  # holds for the calling thread only
        self.precision: Precision = precision
        self._dtype = torch.float32 if precision == "float32" else torch.bfloat16
        self._rejects = artifact.card.can_reject
        try:
            # Frozen, and no more: torch.jit.optimize_for_inference has known wrong results.
            module = load_module(artifact.path, precision)
        except (RuntimeError, OSError) as error:
            raise EngineError(f"{artifact.path}: cannot be loaded: {error}") from error
        self._module: Any = module

    def run(self, images: list[Pixels]) -> list[Scores]:
        """The scores of uint8 RGB `[H, W, 3]` images, in order."""
        with torch.inference_mode():
            tensors = [_tensor(image) for image in images]
            batch = self._module.preprocess(tensors)  # float32, whatever the network's precision
            logits = self._module.logits(
                batch.to(self._dtype).contiguous(memory_format=torch.channels_last)
            )
            probabilities, garment = self._module.calibrate(logits)
        rows = zip(probabilities.tolist(), garment.tolist(), strict=True)
        return [Scores(tuple(row), known if self._rejects else None) for row, known in rows]


def _tensor(image: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
