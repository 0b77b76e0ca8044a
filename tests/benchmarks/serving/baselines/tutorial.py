"""The usual tutorial: FastAPI, an UploadFile, a plain `def`, the model as a global.

uvicorn tutorial:app                                      as it is in tutorials
BENCH_THREADS=1 uvicorn tutorial:app --workers 2          tuned for two cores
"""

from __future__ import annotations

import os
from typing import Any

import torch
from fastapi import FastAPI, UploadFile
from network import answer, load_network, predict, preprocess

# Untuned, torch decides itself.
THREADS = int(os.environ.get("BENCH_THREADS", torch.get_num_threads()))
network = load_network(THREADS)
app = FastAPI()


@app.post("/predict")
def classify(file: UploadFile) -> dict[str, Any]:
    """FastAPI calls it in a pool of threads."""
    if "BENCH_THREADS" in os.environ:
        torch.set_num_threads(THREADS)  # holds for the calling thread only
    batch = preprocess(file.file).unsqueeze(0)
    return answer(predict(network, batch)[0])
