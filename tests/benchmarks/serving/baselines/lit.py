"""LitServe as its documentation has it for images: batching on, two workers for two cores.

Sources: https://lightning.ai/docs/litserve/features/batching and
https://lightning.ai/docs/litserve/speed-up-serving-by-200x (an image classifier).
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import litserve
import torch
from network import answer, load_network, predict, preprocess


class Garments(litserve.LitAPI):
    """Each worker is a process with a network of its own, which decodes and infers in batches."""

    def setup(self, device: str) -> None:
        self.network = load_network(threads=1)

    def decode_request(
        self, request
    ):  # an annotation would tell LitServe of another body than a form
        return preprocess(request["file"].file)

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> list[list[float]]:
        return predict(self.network, batch)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        return output

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        return answer(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    batch_size = int(os.environ.get("BENCH_BATCH", "16"))
    server = litserve.LitServer(
        Garments(
            max_batch_size=batch_size,
            batch_timeout=float(os.environ.get("BENCH_BATCH_TIMEOUT", "0.005")),
        ),
        accelerator="cpu",
        workers_per_device=int(os.environ.get("BENCH_WORKERS", "2")),
        fast_queue=os.environ.get("BENCH_FAST_QUEUE") == "1",
        timeout=60,
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        log_level="error",
        generate_client_file=False,
    )
