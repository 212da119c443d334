"""MMVAE: variational autoencoder whose posterior is a mixture of experts (Shi et al., NeurIPS 2019, 1911.03393).

Letters: M modalities, K samples of each expert, B rows, D latent dimensions. A *source* is the modality whose expert
drew a sample.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from anysense.representations.batch import Batch
from anysense.representations.maths import importance
from anysense.representations.maths.gaussian import Gaussian, kl_to_standard
from anysense.representations.maths.location_scale import (
    LocationScale,
    ScaleForm,
    log_density,
    make_density,
    samples,
    unit_noise,
)
from anysense.representations.maths.reconstruction import MMVAELikelihood, reconstruction_errors
from anysense.representations.methods.generative import GaussianEncoder, GenerativeRepresentation
from anysense.representations.methods.settings.generative import MMVAESettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks

__all__ = ["MMVAE", "MMVAESettings"]


class MMVAE(GenerativeRepresentation):
    """One encoder and one decoder per modality; the posterior of a subset is the equal mixture of its experts.

    The latent of a row is the mean of the locations of its experts.

    Attributes:
        raw_prior_scale: Prior scale of each source before its non-linearity, (M, D); None for ``elbo_simple``, whose
            prior is N(0, I).
    """

    method = "mmvae"
    settings_class = MMVAESettings

    settings: MMVAESettings
    raw_prior_scale: nn.Parameter | None

    def __init__(self, modalities: Mapping[str, Modality], settings: MMVAESettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        sizes = dict.fromkeys(modalities, settings.latent_dim)
        self.encoders, self.decoders = self.new_encoders(sizes), self.new_decoders(sizes)
        mixture = settings.objective != "elbo_simple"
        self.raw_prior_scale = nn.Parameter(torch.zeros(len(modalities), settings.latent_dim)) if mixture else None

    def encode_batch(self, batch: Batch) -> Tensor:
        """Mean (B, D) of the locations of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            locations = torch.stack([self._expert(batch, name).mean for name in self.modalities])
            present = batch.present
            total = torch.where(present[..., None], locations, 0.0).sum(dim=0)
            return total / present.sum(dim=0)[:, None]

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """The objective of the settings; every source reconstructs every modality.

        Sources and targets that a row lacks are left out: its loss is that of a model that never had them.

        Returns:
            ``"total"``, and its parts before they are weighted, averaged over samples, sources and rows: the error of
            each modality, and ``"kl"``, the divergence from the prior (estimated from the samples, but for
            ``elbo_simple``).
        """
        experts, present = [self._expert(batch, name) for name in self.modalities], batch.present
        with torch.autocast(self.device.type, enabled=False):
            densities = [self._density(name, expert) for name, expert in zip(self.modalities, experts, strict=True)]
            latents = torch.stack([samples(density, self.settings.expert_samples) for density in densities])
        errors = self._errors(batch, latents)
        with torch.autocast(self.device.type, enabled=False):
            weighted = sum((self.error_weight(name) * error for name, error in errors.items()), latents.new_zeros(()))
            if self.settings.objective == "elbo_simple":
                divergence = torch.stack([kl_to_standard(expert) for expert in experts])
                weight = self.warmed_up(self.settings.beta, self.settings.warmup_epochs)
                bound = -importance.mean_over_experts(weighted.mean(dim=1) + weight * divergence, present)
            else:
                surprise = self._surprise(latents, densities, present)
                bound = self._bound(latents, -weighted - surprise, present)
                divergence = surprise.mean(dim=1)
            terms = {"total": -bound.mean(), "kl": importance.mean_over_experts(divergence, present).mean()}
            for name, error in errors.items():
                terms[name] = importance.mean_over_experts(error.mean(dim=1), present).mean()
            return terms

    def draw_latents(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Latents (count, D) from the equal mixture of the priors of all sources, or from N(0, I)."""
        shape, device = (count, self.latent_dim), self.device
        if self.raw_prior_scale is None:
            return super().draw_latents(count, generator)
        priors = [self._prior(index, name) for index, name in enumerate(self.modalities)]
        drawn = torch.stack([prior.scale * unit_noise(shape, prior.laplace, generator, device) for prior in priors])
        source = torch.randint(len(priors), (count,), generator=generator, device=device)
        return drawn[source, torch.arange(count, device=device)]

    def _expert(self, batch: Batch, name: str) -> Gaussian:
        """Outputs (B, D) of both heads; of a log-variance only if the posterior is Gaussian."""
        return cast(GaussianEncoder, self.encoders[name]).expert(batch, name)

    def _form(self, name: str) -> ScaleForm:
        if self.settings.posterior == "gaussian":
            return "log_variance"
        return "softplus" if self.decoder(name).likelihood == "categorical" else "softmax"

    def _density(self, name: str, expert: Gaussian) -> LocationScale:
        """Posterior (B, D) of one source; location 0 and a plain scale in rows that lack it."""
        return make_density(expert.mean, expert.log_variance, self._form(name))

    def _prior(self, index: int, name: str) -> LocationScale:
        """Prior (D,) of the samples of one source."""
        raw = cast(Tensor, self.raw_prior_scale)[index]
        form = self._form(name)
        return make_density(torch.zeros_like(raw), raw, "softplus" if form == "log_variance" else form)

    def _errors(self, batch: Batch, latents: Tensor) -> dict[str, Tensor]:
        """Reconstruction error (M, K, B) of each modality from the samples (M, K, B, D) of all sources.

        It is 0 where source or target is absent; one decoder call per modality.
        """
        settings, shape, errors = self.settings, latents.shape[:-1], {}
        for index, name in enumerate(self.modalities):
            errors[name] = latents.new_zeros(shape)
            if name in batch.inputs:
                chosen = (batch.present & batch.present[index])[:, None].expand(shape).flatten(0, 1)
                decoder = self.decoder(name)
                likelihood = MMVAELikelihood(decoder, settings.laplace_likelihood, settings.ignore_first_class)
                found = reconstruction_errors(decoder, latents.flatten(0, 1), batch.inputs[name], chosen, likelihood)
                errors[name] = found.view(shape)
        return errors

    def _surprise(self, latents: Tensor, densities: list[LocationScale], present: Tensor) -> Tensor:
        """Log-density of the mixture less that of the prior of the source, at each sample: (M, K, B)."""
        if self.settings.detach_posterior or self.settings.objective == "dreg_looser":
            densities = [
                LocationScale(location.detach(), scale.detach(), laplace) for location, scale, laplace in densities
            ]
        mixture = importance.mixture_log_density(
            torch.stack([log_density(latents, density) for density in densities]), present
        )
        priors = [self._prior(index, name) for index, name in enumerate(self.modalities)]
        prior = torch.stack([log_density(*pair) for pair in zip(latents, priors, strict=True)])
        return mixture - prior

    def _bound(self, latents: Tensor, log_weights: Tensor, present: Tensor) -> Tensor:
        """The bound (B,) to maximise, from log-weights (M, K, B)."""
        if self.settings.objective == "iwae":
            return importance.iwae(log_weights, present)
        if self.settings.objective == "iwae_looser":
            return importance.iwae_looser(log_weights, present)
        weights = importance.dreg_weights(log_weights)
        importance.scale_gradient(latents, weights[..., None])
        return importance.mean_over_experts((weights * log_weights).sum(dim=1), present)
