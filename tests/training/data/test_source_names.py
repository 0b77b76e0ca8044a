"""Sources as flags name them, on a laptop and in a job."""

import pytest

from training.data.source_names import named_numbers
from training.errors import DataError


def test_named_numbers_are_read() -> None:
    names = ["home", "fashion-mnist"]

    assert named_numbers("home=4,fashion-mnist=0.5", names, "--weights") == {
        "home": 4.0,
        "fashion-mnist": 0.5,
    }
    assert named_numbers("", names, "--weights") == {}


def test_a_source_has_the_name_of_its_folder_or_of_its_channel() -> None:
    flags = "fashion_mnist=0.5,Home-2=3"

    assert named_numbers(flags, ["fashion-mnist", "home_2"], "--weights") == {
        "fashion-mnist": 0.5,
        "home_2": 3.0,
    }
    # Where both are there, each is meant by its own name.
    assert named_numbers("a-b=1,a_b=2", ["a-b", "a_b"], "--weights") == {"a-b": 1.0, "a_b": 2.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hom=4", "no source is named 'hom'; there are home, shop"),
        ("home", "'home' is not NAME=NUMBER"),
        ("home=many", "'home=many' is not NAME=NUMBER"),
        ("home=-1", "'home=-1' is not a number from 0 on"),
        ("home=nan", "not a number from 0 on"),
        ("home=1,Home=2", "'Home' is not the only name of home"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        named_numbers(text, ["home", "shop"], "--weights")


def test_a_name_of_two_sources_is_refused() -> None:
    with pytest.raises(DataError, match=r"'a b' is not the only name of a-b and of a\.b"):
        named_numbers("a b=1", ["a-b", "a.b"], "--weights")
