import pytest
import torch
from torch import Tensor

from training import augment as transforms
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
    even = torch.full((64, 3, 32, 32), 128.0)
    strength = torch.ones(64)

    torch.testing.assert_close(transforms._geometry(even, strength, generator()), even)


def test_only_images_with_a_strength_change(images: Tensor) -> None:
    strength = torch.zeros(256)
    strength[::2] = 0.8
    result = augment(images, strength, generator())

    assert torch.equal(result[1::2], images[1::2])
    changed = (result[::2] != images[::2]).flatten(1).any(dim=1)
    assert changed.all()


def test_another_background_leaves_the_garment() -> None:
    photo = torch.full((8, 3, 32, 32), 255.0)
    photo[:, :, 8:24, 8:24] = 90
    result = transforms._background(photo, torch.ones(8), generator())

    torch.testing.assert_close(result[:, :, 10:22, 10:22], photo[:, :, 10:22, 10:22])
    assert (result[:, :, 0] - 255).abs().amax(dim=(1, 2)).min() > 20
    assert (result[0] != result[1]).any()


def test_colours_change_and_grey_stays_grey() -> None:
    red, grey = torch.zeros(16, 3, 4, 4), torch.full((16, 3, 4, 4), 100.0)
    red[:, 0] = 200

    other = transforms._colour(red, torch.ones(16), generator())
    assert (other - red).abs().amax(dim=(1, 2, 3)).median() > 15
    torch.testing.assert_close(transforms._colour(grey, torch.full((16,), 0.3), generator()), grey)


def test_a_grey_image_has_three_equal_channels_and_a_negative_is_turned_round() -> None:
    photo = torch.rand(2, 3, 4, 4) * 255
    none = torch.ones(2)

    grey = transforms._grey(photo, none, generator())
    assert torch.equal(grey[:, 0], grey[:, 2])
    torch.testing.assert_close(transforms._negative(photo, none, generator()), 255 - photo)


def test_few_pixels_blur_and_jpeg_lose_detail_and_keep_the_mean() -> None:
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 200.0 + 20).expand(32, 3, 32, 32)
    for transform in (transforms._few_pixels, transforms._jpeg, transforms._blur_or_sharpen):
        result = transform(board.clone(), torch.ones(32), generator())
        assert result.shape == board.shape
        assert not torch.equal(result, board)
        assert result.mean() == pytest.approx(120, abs=6)
    assert transforms._few_pixels(board.clone(), torch.ones(32), generator()).std() < 10


def test_more_strength_changes_more(images: Tensor) -> None:
    def change(strength: float) -> float:
        result = augment(images, strength, generator())
        # Against the nearer of the image and its mirror, as half are mirrored.
        flipped = images.flip(3).float()
        both = torch.stack([(result - images.float()).abs(), (result - flipped).abs()])
        return float(both.mean(dim=(2, 3, 4)).amin(dim=0).mean())

    assert 0 < change(0.1) < change(0.5) < change(1.0)
