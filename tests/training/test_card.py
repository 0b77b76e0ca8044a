from typing import Any

from app.artifact import DataSource, ModelCard
from tests.cards import make_card
from training.calibrate import Support
from training.card import GUESS, Provenance, Recalibration, model_card

SHOP = DataSource(name="Our shop", licence="CC BY 4.0", url="https://x", images=250)


def again(before: ModelCard, data: DataSource, **support: Support) -> ModelCard:
    """The card of an artifact that is calibrated once more, on so many images."""
    none: dict[Any, Support] = dict.fromkeys(before.calibration, Support(0, 0))
    told = Provenance("2.0.0", "resnet18", {}, "a command", before.sources)
    return model_card(
        told, 1, before.calibration, {}, none | support, Recalibration(before, [data])
    )


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
