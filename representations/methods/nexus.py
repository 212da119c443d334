"""Nexus: a multimodal VAE of two levels (Vasco et al., Neural Networks 2022).

Every modality's latent sends a message, the mean of the messages is encoded once more. Messages are dropped at random
in training (forced perceptual dropout), so that the upper latent can be inferred from any of them.
Letters: B rows, M modalities, C size of a message, D size of the upper latent.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.maths.gaussian import Gaussian
from anysense.representations.methods.generative import GaussianEncoder
from anysense.representations.methods.settings.two_level import NexusSettings
from anysense.representations.methods.two_level import Noise, TwoLevel
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import layers

__all__ = ["Nexus", "NexusSettings", "mean_message", "optimal_variance_error", "perceptual_dropout"]

SOUND = "sound"
"""Name of the modality that ``optimal_variance`` is about."""
LEAST_LOG_DEVIATION = -6.0
"""Soft lower bound of the logarithm of an optimal standard deviation."""


class Nexus(TwoLevel):
    """Mean of linear messages from the lower latents, then one encoder to the upper latent."""

    method = "nexus"
    settings_class = NexusSettings

    settings: NexusSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: NexusSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        if settings.optimal_variance and SOUND not in modalities:
            raise ValueError(
                f"`optimal_variance` is about the modality {SOUND!r}; got {list(modalities)}. Leave it False."
            )
        self.messages = nn.ModuleDict(
            {name: nn.Linear(settings.modality_dim(name), settings.message_dim) for name in modalities}
        )
        stack = layers(settings.message_dim, settings.top_widths, nn.LeakyReLU, batch_norm=settings.batch_norm)
        self.nexus = GaussianEncoder(stack, settings.top_widths[-1], settings.latent_dim)

    def top_decoder(self, modality_dim: int) -> nn.Module:
        """Hidden layers, then a linear one."""
        widths, norm = self.settings.top_widths, self.settings.batch_norm
        return layers(self.latent_dim, widths, nn.LeakyReLU, outputs=modality_dim, batch_norm=norm)

    def top_posterior(self, latents: Mapping[str, Tensor], present: Tensor) -> Gaussian:
        """Encoded mean of the messages that are present."""
        messages = torch.stack([self.messages[name](latent) for name, latent in latents.items()])
        posterior: Gaussian = self.nexus(mean_message(messages, self.of_given(present, latents)))
        return posterior

    def draw_noise(self, rows: int) -> Noise:
        """Noise of one loss; with draws of the dropout in training mode."""
        noise = super().draw_noise(rows)
        if not self.training:
            return noise
        return noise._replace(dropout=torch.rand(2 + len(self.modalities), rows, device=self.device))

    def top_terms(self, latents: Mapping[str, Tensor], present: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Terms of the upper level; every latent that a row has is predicted, also from messages that were dropped."""
        kept = present
        if noise.dropout is not None:
            kept = perceptual_dropout(present, self.settings.drop_rate, noise.dropout)
        return self.common_top_terms(self.top_posterior(latents, kept), latents, present, noise)

    def latent_error(self, name: str, predicted: Tensor, latent: Tensor, present: Tensor) -> Tensor:
        """Squared error, or for the sound the likelihood under the optimal variance if the settings say so."""
        if self.settings.optimal_variance and name == SOUND:
            return optimal_variance_error(predicted, latent, present)
        return super().latent_error(name, predicted, latent, present)


def perceptual_dropout(present: Tensor, rate: float, draws: Tensor) -> Tensor:
    """Forced perceptual dropout: which messages of each row are kept.

    With probability ``rate`` a row loses n of its k messages, n uniform on 1 to k - 1 and the n chosen uniformly; a
    row with one message keeps it. Vasco et al. 2022; here for rows that may lack modalities from the start.

    Args:
        present: Boolean (M, B): which messages there are, at least one in each row.
        rate: In [0, 1].
        draws: Uniform in [0, 1), (2 + M, B): whether to drop (below ``rate``), how many, and the order of dropping,
            smallest first.

    Returns:
        Boolean (M, B), a non-empty subset of ``present`` in each row.

    Raises:
        ValueError: ``draws`` has the wrong shape.
    """
    expected = (2 + present.shape[0], present.shape[1])
    if tuple(draws.shape) != expected:
        raise ValueError(f"`draws` must have shape {expected}, two more rows than `present`; got {tuple(draws.shape)}.")
    spare = present.sum(dim=0) - 1
    count = (1 + (draws[1] * spare).long()).minimum(spare)
    count = torch.where(draws[0] < rate, count, 0)
    rank = torch.where(present, draws[2:], torch.inf).argsort(dim=0).argsort(dim=0)
    return present & (rank >= count)


def mean_message(messages: Tensor, kept: Tensor) -> Tensor:
    """Mean (B, C) of the messages (M, B, C) that are ``kept``, boolean (M, B), at least one in each row."""
    chosen = kept.unsqueeze(-1)
    return torch.where(chosen, messages, 0.0).sum(dim=0) / chosen.sum(dim=0)


def optimal_variance_error(predicted: Tensor, latent: Tensor, present: Tensor) -> Tensor:
    """Gaussian negative log-likelihood (B,) with one variance for the batch, the mean squared error itself.

    Rybkin et al., ICML 2021 (sigma-VAE). The logarithm of the deviation is softly bounded below at -6. Unlike all
    other terms, this one makes rows depend on each other.

    Args:
        predicted: (B, d).
        latent: (B, d).
        present: Boolean (B,): the rows that the variance is taken over.
    """
    square = (predicted - latent).square()
    mean = torch.where(present[:, None], square, 0.0).sum() / (present.sum() * square.shape[1])
    # The least float keeps the logarithm and its gradient finite when nothing is left to predict.
    log_deviation = 0.5 * (mean + torch.finfo(mean.dtype).tiny).log()
    log_deviation = LEAST_LOG_DEVIATION + functional.softplus(log_deviation - LEAST_LOG_DEVIATION)
    constant = 0.5 * math.log(2.0 * math.pi)
    return (0.5 * square * (-2.0 * log_deviation).exp() + log_deviation + constant).sum(dim=-1)
