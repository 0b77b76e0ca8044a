"""A predictor whose place another may take while it answers."""

from __future__ import annotations

import asyncio

from app.predictors import Answer, LoadedModel, Predictor


class Replaceable:
    """A predictor that may be closed while it answers: it finishes first what it has begun."""

    def __init__(self, predictor: Predictor) -> None:
        """Answer by `predictor`."""
        self._predictor = predictor
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def model(self) -> LoadedModel:
        """See `app.predictors.Predictor`."""
        return self._predictor.model

    def check_ready(self) -> None:
        """See `app.predictors.Predictor`."""
        self._predictor.check_ready()

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        """See `app.predictors.Predictor`."""
        self._answering += 1
        self._idle.clear()
        try:
            return await self._predictor.predict(photo, explain)
        finally:
            self._answering -= 1
            if not self._answering:
                self._idle.set()

    async def close(self) -> None:
        """Wait for the answers that are under way, each within its deadline; then close."""
        await self._idle.wait()
        await self._predictor.close()
