"""Pictures of how sure a model is, and of what its limits make of that; as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app.card import RejectionFigures, ReviewFigures
from training.calibrate import ACCEPTED_ACCURACY
from training.measurement.curves import AcceptancePoint, SetSize
from training.measurement.limits import Floats
from training.measurement.metrics import GARMENTS_FOUND
from training.measurement.reliability import CalibrationBin
from training.measurement.significance import wilson_interval
from training.reports.plots import BLUE, GREY, GRID, RED, legend_above, plain, to_png


def reliability(bins: Sequence[CalibrationBin]) -> bytes:
    """Accuracy against confidence per bin, above how many answers fall into it."""
    full = [entry for entry in bins if entry.confidence is not None]
    figure = Figure(figsize=(6.2, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    counts = [entry.count for entry in full]
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as it should be")
    places = [entry.confidence or 0.0 for entry in full]
    accuracy = np.array([entry.accuracy or 0.0 for entry in full])
    intervals = [wilson_interval(*pair) for pair in zip(accuracy, counts, strict=True)]
    upper.errorbar(
        places,
        accuracy,
        yerr=np.abs(np.array(intervals).T - accuracy),
        color=BLUE,
        marker="o",
        elinewidth=1,
        capsize=3,
        label="measured, 95 % interval",
    )
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of right answers")
    legend_above(figure, 2)
    lower.bar(
        [(entry.low + entry.high) / 2 for entry in bins],
        [entry.count for entry in bins],
        width=0.9 / len(bins),
        color=BLUE,
    )
    lower.set_yscale("symlog", linthresh=1)
    lower.set(xlabel="confidence of the answer", ylabel="answers")
    for axes in (upper, lower):
        plain(axes)
        axes.grid(color=GRID)
    return to_png(figure)


def set_sizes(sizes: Sequence[SetSize]) -> bytes:
    """How many conformal sets have each size, and how many of them hold the truth."""
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.subplots()
    places = [entry.size for entry in sizes]
    held = [entry.with_truth for entry in sizes]
    missed = [entry.sets - entry.with_truth for entry in sizes]
    axes.bar(places, held, color=BLUE, label="with the truth")
    bars = axes.bar(places, missed, bottom=held, color=RED, label="without it")
    total = max(1, sum(entry.sets for entry in sizes))
    axes.bar_label(bars, [f"{100 * entry.sets / total:.1f} %" for entry in sizes], padding=2)
    axes.set_xticks(places)
    axes.margins(y=0.12)
    axes.set(xlabel="labels in the set", ylabel="images")
    legend_above(figure, 2)
    plain(axes)
    return to_png(figure)


def acceptance(points: Sequence[AcceptancePoint], review: ReviewFigures) -> bytes:
    """Accuracy against the share accepted, with the point where the artifact's limits are."""
    figure = Figure(figsize=(6.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(100 * ACCEPTED_ACCURACY, color=GREY, linestyle="--", label="what is aimed at")
    axes.plot(
        [100 * point.accepted for point in points],
        [100 * point.accuracy for point in points],
        color=BLUE,
        label="by confidence alone",
    )
    if review.accuracy is not None:
        axes.plot(
            100 * review.accepted,
            100 * review.accuracy,
            "D",
            color=RED,
            markeredgecolor="black",
            markersize=10,
            label="the artifact's own limits",
        )
    axes.set_xlim(0, 102)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(lowest, min(101, max(highest, 100.2)))
    axes.set(xlabel="answers accepted, %", ylabel="of these right, %")
    axes.grid(color=GRID)
    axes.legend(frameon=False, loc="lower left")
    plain(axes)
    return to_png(figure)


def roc(rates: tuple[Floats, Floats], figures: RejectionFigures) -> bytes:
    """Garments taken for garments against other things taken for them, at each threshold."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="by chance")
    axes.plot(*rates, color=BLUE, label=f"measured, AUROC {figures.auroc:.3f}")
    axes.plot(
        figures.fpr95, GARMENTS_FOUND, "o", color=BLUE, markersize=8,
        label=f"{GARMENTS_FOUND:.0%} of garments taken",
    )  # fmt: skip
    axes.plot(
        1 - figures.flagged, 1 - figures.garments_flagged, "D", color=RED,
        markeredgecolor="black", markersize=10, label="the artifact's own limits",
    )  # fmt: skip
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        xlabel="share of other things taken for garments",
        ylabel="share of garments taken for garments",
    )
    axes.grid(color=GRID)
    axes.legend(frameon=False, loc="lower right")
    plain(axes)
    return to_png(figure)


def garment_histogram(
    groups: Mapping[str, NDArray[np.floating]], limits: Mapping[str, float]
) -> bytes:
    """How the probability of being a garment is distributed in each group, with the limits.

    The shares are on a logarithmic scale: most images lie at the ends, the doubtful between.
    """
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, 26).tolist()
    for (name, values), colour in zip(groups.items(), (BLUE, RED), strict=False):
        weights = np.full(len(values), 100 / max(1, len(values)))
        axes.hist(values, edges, weights=weights, color=colour, alpha=0.55, label=name)
    for (name, limit), style in zip(limits.items(), ("-", "--", ":"), strict=False):
        axes.axvline(limit, color="black", linestyle=style, linewidth=1.4, label=name)
    axes.set_yscale("log")
    axes.set(xlim=(0, 1), xlabel="probability of being a garment", ylabel="images, %")
    legend_above(figure, 3)
    plain(axes)
    return to_png(figure)
