"""What the generative methods share: settings, encoders with two heads, decoding to raw observations."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from anysense.common.errors import unknown_name
from anysense.common.machine import usual_torch
from anysense.representations.arrays import Array, tensor_of
from anysense.representations.batch import Batch
from anysense.representations.contract import Representation
from anysense.representations.lengths import Lengths
from anysense.representations.maths.gaussian import LOG_VARIANCE_LIMIT, Gaussian
from anysense.representations.methods.settings.generative import ByModality, GenerativeSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.observations import Observation, Present

__all__ = [
    "ByModality",
    "ExpertVAE",
    "GaussianEncoder",
    "GenerativeRepresentation",
    "GenerativeSettings",
    "of_modality",
]


def of_modality(values: ByModality, name: str, default: float = 1.0) -> float:
    """The number of one modality, or the default."""
    return dict(values).get(name, default)


class GaussianEncoder(nn.Module):
    """A trunk and two parallel linear heads: raw modality (B, *shape) to mean and clamped log-variance (B, D).

    Args:
        trunk: The encoder below the heads, to features (B, feature_dim).
        feature_dim: Size of the features.
        latent_dim: D.
        repeats_mean: Use the mean as log-variance, too; see ``mean_as_log_variance`` of the methods.
    """

    def __init__(self, trunk: nn.Module, feature_dim: int, latent_dim: int, repeats_mean: bool = False) -> None:
        super().__init__()
        self.trunk, self.repeats_mean = trunk, repeats_mean
        self.mean = nn.Linear(feature_dim, latent_dim)
        self.log_variance = nn.Linear(feature_dim, latent_dim)

    def forward(self, value: Tensor) -> Gaussian:
        """The expert of each row."""
        features = self.trunk(value)
        with torch.autocast(features.device.type, enabled=False):
            mean = self.mean(features.float())
            log_variance = mean if self.repeats_mean else self.log_variance(features.float())
            return Gaussian(mean, log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))

    def expert(self, batch: Batch, name: str) -> Gaussian:
        """Expert (B, D) of one modality; N(0, I) in rows that lack it, which do not enter batch statistics."""
        if name not in batch.inputs:
            nothing = self.mean.weight.new_zeros((batch.size, self.mean.out_features))
            return Gaussian(nothing, nothing)
        mean, log_variance = self(batch.given(name))
        return Gaussian(batch.spread(mean, name), batch.spread(log_variance, name))


class GenerativeRepresentation(Representation):
    """A representation that also decodes: latents back to raw observations.

    Attributes:
        decoders: Decoder of each modality; their input is the latent of that level that the method decodes from.
    """

    generative = True

    settings: GenerativeSettings
    networks: Networks
    decoders: nn.ModuleDict

    def __init__(
        self, modalities: Mapping[str, Modality], settings: GenerativeSettings, networks: Networks | None
    ) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = settings.latent_dim
        self.epoch: int | None = None

    def new_encoders(self, sizes: Mapping[str, int], repeats_mean: Iterable[str] = ()) -> nn.ModuleDict:
        """A new `GaussianEncoder` of each modality to latents of the given sizes."""
        encoders = nn.ModuleDict()
        for name, modality in self.modalities.items():
            trunk = self.networks.generative_trunk(modality)
            encoders[name] = GaussianEncoder(trunk, trunk.feature_dim, sizes[name], name in repeats_mean)
        return encoders

    def new_decoders(self, sizes: Mapping[str, int]) -> nn.ModuleDict:
        """A new decoder of each modality from latents of the given sizes."""
        named = self.modalities.items()
        return nn.ModuleDict({name: self.networks.decoder(modality, sizes[name]) for name, modality in named})

    def begin_epoch(self, epoch: int) -> None:
        """Note the epoch, for the warm-up; before the first call, every weight has its final value."""
        self.epoch = epoch

    def warmed_up(self, weight: float, warmup_epochs: int) -> float:
        """Linear warm-up: weight * min(1, (epoch + 1) / warmup_epochs), epochs counted from 0."""
        final = self.epoch is None or warmup_epochs == 0
        return weight if final else weight * min(1.0, (cast(int, self.epoch) + 1) / warmup_epochs)

    def error_weight(self, name: str) -> float:
        """Weight of one modality's reconstruction error."""
        return of_modality(self.settings.reconstruction_weights, name)

    def decode_logits(self, latent: Tensor, name: str) -> Tensor:
        """Logits (B, *shape) of one modality's decoder from latents (B, latent_dim) as `encode` returns them."""
        logits: Tensor = self.decoder(name)(latent)
        return logits

    def draw_latents(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Latents (count, latent_dim) from the prior, here N(0, I), on the device of the weights."""
        return torch.randn((count, self.latent_dim), generator=generator, device=self.device)

    def decoder(self, name: str) -> Decoder:
        """Decoder of one modality."""
        return cast(Decoder, self.decoders[name])

    @usual_torch()
    @torch.no_grad()
    def decode(self, latent: Array, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations that latents stand for: the mean of each modality, in its shape, dtype and units.

        Args:
            latent: (B, latent_dim), as `encode` returns them.
            modalities: Which modalities; all by default.

        Raises:
            ValueError: Wrong shape, or an unknown modality.
        """
        latent = tensor_of("`latent`", latent, torch.float32, device=self.device)
        if latent.ndim != 2 or latent.shape[1] != self.latent_dim:
            raise ValueError(f"`latent` must have shape (B, {self.latent_dim}); got {tuple(latent.shape)}.")
        names = tuple(self.modalities if modalities is None else modalities)
        for name in names:
            if name not in self.modalities:
                raise ValueError(unknown_name("modalities", name, self.modalities))
        return {
            name: self.decoder(name).raw(self.decoder(name).mean(self.decode_logits(latent, name))) for name in names
        }

    @usual_torch()
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

    @usual_torch()
    @torch.no_grad()
    def translate(
        self,
        observation: Observation,
        present: Present | None = None,
        modalities: Iterable[str] | None = None,
        *,
        lengths: Lengths | None = None,
    ) -> dict[str, Tensor]:
        """Raw observations of all (or the named) modalities, made from those that are present; see `encode`."""
        return self.decode(self.encode(observation, present, lengths=lengths), modalities)


class ExpertVAE(GenerativeRepresentation):
    """What the methods whose posteriors are products of Gaussian experts share: an encoder and a decoder per modality.

    Attributes:
        encoders: Encoder of each modality to its expert.
    """

    encoders: nn.ModuleDict

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        settings: GenerativeSettings,
        networks: Networks,
        repeats_mean: Iterable[str] = (),
    ) -> None:
        super().__init__(modalities, settings, networks)
        sizes = dict.fromkeys(modalities, settings.latent_dim)
        self.encoders = self.new_encoders(sizes, repeats_mean)
        self.decoders = self.new_decoders(sizes)

    def experts(self, batch: Batch) -> Gaussian:
        """Experts (M, B, D), each modality encoded once; N(0, I) where it is absent."""
        found = [cast(GaussianEncoder, self.encoders[name]).expert(batch, name) for name in self.modalities]
        return Gaussian(*(torch.stack(parts) for parts in zip(*found, strict=True)))
