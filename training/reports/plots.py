"""The pictures of the reports, as PNG bytes.

Drawn with matplotlib's own classes, not pyplot: no state is shared and no display is needed.
Colours are Okabe and Ito's, which stay apart for colour-blind readers.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Images = NDArray[np.uint8]

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A93A0"
GRID = "#E4E8EE"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", RED, "#F0E442", "#000000")

_DPI = 130


def to_png(figure: Figure) -> bytes:
    """The figure as a file."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DPI)
    return data.getvalue()


def plain(axes: Axes) -> None:
    """Leave the frame open, and put the grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def legend_above(figure: Figure, columns: int, fontsize: float | None = None) -> None:
    """A legend over the axes, where it hides nothing.

    Among the data, matplotlib looks for the best place, for seconds where the machine is slow.
    """
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=fontsize)


def confusion_matrix(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> bytes:
    """Counts in cells shaded by the share of their row; rows are the truth."""
    counts = np.array(matrix)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(8.6, 7.4), layout="constrained")
    axes = figure.subplots()
    shading = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ids = range(len(names))
    axes.set_xticks(ids, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ids, names)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.spines[:].set_visible(False)
    for row in ids:
        for column in ids:
            if count := counts[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                text = f"{count:,}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    bar = figure.colorbar(shading, shrink=0.7, label="share of the row")
    bar.outline.set_visible(False)
    return to_png(figure)


def captioned(images: Sequence[Images], captions: Sequence[str], columns: int) -> bytes:
    """Images `[H, W, 3]` of one shape in a grid, each under its caption of one to three lines."""
    rows = -(-len(images) // columns)
    width = 9.5 / columns
    lines = 1 + max(caption.count("\n") for caption in captions)
    height = width * len(images[0]) / images[0].shape[1] + 0.16 * lines + 0.12
    figure = Figure(figsize=(9.5, height * rows), layout="constrained")
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize=8)
    return to_png(figure)


def labelled_rows(rows: Mapping[str, Sequence[Images]], gap: int = 4) -> bytes:
    """One row of square images per name; all images have the same size `[S, S, 3]`."""
    size = next(len(image) for images in rows.values() for image in images)
    columns = max(len(images) for images in rows.values())
    step = size + gap
    sheet = np.full((step * len(rows), step * columns, 3), 255, np.uint8)
    for row, images in enumerate(rows.values()):
        for column, image in enumerate(images):
            sheet[row * step : row * step + size, column * step : column * step + size] = image
    edge = min(0.85, 8.2 / columns)
    figure = Figure(figsize=(1.3 + edge * columns, edge * len(rows) + 0.1), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet)
    axes.set_yticks([row * step + size / 2 for row in range(len(rows))], list(rows))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return to_png(figure)


def grouped_bars(groups: Mapping[str, Sequence[float]], names: Sequence[str], label: str) -> bytes:
    """Horizontal bars: for each name one bar per group, with its value beside it."""
    figure = Figure(figsize=(8.4, 0.9 + len(names) * (0.12 + 0.15 * len(groups))))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    height = 0.84 / len(groups)
    places = np.arange(len(names))
    for index, (group, values) in enumerate(groups.items()):
        offset = (index - (len(groups) - 1) / 2) * height
        bars = axes.barh(
            places + offset, values, height * 0.92, label=group, color=COLOURS[index % 8]
        )
        axes.bar_label(bars, fmt="{:,.4g}", padding=3, fontsize=8)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    if len(groups) > 1:
        legend_above(figure, len(groups))
    plain(axes)
    return to_png(figure)


def histograms(groups: Mapping[str, NDArray[np.floating]], label: str) -> bytes:
    """The distribution of a value in each group, as shares, so that sizes do not matter."""
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    axes = figure.subplots()
    values = np.concatenate(list(groups.values()))
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-6), 41).tolist()
    for index, (group, part) in enumerate(groups.items()):
        weights = np.full(len(part), 1 / max(1, len(part)))
        axes.hist(
            part, edges, weights=weights, histtype="step", linewidth=1.8, label=group,
            color=COLOURS[index % 8],
        )  # fmt: skip
    axes.set(xlabel=label, ylabel="share of images")
    legend_above(figure, min(len(groups), 4))
    plain(axes)
    return to_png(figure)


def trade_off(
    names: Sequence[str],
    accuracies: Mapping[str, Sequence[tuple[float, tuple[float, float]]]],
    milliseconds: Sequence[float],
) -> bytes:
    """Accuracy against the time for one image.

    Args:
        names: of the models; each has its colour.
        accuracies: for each source, which has its marker, those of the models, with intervals.
        milliseconds: of the models.
    """
    figure = Figure(figsize=(7.6, 4.8), layout="constrained")
    axes = figure.subplots()
    # Bars of one model that overlap stand side by side.
    offset = max(milliseconds) * 0.012
    for place, (source, measured) in enumerate(accuracies.items()):
        shift = (place - (len(accuracies) - 1) / 2) * offset
        for index, (accuracy, (low, high)) in enumerate(measured):
            axes.errorbar(
                milliseconds[index] + shift,
                accuracy * 100,
                yerr=[[(accuracy - low) * 100], [(high - accuracy) * 100]],
                fmt="os^Dvp*X"[place % 8],
                color=COLOURS[index % 8],
                markersize=8,
                capsize=3,
                label=f"{names[index]} on {source}",
            )
    axes.set(xlabel="milliseconds for one image", ylabel="accuracy, %")
    axes.set_xlim(0, max(milliseconds) * 1.15)
    axes.grid(color=GRID)
    legend_above(figure, len(accuracies), fontsize=8)
    plain(axes)
    return to_png(figure)
