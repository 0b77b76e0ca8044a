"""How far a labelling is: answers on S3, counted now and then."""

from datetime import UTC, datetime, timedelta

import pytest

from training.cloud.buckets import location
from training.cloud.calls import Calls
from training.cloud.labelling.photos import Photo
from training.cloud.labelling.progress import COUNT_SECONDS, Progress
from training.cloud.labelling.transform import Labelling

PHOTOS = [Photo(f"photos/{n}.png", f"{n}.png", "tag", 1) for n in range(3)]
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now, self.look = 0.0, 0.0

    def __call__(self) -> float:
        self.now += self.look
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("training.cloud.labelling.progress.monotonic", clock)
    return clock


@pytest.fixture
def progress(s3) -> Progress:
    places = location("s3://shop/photos"), location("s3://shop/labels")
    return Progress(Calls(), Labelling("model", *places, "ml.c5.xlarge", 1, 4), PHOTOS)


def answer(s3, *names: str) -> None:
    for name in names:
        s3.put_object(Bucket="shop", Key=f"labels/{name}", Body=b"{}")


def test_answers_of_the_jobs_photos_are_counted_wherever_aws_puts_them(s3, clock, progress):
    assert progress.told(LONG_AGO) == "0 of 3 photos answered"
    answer(s3, "0.png.out", "photos/1.png.out", "9.png.out", "job.manifest")
    clock.now += COUNT_SECONDS
    assert progress.told(LONG_AGO) == "2 of 3 photos answered"


def test_answers_from_before_the_job_are_not(s3, progress):
    answer(s3, "0.png.out")
    assert progress.told(datetime.now(UTC) + timedelta(hours=1)) == "0 of 3 photos answered"


def test_the_longer_it_takes_the_rarer_it_is(s3, clock, progress):
    clock.look = 100.0  # a catalogue of millions
    progress.told(LONG_AGO)
    answer(s3, "0.png.out")
    clock.now += 5 * COUNT_SECONDS
    assert progress.told(LONG_AGO) == "0 of 3 photos answered", "not counted again so soon"
    clock.now += 10 * COUNT_SECONDS
    assert progress.told(LONG_AGO) == "1 of 3 photos answered"
