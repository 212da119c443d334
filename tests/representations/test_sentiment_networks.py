"""Recurrent encoders of sequences: sizes, the numbers of torch's own GRU, and what they refuse."""

import pytest
import torch
from torch import nn

from anysense.representations import Modality
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.sentiment import GRUTrunk


def sequence(features: int, steps: int = 7, name: str = "text") -> Modality:
    return Modality(name, (steps, features), "float32")


@pytest.mark.parametrize(("features", "count"), [(300, 119_940), (74, 99_600), (35, 96_090), (5, 93_390), (20, 94_740)])
def test_published_sizes(features: int, count: int) -> None:
    trunk = networks("sentiment").trunk(sequence(features, steps=50))
    encoder = nn.Sequential(trunk, nn.Linear(trunk.feature_dim, 60))
    assert trunk.feature_dim == 1500
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_features_are_the_states_of_all_steps_in_time_order() -> None:
    """Against the equations of Cho et al. (2014), step by step."""
    torch.manual_seed(0)
    trunk, value = GRUTrunk(sequence(4), hidden=3), torch.randn(5, 7, 4)
    inner, recurrent, inner_bias, recurrent_bias = trunk.gru.all_weights[0]
    state, states = torch.zeros(5, 3), []
    for frame in value.unbind(dim=1):
        from_frame = (frame @ inner.T + inner_bias).chunk(3, dim=1)
        from_state = (state @ recurrent.T + recurrent_bias).chunk(3, dim=1)
        reset, update = (torch.sigmoid(a + b) for a, b in zip(from_frame[:2], from_state[:2], strict=True))
        new = torch.tanh(from_frame[2] + reset * from_state[2])
        state = update * state + (1 - update) * new
        states.append(state)
    torch.testing.assert_close(trunk(value), torch.cat(states, dim=1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(trunk(value), trunk(value).float())
        assert trunk(value).dtype == torch.float32


def test_later_frames_cannot_influence_earlier_features() -> None:
    trunk, value = GRUTrunk(sequence(4)), torch.randn(2, 7, 4)
    changed = value.clone()
    changed[:, 5:] = 9.0
    torch.testing.assert_close(trunk(value)[:, : 5 * 30], trunk(changed)[:, : 5 * 30])


def test_refused() -> None:
    family = networks("sentiment")
    with pytest.raises(ValueError, match=r"'sentiment' knows sequences .* modality 'image' is uint8 of shape \(2, 2\)"):
        family.trunk(Modality("image", (2, 2), "uint8"))
    with pytest.raises(ValueError, match=r"float32 of shape \(T, F\); modality 'text' is float32 of shape \(3,\)"):
        family.trunk(Modality("text", (3,), "float32"))
    with pytest.raises(ValueError, match="'sentiment' has no decoder for modality 'text'"):
        family.decoder(sequence(4), 10)
