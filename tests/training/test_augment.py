import pytest
import torch
from torch import Tensor

from training.augment import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """Dark on the left, bright on the right, so that a mirrored one shows."""
    ramp = torch.linspace(60, 190, 32).round().to(torch.uint8)
    return ramp.expand(256, 3, 32, 32).clone()


def test_no_strength_changes_nothing(images: Tensor) -> None:
    assert torch.equal(augment(images, 0.0, generator()), images)


def test_the_same_generator_gives_the_same_images(images: Tensor) -> None:
    first = augment(images, 0.5, generator(7))

    assert torch.equal(first, augment(images, 0.5, generator(7)))
    assert not torch.equal(first, augment(images, 0.5, generator(8)))
    assert first.shape == images.shape
    assert first.dtype == torch.uint8


def test_half_of_the_images_are_mirrored(images: Tensor) -> None:
    result = augment(images, 0.1, generator()).float().mean(dim=1)
    mirrored = result[:, :, :8].mean(dim=(1, 2)) > result[:, :, -8:].mean(dim=(1, 2))

    assert 0.35 < mirrored.float().mean() < 0.65


def test_what_comes_in_from_outside_has_the_colour_of_the_edge() -> None:
    white = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    result = augment(white, 0.4, generator()).float()
    # Contrast moves a whole image; only the erased share may differ within one.
    even = (result.amax(dim=(1, 2, 3)) - result.amin(dim=(1, 2, 3))) <= 1

    assert 0.6 < even.float().mean() < 0.95


def test_more_strength_changes_more(images: Tensor) -> None:
    def change(strength: float) -> float:
        result = augment(images, strength, generator())
        # Against the nearer of the image and its mirror, as half are mirrored.
        flipped = images.flip(3).float()
        both = torch.stack([(result - images.float()).abs(), (result - flipped).abs()])
        return float(both.mean(dim=(2, 3, 4)).amin(dim=0).mean())

    assert 0 < change(0.1) < change(0.5) < change(1.0)
