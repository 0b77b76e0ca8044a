"""The artifact's network in OpenVINO: faster than TorchScript, most of all on one image.

Made from the artifact itself at each start, so no second file has to be shipped or kept in step,
and without torch, which makes the start faster and the process smaller.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from PIL import Image

from app.artifact import Artifact
from app.card import BACKGROUNDS, CATEGORIES
from app.engines import EngineName, EnginePrecision, Explanation, Pixels, Scores
from app.engines.networks import MAPS, build_model
from app.letterbox import backgrounds, letterbox
from app.upright import WAYS
from app.weights import read_weights

DEVICE = "CPU"
_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))

STEP, MOVES, BEFORE, AFTER = 8, 4, 32, 48
"""Of an explanation: pixels from one view of the image to the next, views in each direction, and
pixels around the image, so many that no cell of a map that shows it lies at a view's edge."""


class OpenVINOEngine:
    """Runs an artifact; see `app.engines.Engine`."""

    name: EngineName = "openvino"

    def __init__(
        self,
        artifact: Artifact,
        precision: EnginePrecision,
        threads: int,
        parallel: int = 1,
        threads_alone: int = 1,
    ) -> None:
        """Build and compile the artifact's network.

        Args:
            artifact: a verified one; int8 needs its `ranges`.
            precision: of the network.
            threads: of all inferences together.
            parallel: how many inferences share the threads.
            threads_alone: of an inference while nothing else is going on, if they are more.

        Raises:
            ArtifactError: its weights cannot be read.
            KeyError: it has other layers than its card says.
            RuntimeError: OpenVINO cannot compile it.
        """
        self.precision = precision
        self.parallel = parallel
        card = artifact.card
        self._size, self._rejects = card.input_size, card.can_reject
        limits = [card.calibration[background] for background in BACKGROUNDS]
        self._temperatures = np.array([[each.temperature] for each in limits], np.float32)
        self._garment = np.array([[each.garment_temperature] for each in limits], np.float32)
        self._turns = card.can_turn
        self._threads = max(threads, threads_alone)
        self._architecture = card.architecture
        weights = read_weights(artifact.path)
        self._weights = {name.removeprefix("network."): each for name, each in weights.items()}
        ranges = {layer.name: layer for layer in artifact.ranges or []}
        model = build_model(
            card.architecture,
            self._weights,
            (-1, self._size, self._size),
            ranges=ranges if precision == "int8" else None,
        )
        core = _core()
        self._network = core.compile_model(model, DEVICE, _options(precision, threads, parallel))
        # One image on its own is inferred by several threads together, in about half the time.
        self._wide = self._network
        if threads_alone > max(1, threads // parallel):
            options = _options(precision, threads_alone, 1)
            self._wide = core.compile_model(model, DEVICE, options)
        self._own = threading.local()
        self._maps: Any = None
        self._making_maps = threading.Lock()

    def prepare(self, image: Image.Image) -> Pixels:
        """The network's input, uint8 `[112, 112, 3]`, of an RGB image of any size."""
        return letterbox(image, self._size)

    def run(self, images: list[Pixels], alone: bool = False) -> list[Scores]:
        """The scores of images as `prepare` gives them, in order."""
        batch = np.stack(images)
        seen = backgrounds(batch)
        request = self._request(wide=alone)
        logits = request.infer([batch], share_inputs=True, share_outputs=True)[0]
        categories = _softmax(logits[:, : len(CATEGORIES)] / self._temperatures[seen])
        # As the artifact's own `calibrate`: where the least confidence is 1, no answer has it.
        categories = categories.clip(max=_BELOW_ONE)
        garment = [None] * len(images)
        if self._rejects:
            both = logits[:, : len(CATEGORIES) + 1] / self._garment[seen]
            garment = (1 - _softmax(both)[:, len(CATEGORIES)]).tolist()
        ways: list[tuple[float, ...] | None] = [None] * len(images)
        if self._turns:
            ways = [tuple(row) for row in logits[:, -WAYS:].tolist()]
        rows = zip(categories.tolist(), garment, seen.tolist(), ways, strict=True)
        return [
            Scores(tuple(row), known, BACKGROUNDS[around], way) for row, known, around, way in rows
        ]

    def explain(self, image: Pixels, class_id: int) -> Explanation:
        """Where in an image, as `prepare` gives it, the evidence for a category lies.

        The same as the artifact's own `explain`: 16 views of the image, moved by 8 pixels each,
        whose coarse maps are put together to one.
        """
        cells = self._size // STEP + 1
        network = self._explainer()
        if network is None:
            return Explanation(image, np.zeros((cells, cells), np.float32))
        around = np.pad(image, ((BEFORE, AFTER), (BEFORE, AFTER), (0, 0)), mode="edge")
        moves = range(0, MOVES * STEP, STEP)
        edge = self._view
        views = np.stack([around[y : y + edge, x : x + edge] for y in moves for x in moves])
        # A request of its own: the network's is shared by all threads.
        maps = network.create_infer_request().infer([views])[0][:, class_id]
        rows = maps.shape[1]
        heat: NDArray[np.float32] = maps.reshape(MOVES, MOVES, rows, rows).transpose(2, 0, 3, 1)
        heat = np.reshape(heat, (MOVES * rows, MOVES * rows))
        first = BEFORE // STEP  # those before lie outside the image
        heat = heat[first : first + cells, first : first + cells].clip(min=0)
        return Explanation(image, heat / max(float(heat.max()), 1e-6))

    def _request(self, wide: bool) -> Any:
        """One of this thread's own: its buffers are used again by the thread's next run."""
        name = "wide" if wide else "narrow"
        request = getattr(self._own, name, None)
        if request is None:
            request = (self._wide if wide else self._network).create_infer_request()
            setattr(self._own, name, request)
        return request

    @property
    def _view(self) -> int:
        """Edge in pixels of one view of an explanation."""
        return self._size + BEFORE + AFTER - (MOVES - 1) * STEP

    def _explainer(self) -> Any:
        """The network with the maps as its output, compiled when it is first asked for."""
        with self._making_maps:
            if self._maps is None and self._architecture == "resnet18":
                shape = MOVES**2, self._view, self._view
                model = build_model(self._architecture, self._weights, shape, MAPS)
                options = _options(self.precision, self._threads, 1)
                self._maps = _core().compile_model(model, DEVICE, options)
        return self._maps


def _options(precision: EnginePrecision, threads: int, parallel: int) -> dict[str, Any]:
    return {
        "NUM_STREAMS": parallel,
        "INFERENCE_NUM_THREADS": threads,
        # Of what is not in 8 bits.
        "INFERENCE_PRECISION_HINT": _HINTS.get(precision, "f32"),
        # Several processes would pin their threads to the same cores.
        "ENABLE_CPU_PINNING": False,
    }


@cache
def _core() -> openvino.Core:
    """The only one of this process, which keeps it to its end.

    With the first network that is compiled, OpenVINO gives the thread that compiles a stack for
    its signals, and unmaps it with the last trace of the core. Where another thread lets that go,
    the next signal to the first one, say SIGTERM, ends the process with a segmentation fault.
    Source: `SigAltStackSetup` in OpenVINO's src/plugins/intel_cpu/src/plugin.cpp.
    """
    return openvino.Core()


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
