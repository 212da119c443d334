"""A method: latents of all modalities agree, vary, and are uncorrelated (after VICReg, Bardes et al., ICLR 2022)."""

from dataclasses import dataclass

import torch
from torch import nn

from anysense.representations import Modality
from anysense.representations.contract import Batch, Representation
from anysense.representations.networks.catalogue import Networks
from anysense.representations.settings import MethodSettings


@dataclass(frozen=True)
class VICRegSettings(MethodSettings):
    """Settings of the method."""

    latent_dim: int = 16
    """Size of the latent."""
    variance_weight: float = 25.0
    """Weight of the variance term."""


class VICReg(Representation):
    method = "vicreg"
    settings_class = VICRegSettings

    def __init__(self, modalities: dict[str, Modality], settings: VICRegSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = settings.latent_dim
        self.encoders = nn.ModuleDict()
        for name, modality in modalities.items():
            trunk = networks.trunk(modality)
            self.encoders[name] = nn.Sequential(trunk, nn.Linear(trunk.feature_dim, settings.latent_dim))

    def encode_batch(self, batch: Batch) -> torch.Tensor:
        latents = self._latents(batch)
        present = batch.present[:, :, None]
        return torch.where(present, latents, 0.0).sum(dim=0) / present.sum(dim=0)

    def loss_batch(self, batch: Batch) -> dict[str, torch.Tensor]:
        latents = self._latents(batch)
        rows = batch.present.all(dim=0)
        complete = latents[:, rows]
        if complete.shape[1] < 2:
            zero = 0.0 * latents.sum()
            return {"total": zero, "agreement": zero, "variance": zero}
        agreement = (complete - complete.mean(dim=0)).square().mean()
        variance = torch.relu(1.0 - (complete.var(dim=1) + 1e-4).sqrt()).mean()
        return {
            "total": agreement + self.settings.variance_weight * variance,
            "agreement": agreement,
            "variance": variance,
        }

    def _latents(self, batch: Batch) -> torch.Tensor:
        """(M, B, D); rows without a modality hold what its encoder makes of zeros."""
        latents = []
        for name, modality in self.modalities.items():
            value = batch.inputs.get(name)
            if value is None:
                value = torch.zeros(batch.size, *modality.shape, device=self.device)
            latents.append(self.encoders[name](value))
        return torch.stack(latents)
