"""MVTCAE: autoencoder that maximises the total correlation of modalities that a product of experts explains.

Source: Hwang et al., Multi-View Representation Learning via Total Correlation Objective, NeurIPS 2021.

Letters: M modalities, B rows, D latent dimensions, n modalities that a row has.
"""

import torch
from torch import Tensor

from anysense.representations.batch import Batch
from anysense.representations.maths.gaussian import Gaussian, draw, kl, kl_to_standard, product_of_experts
from anysense.representations.maths.reconstruction import reconstruction_errors
from anysense.representations.methods.generative import ExpertVAE
from anysense.representations.methods.settings.mvtcae import MVTCAESettings

__all__ = ["MVTCAE", "MVTCAESettings"]


class MVTCAE(ExpertVAE):
    """One encoder and one decoder per modality; the posterior of any subset is the product of its experts.

    The latent of a row is the mean of the posterior given all that the row has.
    """

    method = "mvtcae"
    settings_class = MVTCAESettings

    settings: MVTCAESettings

    def encode_batch(self, batch: Batch) -> Tensor:
        """Mean (B, D) of the product of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            return self._posterior(self.experts(batch), batch.present).mean

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Negative bound of the objective, with the joint posterior q and the experts r of the n modalities of a row.

        (n - alpha) / n * errors + beta * ((1 - alpha) KL(q || N(0, I)) + alpha / n * sum of KL(q || r)): the
        conditional terms ask that each modality alone knows what all know together. A modality that a row lacks is left
        out of its loss.

        Returns:
            ``"total"``, and its parts before they are weighted, averaged over rows: the error of each modality,
            ``"kl"``, and ``"conditional_kl"``, the mean over the modalities of a row.
        """
        present, alpha = batch.present, self.settings.alpha
        experts = self.experts(batch)
        with torch.autocast(self.device.type, enabled=False):
            posterior = self._posterior(experts, present)
            conditional = torch.where(present, kl(posterior, experts), 0.0).sum(dim=0) / present.sum(dim=0)
            terms = {"kl": kl_to_standard(posterior).mean(), "conditional_kl": conditional.mean()}
            latents, share = draw(posterior)[None], 1.0 - alpha / present.sum(dim=0)
        weight = self.warmed_up(self.settings.beta, self.settings.warmup_epochs)
        total = weight * ((1.0 - alpha) * terms["kl"] + alpha * terms["conditional_kl"])
        for row, name in zip(present, self.modalities, strict=True):
            errors = latents.new_zeros(batch.size)
            if name in batch.inputs:
                errors = reconstruction_errors(self.decoder(name), latents, batch.inputs[name], row[None])[0]
            terms[name] = errors.mean()
            total = total + self.error_weight(name) * (share * errors).mean()
        return {"total": total, **terms}

    def _posterior(self, experts: Gaussian, present: Tensor) -> Gaussian:
        return product_of_experts(experts, present, self.settings.prior_expert)
