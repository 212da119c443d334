"""Networks of sentiment data: sequences of text, audio and vision features, each (T, F) float32.

Letters: B rows, T time steps, F features, H hidden units.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.recurrence import gated_recurrence
from anysense.representations.networks.trunk import Trunk

__all__ = ["GRUTrunk", "SentimentNetworks", "features_of"]

HIDDEN = 30


class GRUTrunk(Trunk):
    """One-layer GRU; the hidden states of all T steps, joined in time order (Poklukar et al., ICML 2022).

    Computed in float32 even under autocast.

    Raises:
        ValueError: The modality is no sequence of feature vectors.
    """

    def __init__(self, modality: Modality, hidden: int = HIDDEN) -> None:
        super().__init__()
        _check_sequence(modality)
        self.gru = nn.GRU(modality.shape[1], hidden, batch_first=True)
        self.size = (modality.shape[0], hidden)
        self.feature_dim = modality.shape[0] * hidden

    def forward(self, value: Tensor) -> Tensor:
        """(B, T, F) to (B, T * H)."""
        return _together({"": self}, {"": value})[""]

    def projected(self, value: Tensor) -> Tensor:
        """What the gates get from the input alone, (B, T, 3 H)."""
        weight, _, bias, _ = self.gru.all_weights[0]
        return functional.linear(value.float(), weight, bias)


def features_of(trunks: Mapping[str, Trunk], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Features (B, feature_dim) of each trunk; recurrences of one size and length run side by side.

    Args:
        trunks: Trunks by modality name.
        inputs: Values of at least these modalities.
    """
    recurrent = {name: trunk for name, trunk in trunks.items() if isinstance(trunk, GRUTrunk)}
    if len(recurrent) < len(trunks) or len({trunk.size for trunk in recurrent.values()}) > 1:
        return {name: trunk(inputs[name]) for name, trunk in trunks.items()}
    return _together(recurrent, inputs)


def _together(trunks: Mapping[str, GRUTrunk], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.autocast(next(iter(inputs.values())).device.type, enabled=False):
        gates = torch.stack([trunk.projected(inputs[name]) for name, trunk in trunks.items()])
        weights = torch.stack([trunk.gru.all_weights[0][1] for trunk in trunks.values()])
        biases = torch.stack([trunk.gru.all_weights[0][3] for trunk in trunks.values()])
        states = gated_recurrence(gates, weights, biases)
    return {name: part.flatten(1) for name, part in zip(trunks, states.unbind(), strict=True)}


class SentimentNetworks(Networks):
    """A GRU for every modality of shape (T, F)."""

    name: ClassVar[str] = "sentiment"

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder of contrastive methods."""
        return GRUTrunk(modality)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Sequences of features are not decoded."""
        raise ValueError(
            f"`networks` 'sentiment' has no decoder for modality {modality.name!r}: it serves methods that encode only."
        )


def _check_sequence(modality: Modality) -> None:
    if len(modality.shape) != 2 or modality.dtype != "float32":
        raise ValueError(
            f"`networks` 'sentiment' knows sequences of feature vectors, float32 of shape (T, F); modality "
            f"{modality.name!r} is {modality.dtype} of shape {modality.shape}."
        )
