import torch

from training.blend import make_blend


def test_both_leaves_some_batches_and_blends_others() -> None:
    images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
    blend = make_blend("both", 10)
    torch.manual_seed(0)
    blended = [blend(images, labels) for _ in range(30)]
    untouched = [targets.ndim == 1 for _, targets in blended]
    assert 0 < sum(untouched) < 30
    for mixed, targets in blended:
        assert mixed.shape == images.shape
        if targets.ndim == 1:
            assert torch.equal(mixed, images)
        else:
            assert targets.shape == (4, 10)
            assert torch.allclose(targets.sum(dim=1), torch.ones(4))


def test_the_seed_decides_what_both_does() -> None:
    images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
    blend = make_blend("both", 10)

    def run() -> list[torch.Tensor]:
        torch.manual_seed(1)
        return [blend(images, labels)[0] for _ in range(5)]

    assert all(torch.equal(one, other) for one, other in zip(run(), run(), strict=True))
