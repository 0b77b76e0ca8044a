"""Several sources as one: what an epoch draws, and what is said when a flag makes no sense."""

from collections import Counter

import pytest
import torch

from training.batches import Batches
from training.data.datasets import FOLDERS
from training.data.loading import Split
from training.mixture import Mixture, default_weights, mix


def split(*counts: int) -> Split:
    """A split of 8x8 images whose first pixel is their label; `counts` are by class id."""
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = labels.to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, 8, 8).clone()
    return Split(images, labels, [f"{label}/{i}.png" for i, label in enumerate(labels.tolist())])


def drawn(mixture: Mixture, epochs: int = 1) -> Counter[int]:
    counts: Counter[int] = Counter()
    for epoch in range(epochs):
        counts.update(mixture.order(torch.Generator().manual_seed(epoch)).tolist())
    return counts


def test_one_balanced_source_comes_once_each() -> None:
    mixture = mix({"a": split(20, 20)}, {"a": 1.0}, {"a": 0.0})

    assert drawn(mixture) == Counter(range(40))


def test_an_image_comes_as_often_as_its_weight_says_give_or_take_one() -> None:
    sources = {"large": split(60, 60), "small": split(6, 6)}
    mixture = mix(sources, {"large": 0.5, "small": 2.5}, {"large": 0.0, "small": 0.0})

    one = drawn(mixture)
    assert {one[index] for index in range(120)} == {0, 1}
    assert {one[index] for index in range(120, 132)} == {2, 3}
    assert one.total() == 60 + 30

    many = drawn(mixture, epochs=200)
    assert all(60 < many[index] < 140 for index in range(120))
    assert all(450 < many[index] < 550 for index in range(120, 132))


def test_the_order_is_another_in_each_epoch_and_the_same_for_a_seed() -> None:
    mixture = mix({"a": split(50)}, {"a": 1.0}, {"a": 0.0})
    first, again, second = (
        mixture.order(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.arange(50))


def test_an_image_that_comes_twice_does_not_come_twice_in_a_row() -> None:
    mixture = mix({"a": split(100)}, {"a": 2.0}, {"a": 0.0})
    order = mixture.order(torch.Generator().manual_seed(0))

    assert (order[1:] == order[:-1]).sum() < 10


def test_an_epoch_has_a_step_also_where_the_images_fill_no_batch() -> None:
    mixture = mix({"a": split(3)}, {"a": 1.0}, {"a": 0.0})
    [(images, _, _)] = Batches(mixture, mixture.split.labels, 16, seed=0).in_epoch(1, 8, 0)

    assert len(images) == 3


def test_small_sources_count_by_the_square_root_of_their_size() -> None:
    weights = default_weights({"large": 10_000, "small": 100})

    assert weights == {"large": 1.0, "small": 10.0}


@pytest.mark.parametrize(
    ("balance", "share"),
    [("auto", 100**0.5 / (900**0.5 + 100**0.5)), ("on", 0.25), ("off", 0.1)],
)
def test_rare_classes_of_a_source_come_more_often(balance: str, share: float) -> None:
    mixture = mix({"a": split(900, 100)}, {"a": 1.0}, {"a": 0.0}, balance)  # type: ignore[arg-type]

    counts = drawn(mixture, epochs=5)
    rare = sum(count for index, count in counts.items() if index >= 900)
    assert counts.total() == 5_000
    assert rare / counts.total() == pytest.approx(share, abs=0.005)


def test_auto_leaves_a_source_alone_whose_classes_are_of_a_size() -> None:
    mixture = mix({"a": split(14, 10)}, {"a": 1.0}, {"a": 0.0}, "auto")

    assert drawn(mixture) == Counter(range(24))


def test_each_image_has_the_strength_of_its_source() -> None:
    sources = {"a": split(3), "b": split(2)}
    mixture = mix(sources, {"a": 1.0, "b": 1.0}, {"a": 0.25, "b": 0.75})

    assert mixture.strength.tolist() == [0.25, 0.25, 0.25, 0.75, 0.75]
    assert mixture.split.names[3] == "b/0/0.png"


def test_other_needs_an_eleventh_output() -> None:
    ten = mix({"a": split(*[1] * 10)}, {"a": 1.0}, {"a": 0.0})
    eleven = mix({"a": split(*[1] * len(FOLDERS))}, {"a": 1.0}, {"a": 0.0})

    assert (ten.outputs, eleven.outputs) == (10, 11)


def test_categories_of_which_no_image_is_drawn_are_named() -> None:
    sources = {"a": split(1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1), "b": split(0, 0, 0, 0, 0, 0, 0, 0, 1)}
    drawn = mix(sources, {"a": 1.0, "b": 0.5}, {"a": 0.0, "b": 0.0})
    ignored = mix(sources, {"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 0.0})

    assert drawn.missing == ["Sandal"]
    assert ignored.missing == ["Sandal", "Bag"]
    assert mix({"a": split(*[1] * 10)}, {"a": 1.0}, {"a": 0.0}).missing == []


def test_the_processes_of_a_run_share_each_batch() -> None:
    mixture = mix({"a": split(10, 9)}, {"a": 1.0}, {"a": 0.5})
    alone = list(Batches(mixture, mixture.split.labels, 6, seed=0).in_epoch(1, 8, 0))
    pair = [
        list(Batches(mixture, mixture.split.labels, 6, 0, rank, 2).in_epoch(1, 8, 0))
        for rank in (0, 1)
    ]

    assert len(alone) == len(pair[0]) == len(pair[1]) == 3
    for (images, labels, _), (first, mine, _), (second, theirs, _) in zip(
        alone, *pair, strict=True
    ):
        assert torch.equal(images[0::2], first)
        assert torch.equal(images[1::2], second)
        assert torch.equal(labels[0::2], mine)
        assert torch.equal(labels[1::2], theirs)
        assert torch.equal(images[:, 0, 0, 0], labels)
