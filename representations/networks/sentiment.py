"""Networks of sentiment data: sequences of text, audio and vision features, each (T, F) float32.

Letters: B rows, T time steps, F features, H hidden units.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.padding import lengths_of, zero_padded
from anysense.representations.networks.trunk import Trunk

__all__ = ["GRUTrunk", "SentimentNetworks"]

HIDDEN = 30


class GRUTrunk(Trunk):
    """One-layer GRU; the hidden states of all T steps, joined in time order (Poklukar et al., ICML 2022).

    Those of padding are zero. Computed in float32 even under autocast.

    Raises:
        ValueError: The modality is no sequence of feature vectors.
    """

    def __init__(self, modality: Modality, hidden: int = HIDDEN) -> None:
        super().__init__()
        _check_sequence(modality)
        self.gru = nn.GRU(modality.shape[1], hidden, batch_first=True)
        self.feature_dim = modality.shape[0] * hidden

    def forward(self, value: Tensor) -> Tensor:
        """(B, T, F) to (B, T * H)."""
        with torch.autocast(value.device.type, enabled=False):
            value = value.float()
            lengths = lengths_of(value[..., 0])
            states: Tensor = self.gru(value if lengths is None else zero_padded(value, lengths))[0]
            return (states if lengths is None else zero_padded(states, lengths)).flatten(1)


class SentimentNetworks(Networks):
    """A GRU for every modality of shape (T, F)."""

    name: ClassVar[str] = "sentiment"

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder of contrastive methods."""
        return GRUTrunk(modality)

    def takes_lengths(self, modality: Modality) -> bool:
        """States of padding are zero."""
        return True

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
