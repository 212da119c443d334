"""The multimodal transformer as a supervised baseline, trained as it is or with modalities dropped at random.

Source: Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019, arXiv 1906.00295.
Letters: B rows, M modalities, D latent size, T time steps, F features.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.methods.settings.supervised import TransformerDropoutSettings, TransformerSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.mult import MulT
from anysense.representations.settings import MethodSettings

__all__ = ["PredictionHead", "TransformerBaseline", "TransformerDropout", "TransformerSettings", "absolute_error"]


class PredictionHead(nn.Module):
    """A residual ReLU layer and a linear answer: latents (B, D) to predictions (B,)."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(latent_dim, latent_dim), nn.Linear(latent_dim, latent_dim)
        self.answer = nn.Linear(latent_dim, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """Predictions (B,)."""
        result: Tensor = self.answer(latent + self.leave(functional.relu(self.enter(latent))))
        return result.squeeze(-1)


def absolute_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of predictions (B,); targets (B,) or (B, 1).

    Raises:
        ValueError: More than one target per row.
    """
    if target.numel() != predicted.numel():
        raise ValueError(f"`target` must hold one number per row, {len(predicted)}; got shape {tuple(target.shape)}.")
    return functional.l1_loss(predicted, target.reshape(predicted.shape).to(predicted.dtype))


class TransformerBaseline(SupervisedRepresentation):
    """The multimodal transformer with a prediction head, trained on the error of the prediction alone.

    It has no notion of a missing modality: one that a row lacks is given as frames of zeros, which the transformer
    takes for padding. Incomplete training rows are treated the same way.
    """

    method: ClassVar[str] = "transformer"
    settings_class: ClassVar[type[MethodSettings]] = TransformerSettings
    uses_networks: ClassVar[bool] = False
    filling: ClassVar[str] = "frames of zeros in its place"

    settings: TransformerSettings

    def __init__(
        self, modalities: Mapping[str, Modality], settings: TransformerSettings, networks: Networks | None
    ) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = settings.latent_dim
        self.joint = MulT(modalities, settings.latent_dim, settings.channels, settings.heads, settings.layers)
        self.answer = PredictionHead(settings.latent_dim)

    def takes_lengths(self, modality: Modality) -> bool:
        """The transformer leaves padding out, of sequences (T, F)."""
        return modality.time_axis == 0

    def encode_batch(self, batch: Batch) -> Tensor:
        """Output (B, D) of the transformer, frames of zeros (T, F) in the place of what is missing."""
        filled = {
            name: batch.inputs[name] if name in batch.inputs else torch.zeros(batch.size, *of.shape, device=self.device)
            for name, of in self.modalities.items()
        }
        latent: Tensor = self.joint(filled)
        return latent

    def predict_batch(self, batch: Batch) -> Tensor:
        """Predictions (B,)."""
        latent = self.encode_batch(batch)
        with torch.autocast(self.device.type, enabled=False):
            predicted: Tensor = self.answer(latent)
            return predicted

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Mean absolute error of the predictions, the only term: ``"total"``."""
        assert batch.target is not None
        return {"total": absolute_error(self.predict_batch(batch), batch.target)}


class TransformerDropout(TransformerBaseline):
    """The same transformer, trained with modalities dropped at random: what a practitioner would try first.

    In training mode each row keeps, with probability ``dropout``, a random non-empty subset of the modalities, every
    subset with the same probability; a row that has none of the chosen ones keeps all it has. In evaluation mode the
    loss is that of the rows as they are.
    """

    method: ClassVar[str] = "transformer-dropout"
    settings_class: ClassVar[type[MethodSettings]] = TransformerDropoutSettings

    settings: TransformerDropoutSettings

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Mean absolute error of the predictions from what is left, the only term: ``"total"``."""
        if self.training and self.settings.dropout > 0.0:
            batch = replace(batch.restricted(self._left(batch.present)), target=batch.target)
        return super().loss_batch(batch)

    def _left(self, present: Tensor) -> Tensor:
        """Which of the modalities (M, B) that are present are left."""
        count, rows = present.shape
        subset = torch.randint(1, 2**count, (rows,), device=present.device)
        chosen = (subset >> torch.arange(count, device=present.device)[:, None]) % 2 == 1
        left = present & (chosen | (torch.rand(rows, device=present.device) >= self.settings.dropout))
        return torch.where(left.any(dim=0), left, present)
