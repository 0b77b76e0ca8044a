"""How weights are updated."""

import pytest
import torch
from torch import nn

from training.optimisation import make_average, update_average


@pytest.mark.parametrize(("decay", "kept"), [(0.9, [2 / 11, 3 / 12]), (0.2, [2 / 11, 0.2])])
def test_the_average_follows_fast_at_first_and_then_as_slowly_as_the_decay(
    decay: float, kept: list[float]
) -> None:
    network = nn.Linear(1, 1, bias=False)
    average = make_average(network)
    expected = 0.0
    for step, share in enumerate([0.0, *kept]):  # the first takes the weights as they are
        with torch.no_grad():
            network.weight.fill_(step + 1.0)
        expected = share * expected + (1 - share) * (step + 1.0)
        update_average(average, network, decay, step)
        assert average.module.weight.item() == pytest.approx(expected)
