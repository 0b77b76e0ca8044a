"""How far a Batch Transform job is, by the answers that lie on S3.

AWS tells a job's state, and no more. But it writes a file for each photo, once it has its answer.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformOutput.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from time import monotonic

from training.cloud.calls import Calls
from training.cloud.labelling.photos import Photo, answer_to, answers_below
from training.cloud.labelling.transform import Labelling

COUNT_SECONDS = 60.0
"""Between two counts, at least."""

COUNT_SHARE = 10.0
"""Listing a catalogue of millions takes minutes, and costs: the pause is so many times as long."""


class Progress:
    """Counts the photos of a job that have an answer; now and then, whenever it is asked."""

    def __init__(self, calls: Calls, labelling: Labelling, photos: Sequence[Photo]) -> None:
        """`photos` are those of the job."""
        self.calls, self.labelling, self.photos = calls, labelling, photos
        self._done, self._next = 0, 0.0

    def told(self, since: datetime) -> str:
        """Such as `1,200 of 5,000 photos answered`, of answers from `since` on.

        Raises:
            CloudError: the answers cannot be listed.
        """
        begun = monotonic()
        if begun >= self._next:
            self._done = self._count(since)
            ended = monotonic()
            self._next = ended + max(COUNT_SECONDS, COUNT_SHARE * (ended - begun))
        return f"{self._done:,} of {len(self.photos):,} photos answered"

    def _count(self, since: datetime) -> int:
        answers = answers_below(self.calls, self.labelling.out, since)
        where = self.labelling.source
        return sum(answer_to(photo, where, answers) is not None for photo in self.photos)
