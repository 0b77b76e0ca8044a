import pytest
import torch

from training.finer import MIN_IMAGES, finer_labels, finer_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("catalogue/Sandal/Heels-12345.webp", "Heels"),
        ("home/T-shirt-top/T-Shirt-27e1dfc7-4a9a.webp", "T-Shirt"),
        ("Casual_Shoes-1.jpg", "Casual_Shoes"),
        ("000123.png", ""),
        ("photo.jpg", "photo"),
    ],
)
def test_the_name_is_what_stands_before_the_number(file: str, name: str) -> None:
    assert finer_name(file) == name


def test_labels_are_numbered_by_source_class_and_name() -> None:
    many = range(MIN_IMAGES)
    files = [
        *[("shop/Sandal/Heels-{}.jpg", 5, number) for number in many],
        *[("shop/Sandal/Flats-{}.jpg", 5, number) for number in many],
        *[("home/Sandal/Heels-{}.jpg", 5, number) for number in many],
        ("shop/Sandal/Clogs-{}.jpg", 5, 1),
        ("shop/Bag/Heels-{}.jpg", 8, 1),
    ]
    names = [name.format(number) for name, _, number in files]
    finer, classes = finer_labels(names, torch.tensor([label for _, label, _ in files]))

    assert classes[finer].tolist() == [label for _, label, _ in files]
    groups = [set(finer[start : start + MIN_IMAGES].tolist()) for start in range(0, 60, 20)]
    assert [len(group) for group in groups] == [1, 1, 1]
    # Clogs are too few for a label of their own, and are no heels and no flats either.
    assert len({*finer.tolist()}) == len(classes) == 5
