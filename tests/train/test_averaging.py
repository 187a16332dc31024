import pytest
import torch
from torch import nn

from twofold.train.averaging import WeightAverage


def test_average_follows_the_closed_form():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = WeightAverage(network, decay=0.5)
    expected = 1.0
    for step, value in enumerate([3.0, -1.0, 4.0, 10.0, 2.0, 7.0, 0.0, 5.0, 5.0, 5.0]):
        nn.init.constant_(network.weight, value)
        average.update(network, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert average.network.weight.item() == pytest.approx(expected, rel=1e-6)


def test_average_copies_buffers_and_leaves_the_network_alone():
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, decay=0.9)
    network.running_mean.fill_(3.0)
    average.update(network, 0)
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_impossible_decay_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(nn.Linear(1, 1), decay)


def test_without_a_ramp_the_average_has_its_full_memory_from_the_first_step():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 4.0)
    average = WeightAverage(network, 0.75, ramp=False)
    nn.init.constant_(network.weight, 8.0)
    average.update(network, 0)
    assert float(average.network.weight) == pytest.approx(0.75 * 4 + 0.25 * 8)
