import io

import numpy as np
import pytest
import torch
from PIL import Image

from training.jpeg import compress


def picture(height: int, width: int) -> torch.Tensor:
    """A smooth picture with edges and a texture, uint8 `[3, H, W]`."""
    rows, columns = np.mgrid[0:height, 0:width] / 16
    planes = [np.sin(rows) * np.cos(columns + phase) for phase in (0.0, 0.7, 1.4)]
    noise = np.random.default_rng(0).normal(0, 8, (3, height, width))
    values = 128 + 90 * np.stack(planes) + noise
    values[:, height // 3 : height // 2, width // 4 : width // 2] = 230
    return torch.from_numpy(values.clip(0, 255).astype(np.uint8))


def through_pillow(image: torch.Tensor, quality: int) -> torch.Tensor:
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return torch.from_numpy(np.array(decoded)).permute(2, 0, 1).float()


@pytest.mark.parametrize("quality", [25, 50, 75, 90])
def test_it_does_what_a_real_encoder_does(quality: int) -> None:
    image = picture(112, 96)
    ours = compress(image[None].float(), torch.tensor([quality]))[0].clamp(0, 255)
    real = through_pillow(image, quality)
    lost = (real - image.float()).abs().mean()
    assert (ours - real).abs().mean() < 0.3 * lost


def test_each_image_has_its_own_quality() -> None:
    image = picture(64, 64)[None].float()
    both = compress(image.expand(2, -1, -1, -1), torch.tensor([20, 95]))
    low, high = (both - image).abs().mean(dim=(1, 2, 3))
    assert low > 1.2 * high
    assert torch.equal(both[:1], compress(image, torch.tensor([20])))


def test_any_size_is_kept() -> None:
    assert compress(picture(30, 17)[None].float(), torch.tensor([80])).shape == (1, 3, 30, 17)
