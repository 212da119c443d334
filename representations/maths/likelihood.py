"""Likelihoods of MMVAE that differ from those of the decoders."""

from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.representations.networks.decoder import Decoder

__all__ = ["MMVAELikelihood", "laplace_error"]

MARGIN = 1e-6
"""Locations of Laplace likelihoods keep this distance from 0 and 1, as published."""


@dataclass(frozen=True)
class MMVAELikelihood:
    """Negative log-likelihood of decoded values, without constants.

    Attributes:
        decoder: Decoder of the modality.
        laplace_scale: Scale of the Laplace likelihood that replaces a squared error; None keeps the decoder's own.
        ignore_first_class: Whether labels of the first class count as no error.
    """

    decoder: Decoder
    laplace_scale: float | None
    ignore_first_class: bool

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Errors (N,) of logits and targets (N, *shape)."""
        if self.decoder.likelihood == "gaussian" and self.laplace_scale is not None:
            return laplace_error(logits, target, self.laplace_scale).flatten(1).sum(dim=1)
        errors = self.decoder.error(logits, target)
        if self.decoder.likelihood == "categorical" and self.ignore_first_class:
            return torch.where(target.argmax(dim=-1) == 0, 0.0, errors)
        return errors


def laplace_error(logits: Tensor, target: Tensor, scale: float) -> Tensor:
    """Negative log-density of each entry, in float32 and without the constant log(2 * scale), as in the decoders.

    The location is sigmoid(logits), kept off 0 and 1.
    """
    with torch.autocast(logits.device.type, enabled=False):
        location = logits.float().sigmoid().clamp(MARGIN, 1.0 - MARGIN)
        return (target - location).abs() / scale
