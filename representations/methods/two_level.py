"""What methods of two levels share: one VAE per modality, and a second level that models the samples of their latents.

The upper level sees and predicts detached samples, so the two levels train together without influence on each other.
Letters: B rows, M modalities, d_m size of the latent of modality m, D size of the upper latent.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from anysense.representations.batch import Batch
from anysense.representations.maths.gaussian import Gaussian, draw, kl_to_standard
from anysense.representations.maths.reconstruction import reconstruction_errors
from anysense.representations.methods.generative import (
    GaussianEncoder,
    GenerativeRepresentation,
    of_modality,
)
from anysense.representations.methods.settings.two_level import LowerLevelSettings, TwoLevelSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import layers

__all__ = ["LowerLevel", "Noise", "TwoLevel", "TwoLevelSettings"]


class Noise(NamedTuple):
    """All that a loss draws at random.

    Attributes:
        bottom: Standard normal (B, d_m) by modality, whether present or not.
        top: Standard normal (B, D).
        dropout: Uniform (2 + M, B), see `nexus.perceptual_dropout`; None where nothing is dropped.
    """

    bottom: dict[str, Tensor]
    top: Tensor
    dropout: Tensor | None = None


class LowerLevel(GenerativeRepresentation):
    """Lower VAEs of all modalities, and decoders from the upper latent to theirs.

    Attributes:
        bottom: Encoder of each modality to its own latent.
        top_decoders: From the upper latent to each modality's own latent.
    """

    settings: LowerLevelSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: LowerLevelSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        dims = {name: settings.modality_dim(name) for name in modalities}
        self.bottom = self.new_encoders(dims, settings.mean_as_log_variance)
        self.decoders = self.new_decoders(dims)
        self.top_decoders = nn.ModuleDict({name: self.top_decoder(size) for name, size in dims.items()})

    def top_decoder(self, modality_dim: int) -> nn.Module:
        """A new network from (B, D) to (B, modality_dim): hidden layers with ReLU, then a linear one."""
        return layers(self.latent_dim, self.settings.top_widths, nn.ReLU, outputs=modality_dim)

    def draw_bottom_noise(self, rows: int) -> dict[str, Tensor]:
        """Standard normal (B, d_m) by modality, whether present or not, from torch's default generator."""
        return {
            name: torch.randn(rows, self.settings.modality_dim(name), device=self.device) for name in self.modalities
        }

    def decode_logits(self, latent: Tensor, name: str) -> Tensor:
        """Logits (B, *shape) of one modality: upper latent, lower latent, observation; no samples between."""
        logits: Tensor = self.decoder(name)(self.top_decoders[name](latent))
        return logits

    def bottom_means(self, batch: Batch) -> dict[str, Tensor]:
        """Means (B, d_m) of the lower latents of the modalities that some row has."""
        return {name: self._bottom_expert(batch, name).mean for name in batch.inputs}

    def bottom_level(self, batch: Batch, noise: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Detached samples (B, d_m) of the modalities that some row has, and the weighted terms (B,) of the lower VAEs.

        Rows without a modality do not pass through its networks; their samples are mere noise.
        """
        settings, latents, errors, divergences = self.settings, {}, [], []
        for name, value in batch.inputs.items():
            expert = self._bottom_expert(batch, name)
            sample = draw(expert, noise[name])
            error = reconstruction_errors(self.decoder(name), sample[None], value, batch.present_of([name]))[0]
            errors.append(self.error_weight(name) * error)
            weight = self.warmed_up(of_modality(settings.kl_weights, name), settings.warmup_epochs)
            divergences.append(weight * kl_to_standard(expert))
            latents[name] = sample.detach()
        parts = {"reconstruction": errors, "kl": divergences}
        return latents, {name: torch.stack(part).sum(dim=0) for name, part in parts.items()}

    def of_given(self, values: Tensor, latents: Mapping[str, Tensor]) -> Tensor:
        """Of ``values`` (M, ...), those of the modalities that ``latents`` has."""
        if len(latents) == len(self.modalities):
            return values
        return torch.stack([value for value, name in zip(values, self.modalities, strict=True) if name in latents])

    def warmed_up(self, weight: float, warmup_epochs: int) -> float:
        """As in `GenerativeRepresentation`; the final weight in eval mode."""
        return super().warmed_up(weight, warmup_epochs) if self.training else weight

    def _bottom_expert(self, batch: Batch, name: str) -> Gaussian:
        return cast(GaussianEncoder, self.bottom[name]).expert(batch, name)


class TwoLevel(LowerLevel):
    """The upper level is a VAE of the lower latents; the loss that both levels have in common.

    A subclass adds the upper encoder (`top_posterior`) and the terms of the upper level (`top_terms`).
    """

    settings: TwoLevelSettings

    @abstractmethod
    def top_posterior(self, latents: Mapping[str, Tensor], present: Tensor) -> Gaussian:
        """Upper posterior (B, D).

        Args:
            latents: Lower latents (B, d_m) of the modalities that some row has.
            present: Boolean (M, B), in the order of ``modalities``: which of them to use.
        """

    @abstractmethod
    def top_terms(self, latents: Mapping[str, Tensor], present: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Weighted terms (B,) of the upper level, among them those of `common_top_terms`; arguments as above."""

    def encode_batch(self, batch: Batch) -> Tensor:
        """Mean of the upper posterior, from the means of the lower ones: (B, D)."""
        means = self.bottom_means(batch)
        with torch.autocast(self.device.type, enabled=False):
            return self.top_posterior(means, batch.present).mean

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Loss of both levels; ``"total"`` is the sum of all other terms, which are weighted already.

        ``reconstruction`` and ``kl`` belong to the lower level, ``latent_reconstruction`` and ``top_kl`` to the upper
        one. The loss of a row is that of a model with only the modalities of that row; rows are averaged. In eval mode
        every weight has its final value, so that epochs of a warm-up compare.
        """
        return self.loss_given(batch, self.draw_noise(batch.size))

    def draw_noise(self, rows: int) -> Noise:
        """Noise of one loss, from torch's default generator."""
        return Noise(self.draw_bottom_noise(rows), torch.randn(rows, self.latent_dim, device=self.device))

    def loss_given(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """`loss_batch` with given noise."""
        latents, rows = self.bottom_level(batch, noise.bottom)
        with torch.autocast(self.device.type, enabled=False):
            rows |= self.top_terms(latents, batch.present, noise)
            terms = {name: value.mean() for name, value in rows.items()}
            return {"total": torch.stack(list(terms.values())).sum(), **terms}

    def common_top_terms(
        self, posterior: Gaussian, latents: Mapping[str, Tensor], present: Tensor, noise: Noise
    ) -> dict[str, Tensor]:
        """``latent_reconstruction`` and ``top_kl`` of each row, (B,), both weighted."""
        top = draw(posterior, noise.top)
        errors = []
        for row, name in zip(present, self.modalities, strict=True):
            if name in latents:
                error = self.latent_error(name, self.top_decoders[name](top), latents[name], row)
                weight = of_modality(self.settings.latent_weights, name, self.settings.default_latent_weight)
                errors.append(weight * torch.where(row, error, 0.0))
        return {
            "latent_reconstruction": torch.stack(errors).sum(dim=0),
            "top_kl": self.top_kl_weight() * kl_to_standard(posterior),
        }

    def latent_error(self, name: str, predicted: Tensor, latent: Tensor, present: Tensor) -> Tensor:
        """Squared error (B,) of one modality's latent (B, d_m); rows that are not ``present`` (B,) do not count."""
        return (predicted - latent).square().sum(dim=-1)

    def top_kl_weight(self) -> float:
        """Weight of the upper divergence in this epoch; the final one in eval mode."""
        return self.warmed_up(self.settings.top_kl_weight, self.settings.top_warmup_epochs)
