from collections.abc import Callable
from pathlib import Path

import pytest

from app.card import DataSource
from training.data.datasets import find_splits
from training.errors import DataError
from training.lineage import data_source


def test_a_source_is_what_its_prepared_json_tells(make_tree: Callable[..., Path]) -> None:
    data = make_tree("data/train", {"Bag": 2}).parent
    plain = DataSource(name="data", licence="not stated", images=2)
    assert data_source("data", find_splits(data)) == plain

    (data / "prepared.json").write_text('{"name": "Größen", "licence": "CC0"}', encoding="utf-8")
    told = DataSource(name="Größen", licence="CC0", images=2)
    assert data_source("data", find_splits(data)) == told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"name": "x", "licence": "CC0",}',
            "(Expecting property name|Illegal trailing comma).*line 1",
        ),
        ('{"name": "x", "licence": null}', "licence=None: Input should be a valid string"),
        ("[1]", "expected a JSON object"),
    ],
)
def test_a_prepared_json_that_was_edited_wrongly_is_told_in_a_line(
    make_tree: Callable[..., Path], text: str, problem: str
) -> None:
    data = make_tree("data/train", {"Bag": 1}).parent
    (data / "prepared.json").write_text(text)

    with pytest.raises(
        DataError, match=f"prepared.json: not what prepare writes there: {problem}"
    ) as caught:
        data_source("data", find_splits(data))
    assert "\n" not in str(caught.value)
