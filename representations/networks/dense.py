"""Fully connected layers, and the encoders and decoders that consist of nothing else."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Likelihood, ScaledDecoder
from anysense.representations.networks.trunk import PreparedTrunk

__all__ = ["DenseDecoder", "DenseTrunk", "RowBatchNorm", "layers"]


def layers(
    inputs: int,
    widths: Sequence[int],
    activation: type[nn.Module] = nn.SiLU,
    *,
    outputs: int | None = None,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Linear layers, each followed by batch normalisation (if wanted) and the activation; then a linear one.

    Args:
        inputs: Size of the input (..., inputs).
        widths: Sizes after each layer with an activation; may be empty.
        activation: Class of the activation.
        outputs: Size after the last, linear layer; no such layer if None.
        batch_norm: Whether the layers of ``widths`` are normalised.
    """
    modules: list[nn.Module] = []
    for width in widths:
        modules += [nn.Linear(inputs, width), *([RowBatchNorm(width)] if batch_norm else []), activation()]
        inputs = width
    return nn.Sequential(*modules, *([] if outputs is None else [nn.Linear(inputs, outputs)]))


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all leading axes: (..., C).

    A single row has no batch statistics; it uses the running ones, also in training.
    """

    def forward(self, value: Tensor) -> Tensor:
        """Normalised values, of the same shape."""
        rows = value.reshape(-1, self.num_features)
        if len(rows) > 1 or not self.training:
            return super().forward(rows).view(value.shape)
        return nn.functional.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        ).view(value.shape)


class DenseTrunk(PreparedTrunk):
    """A scaled value of any shape, flat, through fully connected layers.

    Args:
        modality: What is encoded.
        scale: From raw values (B, *shape) to floats of as many entries.
        widths: Sizes after each layer; without layers, the features are the scaled value.
        activation: What follows each layer.
    """

    def __init__(
        self, modality: Modality, scale: nn.Module, widths: Sequence[int], activation: type[nn.Module] = nn.SiLU
    ) -> None:
        super().__init__()
        self.scale = scale
        self.layers = layers(math.prod(modality.shape), widths, activation)
        self.feature_dim = widths[-1] if widths else math.prod(modality.shape)

    def prepare(self, value: Tensor) -> Tensor:
        """Scaled and flat."""
        scaled: Tensor = self.scale(value)
        return scaled.flatten(1)

    def features(self, prepared: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(prepared)
        return features.float()


class DenseDecoder(ScaledDecoder):
    """Latent through fully connected layers with SiLU to all entries of any shape.

    Args:
        modality: What is decoded.
        latent_dim: Size of the latent.
        scale: See `ScaledDecoder`.
        widths: Sizes of the hidden layers.
        likelihood: See `Decoder`.
    """

    def __init__(
        self,
        modality: Modality,
        latent_dim: int,
        scale: nn.Module,
        widths: Sequence[int],
        likelihood: Likelihood = "gaussian",
    ) -> None:
        super().__init__(modality, scale, likelihood)
        self.layers = layers(latent_dim, widths, outputs=math.prod(modality.shape))

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, *shape)."""
        outputs: Tensor = self.layers(latent)
        return outputs.view(-1, *self.shape)
