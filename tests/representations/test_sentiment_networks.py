"""Recurrent encoders of sequences: sizes, the numbers of torch's own GRU, and what they refuse."""

import pytest
import torch
from torch import nn

from anysense.representations import Modality
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.recurrence import gated_recurrence
from anysense.representations.networks.sentiment import GRUTrunk, features_of

SMALL = {"text": 6, "audio": 5, "vision": 4}


def sequence(features: int, steps: int = 7, name: str = "text") -> Modality:
    return Modality(name, (steps, features), "float32")


@pytest.mark.parametrize(("features", "count"), [(300, 119_940), (74, 99_600), (35, 96_090), (5, 93_390), (20, 94_740)])
def test_published_sizes(features: int, count: int) -> None:
    trunk = networks("sentiment").trunk(sequence(features, steps=50))
    encoder = nn.Sequential(trunk, nn.Linear(trunk.feature_dim, 60))
    assert trunk.feature_dim == 1500
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_equals_the_gru_of_torch() -> None:
    torch.manual_seed(0)
    trunks = {name: GRUTrunk(sequence(size, name=name)) for name, size in SMALL.items()}
    inputs = {name: torch.randn(3, 7, size, requires_grad=True) for name, size in SMALL.items()}
    together = features_of(trunks, inputs)
    for name, trunk in trunks.items():
        expected = trunk.gru(inputs[name])[0].flatten(1)
        checked = [inputs[name], *trunk.parameters()]
        along = torch.randn_like(expected)
        theirs = torch.autograd.grad((expected * along).sum(), checked)
        for features in (together[name], trunk(inputs[name])):
            torch.testing.assert_close(features, expected)
            ours = torch.autograd.grad((features * along).sum(), checked, retain_graph=True)
            for mine, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_gradient_of_the_recurrence() -> None:
    torch.manual_seed(1)
    gates, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 2, 4, 9), (2, 9, 3), (2, 9)))
    assert torch.autograd.gradcheck(gated_recurrence, tuple(part.requires_grad_() for part in (gates, weight, bias)))


def test_trunks_of_other_lengths_and_kinds_run_one_by_one() -> None:
    trunks = {"text": GRUTrunk(sequence(4, steps=5)), "audio": GRUTrunk(sequence(3, steps=6, name="audio"))}
    inputs = {"text": torch.randn(2, 5, 4), "audio": torch.randn(2, 6, 3)}
    features = features_of(trunks, inputs)
    assert [features[name].shape for name in trunks] == [(2, 150), (2, 180)]
    assert isinstance(trunks["text"].gru, nn.GRU)


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
