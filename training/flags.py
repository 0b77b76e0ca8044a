"""The flags of `train`, and the options that they make.

SageMaker hands hyperparameters over as flags and folders as environment variables, so a flag's
default is the SageMaker variable where there is one. Flags take one value each: that is what
both of SageMaker's ways of starting a script can pass.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from training.blend import Mix
from training.command import number, output_folder, switch, version
from training.configuration import CONFIG_HELP, self_contained
from training.networks import ARCHITECTURES, INPUT_SIZE
from training.options import Options
from training.rules import RULES

SAGEMAKER_CHECKPOINTS = Path("/opt/ml/checkpoints")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags; the defaults are good for Fashion-MNIST on a laptop."""
    environment = os.environ
    output = environment.get("SM_OUTPUT_DATA_DIR")
    add = parser.add_argument_group("folders").add_argument
    add(
        "--data",
        type=Path,
        action="append",
        help="prepared data, one source; repeat it to mix sources (default: the channels "
        "SM_CHANNEL_*)",
    )
    add(
        "--output",
        type=output_folder,
        default=output and Path(output),
        required=output is None,
        help="for the history and TensorBoard, and what has no folder of its own (default: "
        "SM_OUTPUT_DATA_DIR)",
    )
    model_dir = environment.get("SM_MODEL_DIR")
    add(
        "--model-dir",
        type=output_folder,
        default=model_dir and Path(model_dir),
        help="for the artifact model.pt (default: SM_MODEL_DIR, else the output)",
    )
    add(
        "--checkpoint-dir",
        type=lambda text: Path(os.path.expandvars(text)),
        help="default: SageMaker's if it is there, else the output; $NAME is a variable",
    )
    add(
        "--version",
        type=version,
        default="0.0.0",
        help="version of the artifact (default: %(default)s)",
    )
    # Only told here: `with_config` has replaced it by its flags before these are read.
    add("--config", type=Path, metavar="FILE", help=f"{CONFIG_HELP}; flags given here win")
    flag: dict[str, Any] = {"type": switch, "nargs": "?", "const": True, "default": False}
    add("--resume", **flag, help="go on from the last checkpoint; without one, start")

    add = parser.add_argument_group("network").add_argument
    add("--architecture", choices=ARCHITECTURES, default="resnet18", help="default: %(default)s")
    add("--pretrained", **flag, help="start from torchvision's ImageNet weights")
    add(
        "--start-from",
        type=lambda text: text if text.startswith("s3://") else str(Path(text)),
        help="start from the result of another run (its folder) or from an artifact: a model.pt, "
        "or a model.tar.gz; here or on S3",
    )

    add = parser.add_argument_group("hyperparameters (default)").add_argument
    add("--epochs", type=number(int, 1, 10_000), default=30, help="%(default)s")
    add(
        "--batch-size",
        type=number(int, 2, 65_536),
        default=128,
        help="over all processes (%(default)s)",
    )
    add(
        "--optimizer",
        choices=("sgd", "adamw"),
        default="sgd",
        help="sgd is with Nesterov's momentum (%(default)s)",
    )
    add(
        "--learning-rate",
        type=number(float, 0, 1e6),
        help="the peak of one-cycle (0.1 for sgd, 0.002 for adamw; a tenth for vgg16, and a "
        "tenth with --pretrained or --start-from)",
    )
    add("--momentum", type=number(float, 0, 0.9999), default=0.9, help="of sgd (%(default)s)")
    add(
        "--weight-decay",
        type=number(float, 0, 10),
        help="not for biases and normalisation (0.0005 for sgd, 0.05 for adamw)",
    )
    add(
        "--warmup",
        type=number(float, 0, 0.9),
        default=0.15,
        help="share of the steps in which the rate rises (%(default)s)",
    )
    add("--label-smoothing", type=number(float, 0, 0.9), default=0.0, help="%(default)s")
    add(
        "--finer",
        type=number(float, 0, 10),
        default=0.0,
        help="weight of a second task in training: to tell apart what names of files begin with, "
        "such as Heels-12345.jpg and Flats-12346.jpg; 0 is none (%(default)s)",
    )
    add(
        "--teachers",
        default="",
        metavar="PATH,...",
        help="learn what these runs (folders) or artifacts (as for --start-from) say of each "
        "image, in the mean, rather than its label",
    )
    add(
        "--ema-decay",
        type=number(float, 0, 0.99999),
        default=0.998,
        help="of the averaged weights, which are the result; 0 is none (%(default)s)",
    )
    add(
        "--augment",
        type=number(float, 0, 1),
        default=0.4,
        help="strength of the augmentation, 0 to 1 (%(default)s)",
    )
    add(
        "--augment-of",
        default="",
        metavar="NAME=NUMBER,...",
        help="another strength for some sources, such as home=0.8",
    )
    add(
        "--mix",
        choices=get_args(Mix),
        default="none",
        help="blend pairs of images and their labels; for long runs (%(default)s)",
    )
    add(
        "--weights",
        default="",
        metavar="NAME=NUMBER,...",
        help="how often an epoch sees each image of a source, which is named as its folder or "
        "channel (1 for the largest, more for smaller ones: the square root of the sizes' ratio)",
    )
    add(
        "--balance",
        choices=("auto", "on", "off"),
        default="auto",
        help="draw rare classes more often, by the square root of their size; auto: in a source "
        "whose largest class is over 1.5 times its smallest (%(default)s)",
    )
    add(
        "--small-size",
        type=number(int, 32, INPUT_SIZE),
        default=80,
        help="edge in pixels of the first epoch's images; faster (%(default)s)",
    )
    add(
        "--small-share",
        type=number(float, 0, 1),
        default=0.5,
        help=f"share of the epochs in which it grows to {INPUT_SIZE} (%(default)s)",
    )
    add(
        "--early-stop",
        type=number(int, 0, 10_000),
        default=0,
        help="stop after so many epochs without a lower loss on valid, and take the best epoch; "
        f"only those at {INPUT_SIZE} pixels count, of which --small-share 1 has none; 0 is never "
        "(%(default)s)",
    )
    add("--seed", type=number(int, 0, 2**31), default=0, help="%(default)s")

    add = parser.add_argument_group("running").add_argument
    add(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 where the processor is fast at it",
    )
    add("--threads", type=number(int, 0, 1024), default=0, help="0: PyTorch's choice")
    add(
        "--diagnose",
        choices=("stop", "warn", "off"),
        default="stop",
        help="what to do about a run that goes wrong (%(default)s)",
    )
    add("--profile", type=Path, help="folder for a profile of the first steps")
    rules = "\n".join(f"  {name:<19}  {meaning}" for name, meaning in RULES.items())
    parser.epilog = f"what --diagnose looks for:\n{rules}"


def from_arguments(arguments: argparse.Namespace) -> Options:
    """The options of a parsed command line, with the defaults that depend on others."""
    names = [item.name for item in fields(Options) if item.name != "command"]
    values = {name: getattr(arguments, name) for name in names}
    flags = sys.argv[2:] if sys.argv[1:2] == ["train"] else sys.argv[1:]
    values["command"] = shlex.join(["python", "-m", "training", "train", *self_contained(flags)])
    if values["learning_rate"] is None:
        base = 0.1 if values["optimizer"] == "sgd" else 0.002
        if values["architecture"] == "vgg16":  # it has no batch normalisation
            base /= 10
        has_learnt = values["pretrained"] or values["start_from"]
        values["learning_rate"] = base / 10 if has_learnt else base
    if values["weight_decay"] is None:
        values["weight_decay"] = 5e-4 if values["optimizer"] == "sgd" else 0.05
    values["data"] = tuple(values["data"] or ())
    values["model_dir"] = values["model_dir"] or values["output"]
    if values["checkpoint_dir"] is None:
        in_sagemaker = SAGEMAKER_CHECKPOINTS.is_dir()
        values["checkpoint_dir"] = SAGEMAKER_CHECKPOINTS if in_sagemaker else values["output"]
    return Options(**values)
