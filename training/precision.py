"""Which processors are made for bfloat16; on others it is many times slower than float32."""

from __future__ import annotations

import torch


def is_fast_at_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities()
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """What to train in: `float32`, `bfloat16`, or the faster one for `auto`."""
    if wanted == "auto":
        return torch.bfloat16 if is_fast_at_bfloat16(device) else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32
