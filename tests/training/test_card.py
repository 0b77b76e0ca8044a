from typing import Any

import numpy as np

from app.card import DataSource, ModelCard
from tests.cards import make_card
from tests.training.answers import sure
from training.calibrate import Support
from training.card import GUESS, NEVER_TURNS, Provenance, Recalibration, model_card
from training.measurement.limits import Answers
from training.measurement.metrics import figures
from training.measurement.mistakes import top_confusions

SHOP = DataSource(name="Our shop", licence="CC BY 4.0", url="https://x", images=250)


def again(before: ModelCard, data: DataSource, **support: Support) -> ModelCard:
    """The card of an artifact that is calibrated once more, on so many images."""
    none: dict[Any, Support] = dict.fromkeys(before.calibration, Support(0, 0))
    told = Provenance("2.0.0", "resnet18", {}, "a command", before.sources)
    once_more = Recalibration(before, [data])
    return model_card(told, 1, before.calibration, {}, none | support, once_more, can_turn=True)


def test_the_card_says_what_was_kept_and_names_the_data() -> None:
    card = again(make_card(0.5), SHOP, white=Support(150, 200), scene=Support(150, 3))
    assert card.limitations == [
        "It was calibrated again after its training, on Our shop (licence: CC BY 4.0, https://x; "
        "250 images).",
        "Its confidence and limits for images on black are kept from version 1.0.0 (fitted on 100 "
        "garments there): the later data has 0 garments there, and 100 would be needed.",
        "How it tells garments from other things on any other background is kept from version "
        "1.0.0: the later data has 3 other things there, and 100 would be needed.",
    ]


def test_data_is_named_as_long_as_something_of_it_is_left() -> None:
    enough = Support(100, 100)
    first = again(make_card(0.5, limitations=[GUESS, "Of its photos."]), SHOP, white=enough)
    assert first.limitations[0] == GUESS

    home = DataSource(name="Home", licence="CC0", images=100)
    second = again(first, home, black=enough).limitations
    assert second[0] == GUESS
    assert "Our shop (licence: CC BY 4.0" in second[1]
    assert "Home (licence: CC0; 100 images)" in second[2]
    whole = again(first, home, white=enough, black=enough, scene=enough)
    assert len(whole.limitations) == 1


def test_categories_that_were_not_learnt_are_named_also_after_a_later_calibration() -> None:
    told = Provenance("1.0.0", "resnet18", {}, "a command", [SHOP], missing=["Sandal", "Bag"])
    first = model_card(told, 1, make_card().calibration, {}, {})
    line = "It was trained without images of Sandal, Bag: do not expect it to tell them."
    assert first.limitations[0] == line

    enough = Support(100, 100)
    later = again(first, SHOP, white=enough, black=enough, scene=enough)
    assert later.limitations[0] == line


def test_the_card_names_the_confusions_that_the_report_names() -> None:
    calibration = make_card().calibration
    truth = np.array([0, 2, 4, 6, 6, 6])
    said = Answers(sure([6, 4, 2, 0, 0, 6]), np.ones(6), np.zeros(6, dtype=np.int64))
    measured = figures(said, truth, calibration)
    told = Provenance("1.0.0", "resnet18", {}, "a command", [])
    card = model_card(told, 1, calibration, {"home/valid": measured}, {})

    assert card.limitations[:3] == [
        "Shirt is taken for T-shirt/top: 2 of 3 images of home/valid.",
        "T-shirt/top is taken for Shirt: 1 of 1 images of home/valid.",
        "Pullover is taken for Coat: 1 of 1 images of home/valid.",
    ]
    named = top_confusions(measured.confusion_matrix, 3)
    assert [line.split(" is ")[0] for line in card.limitations[:3]] == [one.truth for one in named]


def test_one_that_does_not_see_turned_photos_says_so() -> None:
    told = Provenance("1.0.0", "vgg16", {}, "a command", [SHOP])
    limits = make_card(0.5).calibration
    support = dict.fromkeys(limits, Support(100, 100))
    able, unable = (model_card(told, 1, limits, {}, support, can_turn=can) for can in (True, False))
    assert (able.can_turn, unable.can_turn) == (True, False)
    assert set(unable.limitations) - set(able.limitations) == {NEVER_TURNS}
