"""What every baseline shares: the artifact's network in bfloat16, and a tutorial's preprocessing.

Written as someone would who has the file `model.pt` and PyTorch, and nothing else of this project.
"""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image

SIZE = 112
LABELS = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


def load_network(threads: int) -> torch.jit.ScriptModule:
    """The network, with bfloat16 weights, channels last, frozen; `threads` for each inference."""
    torch.set_num_threads(threads)
    module = torch.jit.load(os.environ["BENCH_MODEL"], map_location="cpu").eval()
    module = module.to(dtype=torch.bfloat16, memory_format=torch.channels_last)
    return torch.jit.freeze(module, preserved_attrs=["logits"])


def preprocess(file: BinaryIO | bytes) -> torch.Tensor:
    """An image file to float32 `[3, 112, 112]`: what torchvision's transforms would make of it.

    That is `Resize` with Pillow, onto a white square, then `ToTensor` and `Normalize`.
    """
    image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file).convert("RGB")
    scale = SIZE / max(image.size)
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    square.paste(resized, ((SIZE - width) // 2, (SIZE - height) // 2))
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float().div(255)
    return (pixels - MEAN) / DEVIATION


def predict(network: Any, batch: torch.Tensor) -> list[list[float]]:
    """The ten probabilities of each image of a float32 `[N, 3, 112, 112]` batch."""
    with torch.inference_mode():
        batch = batch.to(torch.bfloat16, memory_format=torch.channels_last)
        return network.logits(batch)[:, :10].float().softmax(dim=1).tolist()


def answer(probabilities: list[float]) -> dict[str, Any]:
    """What is sent."""
    best = max(range(len(LABELS)), key=probabilities.__getitem__)
    return {
        "label": LABELS[best],
        "probabilities": dict(zip(LABELS, probabilities, strict=True)),
    }
