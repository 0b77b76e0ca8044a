"""Import torchvision, also where its wheel was built for CUDA and torch is a CPU build.

PyPI's torchvision for Linux is built for CUDA. Beside a CPU torch its library of operators cannot
be loaded, and the import fails with "operator torchvision::nms does not exist". This project needs
its models, data sets and transforms, none of which call those operators: declaring their schemas
is enough. Import torchvision through here: `from training.torchvision_cpu import torchvision`.
"""

from __future__ import annotations

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _library.define(_schema)
    import torchvision

__all__ = ["torchvision"]
