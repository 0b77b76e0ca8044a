"""The rules that a training run is watched by: numbers in, what is wrong with them out.

They follow the built-in rules of Amazon SageMaker Debugger; where a threshold is one of its
defaults, the comment names the rule. Source:
https://docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html
Each function returns None while all is well, or a sentence with the numbers.
"""

from __future__ import annotations

from typing import NamedTuple

RULES: dict[str, str] = {
    "loss_not_finite": "the loss or a gradient is NaN or infinite; stops the run",
    "gradients_vanishing": "gradients too small to change weights of their size",
    "gradients_exploding": "gradients over a hundred times the size of their weights",
    "dead_activations": "most of a layer's ReLU units never positive in an epoch",
    "loss_not_decreasing": "the loss is no better than guessing, or falls no longer",
    "overfitting": "the loss on valid gets worse while that on train falls",
    "poor_initialisation": "the first loss or outputs of a layer are far from usual",
    "class_imbalance": "one class has over 1.5 times another's images, unbalanced",
}
"""The rules by name, with what each finds; for `train --help`."""

ADVICE: dict[str, str] = {
    "loss_not_finite": "Lower --learning-rate or lengthen --warmup; if it comes at the first step, "
    "look for NaN in the images; try --precision float32.",
    "gradients_vanishing": "Check the initialisation (or use --pretrained); if the weights have "
    "grown huge, lower --learning-rate.",
    "gradients_exploding": "Lower --learning-rate or lengthen --warmup; check the initialisation.",
    "dead_activations": "Lower --learning-rate or lengthen --warmup, and start again: dead units "
    "rarely come back.",
    "loss_not_decreasing": "If it never fell, check that labels belong to their images and change "
    "--learning-rate by a factor of 10 either way; if it stopped falling, end the run or lower it.",
    "overfitting": "Use more images, or raise --augment, --weight-decay or --label-smoothing; "
    "--early-stop 5 keeps the best epoch.",
    "poor_initialisation": "Use the initialisation of torchvision, or --pretrained, and start "
    "again.",
    "class_imbalance": "Use --balance on, or add images to the small classes.",
}

# ClassImbalance's default is 10; 1.5 is where `--balance auto` starts to balance.
MAX_CLASS_RATIO = 1.5
# Fresh weights guess, which costs ln(classes). Twice that means logits that spread by more than
# 2 (the excess is about half their variance), half of it means that they know the answers.
MAX_FIRST_LOSS, MIN_FIRST_LOSS = 2.0, 0.5
# PoorWeightInitialization allows a factor of 10 between layers. Sound networks without batch
# normalisation have more (VGG-16: 0.3 to 0.003), so these bounds are absolute and wide.
MAX_VARIANCE, MIN_VARIANCE = 1e6, 1e-8
# VanishingGradient's default, here of the gradient's norm over the weights' norm, so that it means
# the same in a layer of 10^3 and of 10^8 weights. Sound ResNet18 and VGG-16: above 1e-3.
MIN_GRADIENT = 1e-7
# WeightUpdateRatio lets an update be 10 times the weights; at a learning rate of 0.1 that is a
# gradient of 100 times the weights. Sound ResNet18 and VGG-16: below 10.
MAX_GRADIENT = 100.0
# DeadRelu's default of threshold_layer.
MAX_DEAD = 0.5
# LossNotDecreasing's default of diff_percent.
MIN_DECREASE = 0.001
# A loss above this share of ln(classes) is as good as guessing.
GUESSING = 0.95
# Fewer steps than this prove nothing about a loss: epochs of tiny data sets are a few steps.
MIN_STEPS = 100
# So many epochs are compared with as many before, which evens out their noise.
PLATEAU_EPOCHS = 5
# Nothing is left to learn: the loss need not fall, and the gradients may vanish.
LEARNED_ACCURACY, LEARNED_LOSS = 0.99, 0.01
# Overfit's default of ratio_threshold. Here of the loss on valid over its own best: train's is
# measured with augmentation and label smoothing, so the two cannot be compared with each other.
MAX_VALID_RISE = 0.1
# It counts only if valid's accuracy is behind train's by this and no longer grows: towards the end
# of a sound run, and with label smoothing, the loss on valid may rise without any harm.
ACCURACY_GAP = 0.02
# A gap that wide counts as soon as the loss on valid stops falling.
WIDE_ACCURACY_GAP = 0.1
# Overfit's default of patience is 1; single epochs of one-cycle's fast middle are often bad.
OVERFIT_EPOCHS = 3


class LayerGradient(NamedTuple):
    """The norm of one layer's gradient, and of its weights."""

    name: str
    gradient: float
    weights: float


class Epoch(NamedTuple):
    """What one epoch measured, and the steps of the run at its end."""

    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float
    steps: int


def class_imbalance(counts: dict[str, int]) -> str | None:
    """Judge the number of images per class."""
    small, large = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[large] <= MAX_CLASS_RATIO * counts[small]:
        return None
    return (
        f"{large!r} has {counts[large]:,} images, {small!r} only {counts[small]:,}, "
        "and nothing balances them."
    )


def poor_initialisation(loss: float, guess: float, variances: dict[str, float]) -> str | None:
    """Judge the first loss, and the variance of each layer's first outputs, in order.

    `guess` is what the loss would be of knowing nothing.

    The last layer is judged by the loss alone: starting it at zero is sound and usual.
    """
    for name, variance in list(variances.items())[:-1]:
        if not MIN_VARIANCE <= variance <= MAX_VARIANCE:
            what = "vanish" if variance < MIN_VARIANCE else "explode"
            return f"The first outputs of layer {name} {what}: their variance is {variance:.1e}."
    if loss > MAX_FIRST_LOSS * guess:
        return f"The first loss is {loss:.3f}; guessing costs {guess:.3f}."
    if loss < MIN_FIRST_LOSS * guess:
        return (
            f"The first loss is {loss:.3f}, though guessing costs {guess:.3f}: these weights, or "
            "the images themselves, give the answers away."
        )
    return None


def gradients_vanishing(layers: list[LayerGradient], loss: float) -> str | None:
    """Judge the gradients; they shrink with the loss, so one that is all but zero explains them."""
    if loss < LEARNED_LOSS:
        return None
    # A layer of zeros that gets no gradient counts too.
    found = [item for item in layers if item.gradient <= MIN_GRADIENT * item.weights]
    if not found:
        return None
    worst = min(found, key=lambda item: item.gradient / item.weights if item.weights else 0.0)
    return (
        f"In {len(found)} of {len(layers)} layers the gradients are next to nothing; "
        f"{worst.name}: {worst.gradient:.1e}, with weights of {worst.weights:.1e} (norms)."
    )


def gradients_exploding(layers: list[LayerGradient]) -> str | None:
    """Judge the gradients; a layer of zeros has no size to compare with."""
    found = [item for item in layers if item.weights > 0]
    found = [item for item in found if item.gradient > MAX_GRADIENT * item.weights]
    if not found:
        return None
    worst = max(found, key=lambda item: item.gradient / item.weights)
    return (
        f"In {len(found)} of {len(layers)} layers the gradients dwarf the weights; "
        f"{worst.name}: {worst.gradient:.1e}, with weights of {worst.weights:.1e} (norms)."
    )


def dead_activations(dead: dict[str, tuple[int, int]], images: int) -> str | None:
    """Judge the dead units and all units per layer, as seen on so many images."""
    found = {name: pair for name, pair in dead.items() if pair[0] > MAX_DEAD * pair[1]}
    if not found:
        return None
    worst = max(found, key=lambda name: found[name][0] / found[name][1])
    return (
        f"In {len(found)} of {len(dead)} ReLU layers most units are dead; {worst}: "
        f"{found[worst][0]} of {found[worst][1]} were never positive in {images:,} images."
    )


def loss_not_decreasing(history: list[Epoch], guess: float | None) -> str | None:
    """Judge the training loss of the epochs so far; `guess` is that of knowing nothing."""
    last = history[-1]
    tried = len(history) >= 2 and last.steps >= MIN_STEPS
    if guess is not None and tried and last.train_loss > GUESSING * guess:
        return (
            f"After {last.steps:,} steps the training loss is {last.train_loss:.3f}; guessing "
            f"costs {guess:.3f}."
        )
    before, recent = history[:-PLATEAU_EPOCHS][-PLATEAU_EPOCHS:], history[-PLATEAU_EPOCHS:]
    if len(before) < PLATEAU_EPOCHS or last.steps - before[-1].steps < MIN_STEPS:
        return None
    old = sum(epoch.train_loss for epoch in before) / PLATEAU_EPOCHS
    new = sum(epoch.train_loss for epoch in recent) / PLATEAU_EPOCHS
    if new <= old * (1 - MIN_DECREASE) or last.train_accuracy >= LEARNED_ACCURACY:
        return None
    # Blended images keep the training loss up and noisy while a run goes on learning.
    valid_before, valid_now = (
        sum(epoch.valid_loss for epoch in epochs) for epochs in (before, recent)
    )
    if valid_now <= valid_before * (1 - MIN_DECREASE):
        return None
    return (
        f"The training loss of the last {PLATEAU_EPOCHS} epochs is {new:.4f} on average, of the "
        f"{PLATEAU_EPOCHS} before {old:.4f}."
    )


def overfitting(history: list[Epoch]) -> str | None:
    """Judge the losses and accuracies of the epochs so far."""
    before, recent = history[:-OVERFIT_EPOCHS], history[-OVERFIT_EPOCHS:]
    if not before or recent[-1].steps < MIN_STEPS:
        return None
    best = min(before, key=lambda epoch: epoch.valid_loss)
    for epoch in recent:
        gap = epoch.train_accuracy - epoch.valid_accuracy
        rises = (
            epoch.valid_loss > best.valid_loss * (1 + MAX_VALID_RISE)
            and epoch.valid_accuracy <= best.valid_accuracy
            and gap > ACCURACY_GAP
        )
        stalls = epoch.valid_loss > best.valid_loss * (1 - MIN_DECREASE) and gap > WIDE_ACCURACY_GAP
        if epoch.train_loss >= best.train_loss or not (rises or stalls):
            return None
    last = recent[-1]
    return (
        f"For {OVERFIT_EPOCHS} epochs the loss on valid has been worse than its best, "
        f"{best.valid_loss:.3f} (now {last.valid_loss:.3f}), while train's fell from "
        f"{best.train_loss:.3f} to {last.train_loss:.3f}; accuracy on train "
        f"{last.train_accuracy:.1%}, on valid {last.valid_accuracy:.1%}."
    )
