"""What every decoder is made of: latents in, the parameters of a likelihood out."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.padding import without_padding

__all__ = ["Decoder", "Likelihood", "ScaledDecoder"]

Likelihood = Literal["gaussian", "bernoulli", "categorical"]


class Decoder(nn.Module, ABC):
    """Maps latents to one modality, and says how likely an observed value is.

    Works in *decoded units*, where every entry lies in [0, 1]: images / 255, min-max scaled sounds, one-hot labels.

    Attributes:
        shape: Shape of one decoded sample.
        likelihood: ``gaussian`` (squared error of the sigmoid), ``bernoulli`` (binary cross-entropy of the logits) or
            ``categorical`` (cross-entropy of the logits with a one-hot target; shape (classes,)).
    """

    shape: tuple[int, ...]
    likelihood: Likelihood

    @abstractmethod
    def logits(self, latent: Tensor) -> Tensor:
        """Output before the sigmoid or softmax: latents (B, D) to (B, *shape)."""

    @abstractmethod
    def target(self, value: Tensor) -> Tensor:
        """A raw observation (B, ...) in decoded units, float32 (B, *shape)."""

    @abstractmethod
    def raw(self, mean: Tensor) -> Tensor:
        """Inverse of `target`: decoded units (B, *shape) to the raw observation, in its shape, dtype and units."""

    def forward(self, latent: Tensor) -> Tensor:
        """`logits` with any leading axes: (..., D) to (..., *shape)."""
        return self.logits(latent.flatten(0, -2)).view(*latent.shape[:-1], *self.shape)

    def mean(self, logits: Tensor) -> Tensor:
        """Expected value in decoded units, of the shape of ``logits``."""
        return logits.softmax(dim=-1) if self.likelihood == "categorical" else logits.sigmoid()

    def error(self, logits: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood summed over features, without constants: (..., B, *shape) to (..., B).

        Gaussian: the sum of squared errors, which is the negative log-likelihood at variance 1/2.

        Args:
            logits: Output of `forward`, (..., B, *shape).
            target: Result of `target`, (B, *shape); broadcast over the leading axes. NaN is padding, and no error.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits, features = logits.float(), tuple(range(-len(self.shape), 0))
            if self.likelihood == "categorical":
                return -(logits.log_softmax(dim=-1) * target).sum(dim=-1)
            target, padding = without_padding(target)
            if self.likelihood == "gaussian":
                errors = (logits.sigmoid() - target).square()
            else:
                target = target.expand_as(logits)
                errors = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (errors if padding is None else errors.masked_fill(padding, 0.0)).sum(dim=features)


class ScaledDecoder(Decoder):
    """A decoder whose decoded units are the raw ones after a scaling.

    Args:
        modality: What is decoded.
        scale: Maps raw values to [0, 1], float32 of the same shape; its ``inverse`` leads back.
        likelihood: See `Decoder`.
    """

    def __init__(self, modality: Modality, scale: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.shape, self.scale, self.likelihood = modality.shape, scale, likelihood

    def target(self, value: Tensor) -> Tensor:
        """Raw observation (B, *shape) in [0, 1]."""
        target: Tensor = self.scale(value)
        return target

    def raw(self, mean: Tensor) -> Tensor:
        """Decoded units (B, *shape) in raw ones."""
        value: Tensor = self.scale.inverse(mean)  # type: ignore[operator]
        return value
