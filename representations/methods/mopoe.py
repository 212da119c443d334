"""MoPoE: variational autoencoder whose posterior is a mixture over all subsets of modalities of products of experts.

Source: Sutter et al., Generalized Multimodal ELBO, ICLR 2021, arXiv 2105.02470.

Letters: M modalities, B rows, D latent dimensions, S = 2 ** M - 1 subsets.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from anysense.representations.batch import Batch
from anysense.representations.maths.gaussian import Gaussian, draw, kl_to_standard, product_of_experts
from anysense.representations.maths.reconstruction import reconstruction_errors
from anysense.representations.maths.subsets import check_every_subset, every_subset_of_rows
from anysense.representations.methods.generative import ExpertVAE
from anysense.representations.methods.settings.mopoe import MoPoESettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks

__all__ = ["MoPoE", "MoPoESettings"]


class MoPoE(ExpertVAE):
    """One encoder and one decoder per modality; the joint posterior is the equal mixture of all subsets' products.

    The latent of a row is the mean of the product of all that the row has: of one component of its mixture, the one
    that knows most.
    """

    method = "mopoe"
    settings_class = MoPoESettings

    settings: MoPoESettings

    def __init__(self, modalities: Mapping[str, Modality], settings: MoPoESettings, networks: Networks) -> None:
        check_every_subset(len(modalities))
        super().__init__(modalities, settings, networks)

    def encode_batch(self, batch: Batch) -> Tensor:
        """Mean (B, D) of the product of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            return product_of_experts(self.experts(batch), batch.present, self.settings.prior_expert).mean

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Negative evidence bound of the mixture: every subset reconstructs all that a row has.

        The divergence of the mixture from the prior is bounded from above by the mean of its components' (convexity),
        as in the paper. In a row without a modality the bound is that of a model that never had it.

        Returns:
            ``"total"``, and its parts before they are weighted: the error of each modality and ``"kl"``; means over
            subsets (or of those that were drawn) and rows.
        """
        experts = self.experts(batch)
        with torch.autocast(self.device.type, enabled=False):
            subsets = every_subset_of_rows(batch.present)
            counted = subsets.any(dim=1)
            posteriors = product_of_experts(experts, subsets, self.settings.prior_expert)
            terms = {"kl": _mean(kl_to_standard(posteriors), counted)}
            if len(counted) > self.settings.decoded_subsets:
                posteriors, counted = _some_of(posteriors, counted, self.settings.decoded_subsets)
            latents = draw(posteriors)
        total = self.warmed_up(self.settings.beta, self.settings.warmup_epochs) * terms["kl"]
        for row, name in zip(batch.present, self.modalities, strict=True):
            terms[name] = latents.new_zeros(())
            if name in batch.inputs:
                errors = reconstruction_errors(self.decoder(name), latents, batch.inputs[name], counted & row)
                terms[name] = _mean(errors, counted)
            total = total + self.error_weight(name) * terms[name]
        return {"total": total, **terms}


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean over rows of the mean over the subsets that count, both (S, B)."""
    return (torch.where(counted, values, 0.0).sum(dim=0) / counted.sum(dim=0)).mean()


def _some_of(posteriors: Gaussian, counted: Tensor, number: int) -> tuple[Gaussian, Tensor]:
    """Of the posteriors (S, B, D) that count a number for each row, with replacement; and that they count, (number, B).

    Each is as likely as any other; (number, B, D).
    """
    drawn = torch.multinomial(counted.T.float(), number, replacement=True).T
    rows = torch.arange(counted.shape[1], device=counted.device)
    return Gaussian(*(part[drawn, rows] for part in posteriors)), torch.ones_like(drawn, dtype=torch.bool)
