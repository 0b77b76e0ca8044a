"""What JPEG does to an image, for a whole batch at once and on any device.

The lossy part of the standard, with the usual tables and chroma at half the resolution: colours
to YCbCr, blocks of 8 x 8 to frequencies, those rounded to multiples of the table, and back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = """
16 11 10 16  24  40  51  61   12 12 14 19  26  58  60  55
14 13 16 24  40  57  69  56   14 17 22 29  51  87  80  62
18 22 37 56  68 109 103  77   24 35 55 64  81 104 113  92
49 64 78 87 103 121 120 101   72 92 95 98 112 100 103  99
"""
CHROMA = """
17 18 24 47 99 99 99 99   18 21 26 66 99 99 99 99   24 26 56 99 99 99 99 99
47 66 99 99 99 99 99 99   99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99   99 99 99 99 99 99 99 99
"""
"""Tables of quality 50, row by row. Source: ITU-T T.81, annex K.1."""

TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Source: ITU-T T.871 (JFIF)."""


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Images as they look after JPEG.

    Args:
        images: float `[N, 3, H, W]`, 0 to 255.
        quality: `[N]`, 1 to 100, as libjpeg and Pillow count it.

    Returns:
        float `[N, 3, H, W]`; values may lie a little outside of 0 to 255.
    """
    height, width = images.shape[2:]
    matrix = torch.tensor(TO_YCBCR)
    inverse = matrix.inverse().to(images)
    # Two chroma blocks of 8 pixels need 16 pixels of the image.
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    colours = torch.einsum("ij,njhw->nihw", matrix.to(images), padded)
    quality = quality.to(images).clamp(1, 100)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    luma = _quantise(colours[:, :1] - 128, LUMA, scale) + 128
    chroma = _quantise(F.avg_pool2d(colours[:, 1:], 2), CHROMA, scale)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear")
    back = torch.einsum("ij,njhw->nihw", inverse, torch.cat([luma, chroma], dim=1))
    return back[..., :height, :width]


def _quantise(planes: Tensor, table: str, scale: Tensor) -> Tensor:
    """Round the frequencies of each block of planes `[N, C, H, W]` to multiples of the table."""
    n, channels, height, width = planes.shape
    base = torch.tensor([float(step) for step in table.split()], device=planes.device)
    steps = ((base * scale[:, None] + 50) / 100).floor().clamp(1, 255).reshape(n, 1, 1, 1, 8, 8)
    blocks = planes.reshape(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    cosines = _cosines(planes)
    frequencies = cosines @ blocks @ cosines.T
    blocks = cosines.T @ ((frequencies / steps).round() * steps) @ cosines
    return blocks.transpose(3, 4).reshape(n, channels, height, width)


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal discrete cosine transform of 8 values (DCT-II), `[8, 8]`."""
    place = torch.arange(8, device=like.device, dtype=like.dtype)
    matrix = torch.cos(math.pi * place[:, None] * (2 * place + 1) / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix
