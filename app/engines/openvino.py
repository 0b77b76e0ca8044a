"""The artifact with its network in OpenVINO, which is faster, most of all on one image.

OpenVINO converts the network from the artifact itself; no second file has to be made, shipped or
kept in step. All else (`preprocess`, `backgrounds`, `calibrate`, `explain`) stays the artifact's.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from openvino.preprocess import PrePostProcessor

from app.artifact import Artifact, Precision
from app.engines.compiled import read_compiled, write_compiled
from app.engines.torchscript import TorchScriptEngine

DEVICE = "CPU"
CONVERSION = 1
"""To be raised when `_convert` changes, so that what was cached before is left alone."""


_log = logging.getLogger(__name__)


class OpenVINOEngine(TorchScriptEngine):
    """Runs an artifact; see `app.engines.Engine`."""

    name = "openvino"

    def __init__(
        self, artifact: Artifact, precision: Precision, threads: int, cache: Path | None = None
    ) -> None:
        """Load the artifact's module and compile its network, or take the one compiled before.

        Args:
            artifact: a verified one.
            precision: of the network.
            threads: of one inference.
            cache: folder for compiled networks, below the artifact's SHA-256.

        Raises:
            EngineError: torch cannot load the artifact.
            RuntimeError: OpenVINO cannot convert or compile it.
        """
        super().__init__(artifact, precision, threads)
        core = openvino.Core()
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all threads
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
            # Several processes would pin their threads to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        path = cache / artifact.sha256 / _file_name(core, precision) if cache else None
        network = _cached(core, path, options) if path else None
        if network is None:
            network = core.compile_model(_convert(artifact.path), DEVICE, options)
            if path:
                write_compiled(path, network.export_model().getvalue())
        self._network = network

    def _logits(self, batch: torch.Tensor) -> torch.Tensor:
        """The network's outputs for a float32 batch, whatever its precision."""
        # Channels last, as `preprocess` leaves them: what OpenVINO sees is no copy.
        pixels = batch.permute(0, 2, 3, 1).contiguous().numpy()
        return torch.from_numpy(self._network([pixels], share_inputs=True)[0])


class _Network(torch.nn.Module):
    """An artifact's `logits` as `forward`, which is what OpenVINO converts."""

    def __init__(self, artifact: Any) -> None:
        super().__init__()
        self.artifact = artifact

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.artifact.logits(batch)  # type: ignore[no-any-return]


def _cached(core: Any, path: Path, options: dict[str, Any]) -> Any:
    """The network compiled by an earlier start; None when there is none that can be used."""
    data = read_compiled(path)
    try:
        return None if data is None else core.import_model(data, DEVICE, options)
    except RuntimeError:
        _log.warning("the compiled model in the cache is not taken and made anew: %s", path)
        return None


def _convert(path: Path) -> Any:
    """The artifact's network for float32 `[N, 112, 112, 3]`, any N.

    By OpenVINO's frontend alone: `openvino.convert_model` does the same, but has telemetry.
    """
    # Not `load_module`: what is frozen cannot become part of another module.
    artifact = torch.jit.load(path, map_location="cpu").eval().float()
    network = torch.jit.freeze(torch.jit.script(_Network(artifact).eval()))
    frontend = FrontEndManager().load_by_framework("pytorch")
    # The decoder has to outlive the conversion, which keeps no reference to it.
    decoder = TorchScriptPythonDecoder(network)
    model = frontend.convert(frontend.load(decoder))
    edges = PrePostProcessor(model)
    edges.input().tensor().set_element_type(openvino.Type.f32).set_layout(openvino.Layout("NHWC"))
    edges.input().model().set_layout(openvino.Layout("NCHW"))
    return edges.build()


def _file_name(core: Any, precision: Precision) -> str:
    """Of the compiled network: it fits one release of OpenVINO and one kind of processor."""
    parts = [
        CONVERSION,
        openvino.get_version(),
        core.get_property(DEVICE, "FULL_DEVICE_NAME"),
        sorted(core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")),
    ]
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return f"openvino-{precision}-{key}.bin"
