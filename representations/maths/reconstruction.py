"""Reconstruction errors of one modality from many latents, in one call of its decoder.

Letters: S latents of each row, B rows, D latent dimensions.
"""

from collections.abc import Callable

from torch import Tensor

from anysense.representations.networks.decoder import Decoder

__all__ = ["reconstruction_errors"]


def reconstruction_errors(
    decoder: Decoder,
    latents: Tensor,
    value: Tensor,
    chosen: Tensor,
    error: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """How badly each latent reconstructs the observed value of its row; only the chosen ones are decoded.

    Args:
        decoder: Decoder of the modality.
        latents: (S, B, D).
        value: Raw observation (B, *shape).
        chosen: Boolean (S, B).
        error: From logits and target, (N, *shape) each, to errors (N,); by default the decoder's own.

    Returns:
        Float32 (S, B): error summed over features; 0 where not chosen.
    """
    groups, rows = chosen.nonzero(as_tuple=True)
    errors = latents.new_zeros(chosen.shape)
    if len(rows) == 0:
        return errors
    found = (error or decoder.error)(decoder(latents[groups, rows]), decoder.target(value)[rows])
    return errors.index_put((groups, rows), found)
