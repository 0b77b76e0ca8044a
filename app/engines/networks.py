"""torchvision's ResNet18 and VGG-16 as OpenVINO models, from an artifact's weights.

Built here rather than converted from TorchScript: it takes a tenth of a second instead of five,
needs no torch, and each layer is known by its name, which int8 needs. An artifact whose network is
another one than its card says answers its golden images wrong and is run by another engine.

In int8, each layer's input is rounded to 256 levels over the range that it had on the artifact's
calibration images, each output channel's weights to 255 levels around zero; OpenVINO then runs the
layers in integers. Source: Krishnamoorthi, "Quantizing deep convolutional networks for efficient
inference", 2018, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from app.artifact import LayerRange

LOGITS, MAPS = "logits", "maps"

MEAN = 255 * np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = 255 * np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's pixels: what the artifact's `preprocess` normalises with."""

EPSILON = 1e-5
"""Of torchvision's batch normalisation."""

INPUT_LEVELS, WEIGHT_LEVELS = 256, 255

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of its convolutions; 0 is a pooling."""


def build_model(
    architecture: str,
    weights: Mapping[str, NDArray[Any]],
    shape: tuple[int, int, int],
    output: str = LOGITS,
    ranges: Mapping[str, LayerRange] | None = None,
) -> Any:
    """An `openvino.Model` for uint8 RGB `[N, H, W, 3]`.

    Args:
        architecture: `resnet18` or `vgg16`.
        weights: by torchvision's names.
        shape: N (-1 for any), H and W.
        output: `logits` `[N, C]`, the last four of them of the ways up (see `app.upright`),
            where there are weights for that; or `maps` `[N, C, h, w]`, the evidence for each class
            in each place, which ResNet18 averages.
        ranges: of each layer's input, by its name, for int8; None for floating point.

    Raises:
        KeyError: weights or ranges are missing.
        ValueError: VGG-16 has no maps.
    """
    pixels = ops.parameter([*shape, 3], np.uint8, name="pixels")
    network = _Network(weights, ranges)
    build = {"resnet18": network.resnet18, "vgg16": network.vgg16}[architecture]
    result = build(ops.transpose(_normalised(pixels, shape[2]), np.array([0, 3, 1, 2])), output)
    return openvino.Model([ops.result(result)], [pixels], architecture)


def _normalised(pixels: Any, width: int) -> Any:
    """Float32 of uint8 `[N, H, W, 3]`; a row at once, which takes a fifth of the time."""
    rows = ops.reshape(pixels, np.array([0, 0, 3 * width]), special_zero=True)
    values = ops.subtract(ops.convert(rows, np.float32), np.tile(MEAN, width))
    values = ops.divide(values, np.tile(DEVIATION, width))
    return ops.reshape(values, np.array([0, 0, width, 3]), special_zero=True)


class _Network:
    """Puts layers one after the other."""

    def __init__(
        self, weights: Mapping[str, NDArray[Any]], ranges: Mapping[str, LayerRange] | None
    ) -> None:
        self._weights = weights
        self._ranges = ranges

    def resnet18(self, value: Any, output: str) -> Any:
        value = ops.relu(self._convolution(self._rounded(value, "conv1"), "conv1", 2, 3, "bn1"))
        for layer in (1, 2, 3, 4):
            for block in (0, 1):
                name = f"layer{layer}.{block}"
                # Once for all who take it: what a block adds at its end stays in 8 bits too.
                value = self._rounded(value, f"{name}.conv1")
                if name == "layer1.0":  # rounded later it is the same, in three times the time
                    value = self._maximum(value, 3, 1)
                value = self._block(value, name, 2 if layer > 1 and block == 0 else 1)
            if layer == 3:
                middle = value
        if output == MAPS:
            kernel = self._weights["fc.weight"].astype(np.float32)[:, :, None, None]
            return ops.convolution(value, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        logits = self._linear(ops.reduce_mean(value, np.array([2, 3])), "fc")
        if "orientation.weight" not in self._weights:
            return logits
        parts = [self._quarters(maps) for maps in (middle, value)]
        return ops.concat([logits, self._orientation(ops.concat(parts, 1))], 1)

    def _quarters(self, maps: Any) -> Any:
        """Means over the four quarters of maps `[N, C, h, w]`, as `[N, 4 C]`."""
        means = ops.adaptive_avg_pool(maps, np.array([2, 2]))
        return ops.reshape(means, np.array([0, -1]), special_zero=True)

    def _orientation(self, value: Any) -> Any:
        """In floating point always."""
        kernel, bias = (self._weights[f"orientation.{part}"] for part in ("weight", "bias"))
        value = ops.matmul(value, ops.constant(kernel.astype(np.float32)), False, True)
        return ops.add(value, bias.astype(np.float32))

    def _block(self, value: Any, name: str, stride: int) -> Any:
        first = f"{name}.conv1", stride, 1, f"{name}.bn1"
        inner = ops.relu(self._convolution(value, *first))
        second = f"{name}.conv2", 1, 1, f"{name}.bn2"
        inner = self._convolution(self._rounded(inner, f"{name}.conv2"), *second)
        if f"{name}.downsample.0.weight" in self._weights:
            short = f"{name}.downsample.0", stride, 0, f"{name}.downsample.1"
            value = self._convolution(value, *short)
        return ops.relu(ops.add(inner, value))

    def vgg16(self, value: Any, output: str) -> Any:
        if output == MAPS:
            raise ValueError("VGG-16 has no maps")
        place = 0
        for channels in VGG16:
            if channels:
                name = f"features.{place}"
                value = ops.relu(self._convolution(self._rounded(value, name), name, 1, 1))
                place += 2
            else:
                value = self._maximum(value, 2, 0)
                place += 1
        value = ops.adaptive_avg_pool(value, np.array([7, 7]))
        value = ops.reshape(value, np.array([0, -1]), special_zero=True)
        for name in ("classifier.0", "classifier.3"):
            value = ops.relu(self._linear(value, name))
        return self._linear(value, "classifier.6")

    def _convolution(
        self, value: Any, name: str, stride: int, padding: int, normalisation: str = ""
    ) -> Any:
        kernel = self._weights[f"{name}.weight"].astype(np.float32)
        if normalisation:
            scale, bias = self._normalisation(normalisation)
            kernel = kernel * scale.reshape(-1, 1, 1, 1)
        else:
            bias = self._weights[f"{name}.bias"]
        pads, strides = [padding, padding], [stride, stride]
        value = ops.convolution(value, self._levels(kernel), strides, pads, pads, [1, 1])
        return ops.add(value, bias.astype(np.float32).reshape(1, -1, 1, 1))

    def _normalisation(self, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Of a batch normalisation: what it multiplies by, and what it then adds."""
        weight, bias, mean, variance = (
            self._weights[f"{name}.{part}"].astype(np.float32)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + np.float32(EPSILON))
        return scale, bias - mean * scale

    def _linear(self, value: Any, name: str) -> Any:
        kernel = self._weights[f"{name}.weight"].astype(np.float32)
        value = self._rounded(value, name)
        value = ops.matmul(value, self._levels(kernel), False, True)
        return ops.add(value, self._weights[f"{name}.bias"].astype(np.float32))

    def _maximum(self, value: Any, size: int, padding: int) -> Any:
        pads = [padding, padding]
        return ops.max_pool(value, [2, 2], [1, 1], pads, pads, [size, size]).output(0)

    def _rounded(self, value: Any, layer: str) -> Any:
        """The input of a layer."""
        if self._ranges is None:
            return value
        known = self._ranges[layer]
        return _fake_quantize(value, known.low, known.high, INPUT_LEVELS)

    def _levels(self, kernel: NDArray[np.float32]) -> Any:
        """A layer's weights, `[C, ...]`."""
        if self._ranges is None:
            return ops.constant(kernel)
        bound = np.abs(kernel).max(axis=tuple(range(1, kernel.ndim)), keepdims=True)
        return _fake_quantize(ops.constant(kernel), -bound, bound, WEIGHT_LEVELS)


def _fake_quantize(value: Any, low: Any, high: Any, levels: int) -> Any:
    ends = [np.asarray(end, dtype=np.float32) for end in (low, high)]
    return ops.fake_quantize(value, *ends, *ends, levels)
