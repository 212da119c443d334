"""Reconstruction errors of one modality from many latents, in one call of its decoder, and the likelihoods of MMVAE.

Letters: S latents of each row, B rows, D latent dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.padding import without_padding

__all__ = ["MMVAELikelihood", "laplace_error", "reconstruction_errors"]

MARGIN = 1e-6
"""Locations of Laplace likelihoods keep this distance from 0 and 1, as published."""


@dataclass(frozen=True)
class MMVAELikelihood:
    """Negative log-likelihood of decoded values, without constants.

    With ``laplace_scale`` a Laplace likelihood of that scale replaces a squared error; with ``ignore_first_class``
    labels of the first class count as no error.
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

    The location is sigmoid(logits), kept off 0 and 1. Where the target is NaN, in padding, the result is 0.
    """
    with torch.autocast(logits.device.type, enabled=False):
        location = logits.float().sigmoid().clamp(MARGIN, 1.0 - MARGIN)
        target, padding = without_padding(target)
        errors = (target - location).abs() / scale
        return errors if padding is None else errors.masked_fill(padding, 0.0)


def reconstruction_errors(
    decoder: Decoder,
    latents: Tensor,
    value: Tensor,
    chosen: Tensor,
    error: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """How badly each latent (S, B, D) reconstructs the raw value (B, *shape) of its row.

    Only those chosen, boolean (S, B), are decoded. ``error`` takes logits and target, (N, *shape) each, and gives (N,);
    the decoder's own by default. Returns float32 (S, B), the error summed over features; 0 where not chosen.
    """
    groups, rows = chosen.nonzero(as_tuple=True)
    errors = latents.new_zeros(chosen.shape)
    if len(rows) == 0:
        return errors
    found = (error or decoder.error)(decoder(latents[groups, rows]), decoder.target(value)[rows])
    return errors.index_put((groups, rows), found)
