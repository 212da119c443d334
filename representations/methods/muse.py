"""MUSE: multimodal unsupervised sensing, a multimodal VAE of two levels (Vasco et al., AAMAS 2022).

The upper posterior is a product of one expert per modality; a further term (ALMA) pulls the posteriors of subsets of
the modalities towards the joint one, so that the upper latent can be inferred from any of them.
Letters: B rows, M modalities, D size of the upper latent, S subsets.
"""

from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor, nn

from anysense.representations.maths.gaussian import Gaussian, product_of_experts, symmetric_kl
from anysense.representations.methods.generative import GaussianEncoder
from anysense.representations.methods.settings.two_level import MUSESettings, Subsets
from anysense.representations.methods.two_level import Noise, TwoLevel
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import layers

__all__ = ["MUSE", "MUSESettings", "Subsets", "alma", "subset_table"]

MOST_MODALITIES = 10
"""Every subset takes memory for one posterior of each row."""


class MUSE(TwoLevel):
    """Product of N(0, I) and one expert per modality, each an encoder of that modality's lower latent."""

    method = "muse"
    settings_class = MUSESettings

    settings: MUSESettings
    table: Tensor

    def __init__(self, modalities: Mapping[str, Modality], settings: MUSESettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.experts = nn.ModuleDict({name: self._new_expert(settings.modality_dim(name)) for name in modalities})
        self.register_buffer("table", subset_table(len(modalities), settings.subsets), persistent=False)

    def _new_expert(self, modality_dim: int) -> GaussianEncoder:
        widths = self.settings.top_widths
        return GaussianEncoder(layers(modality_dim, widths, nn.ReLU), widths[-1], self.settings.latent_dim)

    def top_posterior(self, latents: Mapping[str, Tensor], present: Tensor) -> Gaussian:
        """Product of the experts that are present."""
        return product_of_experts(*self._experts_of(latents, present))

    def top_terms(self, latents: Mapping[str, Tensor], present: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Terms of the upper level, with ``alma``; all posteriors come from one product over all selections."""
        experts, used = self._experts_of(latents, present)
        table = self.of_given(self.table.T, latents).T
        selections = torch.cat([used.unsqueeze(0), table.unsqueeze(-1) & used])
        mean, log_variance = product_of_experts(experts, selections)
        joint, subsets = Gaussian(mean[0], log_variance[0]), Gaussian(mean[1:], log_variance[1:])
        terms = self.common_top_terms(joint, latents, present, noise)
        return terms | {"alma": self.settings.alma_weight * alma(joint, subsets, self.table, present)}

    def top_kl_weight(self) -> float:
        """Weight of the upper divergence in this epoch."""
        return 0.0 if self.settings.top_kl_inert else super().top_kl_weight()

    def _experts_of(self, latents: Mapping[str, Tensor], present: Tensor) -> tuple[Gaussian, Tensor]:
        """Experts (m, B, D) of the m modalities that some row has, and which of them each row has, (m, B)."""
        experts = [self.experts[name](latent) for name, latent in latents.items()]
        stacked = Gaussian(*(torch.stack(parts) for parts in zip(*experts, strict=True)))
        return stacked, self.of_given(present, latents)


def subset_table(count: int, subsets: Subsets) -> Tensor:
    """Boolean (S, count): the single modalities, or all subsets that are neither empty nor everything.

    Raises:
        ValueError: Too many modalities for all subsets.
    """
    if subsets == "singletons":
        return torch.eye(count, dtype=torch.bool)
    if count > MOST_MODALITIES:
        raise ValueError(
            f"`subsets` 'proper' has 2 ** {count} of them; it takes at most {MOST_MODALITIES} modalities. Choose "
            "'singletons'."
        )
    rows = [row for row in product((False, True), repeat=count) if any(row) and not all(row)]
    return torch.tensor(rows, dtype=torch.bool).view(-1, count)


def alma(joint: Gaussian, subsets: Gaussian, table: Tensor, present: Tensor) -> Tensor:
    """Average latent multimodal approximation: mean symmetric divergence of subset posteriors and the joint one.

    The mean of a row is over those subsets of which it has every modality, and that are not all that it has; 0 if
    there is none.

    Args:
        joint: Posterior of all that each row has, (B, D).
        subsets: Posteriors of the subsets, (S, B, D).
        table: Boolean (S, M): the subsets.
        present: Boolean (M, B).

    Returns:
        (B,).
    """
    inside, has = table.unsqueeze(-1), present.unsqueeze(0)
    counts = (has | ~inside).all(dim=1) & (has & ~inside).any(dim=1)
    divergence = torch.where(counts, symmetric_kl(joint, subsets), 0.0)
    return divergence.sum(dim=0) / counts.sum(dim=0).clamp(min=1)
