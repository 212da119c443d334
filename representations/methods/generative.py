"""What the generative methods share: settings, encoders with two heads, decoding to raw observations."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from anysense.common.errors import unknown_name
from anysense.representations.batch import Batch, Present
from anysense.representations.contract import Representation
from anysense.representations.maths.gaussian import LOG_VARIANCE_LIMIT, Gaussian
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import MethodSettings

__all__ = [
    "ByModality",
    "GaussianEncoder",
    "GenerativeRepresentation",
    "GenerativeSettings",
    "expert_of",
    "of_modality",
    "warmed_up",
]

ByModality = tuple[tuple[str, float], ...]
"""Numbers by modality name, for example (("image", 1.0), ("sound", 100.0))."""


@dataclass(frozen=True)
class GenerativeSettings(MethodSettings):
    """Settings that every generative method has."""

    latent_dim: int = 10
    """Size of the latent."""
    reconstruction_weights: ByModality = ()
    """Weight of each modality's reconstruction error; 1 for modalities not named."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("latent_dim")
        self.require_non_negative_by_modality("reconstruction_weights")

    def require_non_negative_by_modality(self, *fields: str) -> None:
        """Raises ValueError unless every number of the named fields is finite and at least 0."""
        for field in fields:
            for name, value in getattr(self, field):
                if not 0.0 <= value < float("inf"):
                    raise ValueError(f"`{field}` of {name!r} must be a finite number of at least 0; got {value}.")


def of_modality(values: ByModality, name: str, default: float) -> float:
    """The number of one modality, or the default."""
    return dict(values).get(name, default)


def warmed_up(weight: float, epoch: int, warmup_epochs: int) -> float:
    """Linear warm-up: weight * min(1, (epoch + 1) / warmup_epochs), epoch counted from 0; no warm-up if 0 epochs."""
    return weight if warmup_epochs == 0 else weight * min(1.0, (epoch + 1) / warmup_epochs)


class GaussianEncoder(nn.Module):
    """A trunk and two parallel linear heads: raw modality (B, *shape) to mean and clamped log-variance (B, D)."""

    def __init__(self, trunk: Trunk, latent_dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = nn.Linear(trunk.feature_dim, latent_dim)
        self.log_variance = nn.Linear(trunk.feature_dim, latent_dim)

    def forward(self, value: Tensor) -> Gaussian:
        """The expert of each row."""
        features = self.trunk(value)
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            limited = self.log_variance(features).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
            return Gaussian(self.mean(features), limited)


def expert_of(encoder: GaussianEncoder, batch: Batch, name: str) -> Gaussian:
    """Expert (B, D) of one modality; N(0, I) in rows that lack it.

    Only rows that have the modality pass through the encoder, so that the others do not enter batch statistics.
    """
    if name not in batch.inputs:
        nothing = encoder.mean.weight.new_zeros((batch.size, encoder.mean.out_features))
        return Gaussian(nothing, nothing)
    mask = batch.rows(name)
    if mask is None:
        return cast(Gaussian, encoder(batch.inputs[name]))
    found = encoder(batch.inputs[name][mask])
    nothing = found.mean.new_zeros((batch.size, found.mean.shape[1]))
    rows = mask.nonzero().expand(-1, found.mean.shape[1])
    return Gaussian(nothing.scatter(0, rows, found.mean), nothing.scatter(0, rows, found.log_variance))


class GenerativeRepresentation(Representation):
    """A representation that also decodes: latents back to raw observations.

    Attributes:
        decoders: Decoder of each modality; their input is the latent of that level that the method decodes from.
    """

    generative: ClassVar[bool] = True

    networks: Networks
    decoders: nn.ModuleDict

    @abstractmethod
    def decode_logits(self, latent: Tensor, name: str) -> Tensor:
        """Logits (B, *shape) of one modality's decoder from latents (B, latent_dim) as `encode` returns them."""

    @abstractmethod
    def draw_latents(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Latents (count, latent_dim) from the prior, on the device of the weights."""

    def decoder(self, name: str) -> Decoder:
        """Decoder of one modality."""
        return cast(Decoder, self.decoders[name])

    @torch.no_grad()
    def decode(self, latent: Tensor, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations that latents stand for: the mean of each modality, in its shape, dtype and units.

        Args:
            latent: (B, latent_dim), as `encode` returns them.
            modalities: Which modalities; all by default.

        Raises:
            ValueError: Wrong shape, or an unknown modality.
        """
        if latent.ndim != 2 or latent.shape[1] != self.latent_dim:
            raise ValueError(f"`latent` must have shape (B, {self.latent_dim}); got {tuple(latent.shape)}.")
        names = tuple(self.modalities if modalities is None else modalities)
        for name in names:
            if name not in self.modalities:
                raise ValueError(unknown_name("modalities", name, self.modalities))
        return {
            name: self.decoder(name).raw(self.decoder(name).mean(self.decode_logits(latent, name))) for name in names
        }

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """``count`` raw observations decoded from latents of the prior.

        Args:
            count: How many, at least 1.
            generator: Source of randomness, on the device of the weights; torch's default one if none is given.

        Raises:
            ValueError: ``count`` is not positive.
        """
        if count < 1:
            raise ValueError(f"`count` must be at least 1; got {count}.")
        return self.decode(self.draw_latents(count, generator))

    @torch.no_grad()
    def translate(
        self,
        observation: Mapping[str, Tensor],
        present: Present | None = None,
        modalities: Iterable[str] | None = None,
    ) -> dict[str, Tensor]:
        """Raw observations of all (or the named) modalities, made from those that are present; see `encode`."""
        return self.decode(self.encode(observation, present), modalities)
