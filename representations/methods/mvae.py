"""MVAE: variational autoencoder whose posterior is a product of experts (Wu & Goodman, NeurIPS 2018, 1802.05335).

Letters: M modalities, B rows, D latent dimensions, S subsets of modalities.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from anysense.representations.batch import Batch
from anysense.representations.maths.gaussian import draw, kl_to_standard, product_of_experts
from anysense.representations.maths.reconstruction import reconstruction_errors
from anysense.representations.maths.subsets import all_and_single, random_subsets
from anysense.representations.methods.generative import ExpertVAE
from anysense.representations.methods.settings.generative import MVAESettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks

__all__ = ["MVAE", "MVAESettings"]


class MVAE(ExpertVAE):
    """One encoder and one decoder per modality; the posterior of any subset is the product of its experts and N(0, I).

    The latent of a row is the mean of the posterior given all that the row has.
    """

    method = "mvae"
    settings_class = MVAESettings

    settings: MVAESettings

    def __init__(self, modalities: Mapping[str, Modality], settings: MVAESettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks, settings.mean_as_log_variance)

    def encode_batch(self, batch: Batch) -> Tensor:
        """Mean (B, D) of the posterior given what is present."""
        with torch.autocast(self.device.type, enabled=False):
            return product_of_experts(self.experts(batch), batch.present).mean

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Negative evidence bounds, added over subsets: all that a row has, each modality alone, random subsets.

        A bound reconstructs only the modalities of its subset (section 2.2 of the paper). In a row without a modality,
        the bounds are those of a model that never had it.

        Returns:
            ``"total"``, and its parts before they are weighted: the error of each modality and ``"kl"``; all are added
            over subsets and averaged over rows.
        """
        table = self._subsets(batch.present)
        if self.settings.separate_passes:
            passes = [self._bounds(batch.restricted(subset[0]), subset) for subset in torch.split(table, 1)]
        else:
            passes = [self._bounds(batch, table)]
        terms = {name: torch.stack([found[name] for found in passes]).sum() for name in passes[0]}
        total = self.warmed_up(self.settings.beta, self.settings.warmup_epochs) * terms["kl"]
        for name in self.modalities:
            total = total + self.error_weight(name) * terms[name]
        return {"total": total, **terms}

    def _bounds(self, batch: Batch, table: Tensor) -> dict[str, Tensor]:
        """Divergence and errors of the subsets (S, M, B), added over subsets; every network runs once."""
        experts = self.experts(batch)
        with torch.autocast(self.device.type, enabled=False):
            posteriors = product_of_experts(experts, table)
            latents = draw(posteriors)
            terms = {"kl": kl_to_standard(posteriors).sum(dim=0).mean()}
        for index, name in enumerate(self.modalities):
            if name in batch.inputs:
                errors = reconstruction_errors(self.decoder(name), latents, batch.inputs[name], table[:, index])
                terms[name] = errors.sum(dim=0).mean()
            else:
                terms[name] = latents.new_zeros(())
        return terms

    def _subsets(self, present: Tensor) -> Tensor:
        """Boolean (S, M, B): the subsets that are trained."""
        table = all_and_single(present)
        if self.settings.random_subsets == 0:
            return table
        return torch.cat([table, random_subsets(present, self.settings.random_subsets)])
