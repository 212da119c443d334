"""MFM: Multimodal Factorization Model (Tsai et al., ICLR 2019, 1806.06176), as in the baselines of the GMC paper.

A code h of each modality gives a generative factor g of its own; all codes together give the discriminative factor f,
which is the latent. A modality is decoded from (g, f), a class label from f alone. Everything is deterministic: the
match of factors with a prior that the original has was left out there (Poklukar et al., ICML 2022), and so it is here.

Letters: M modalities, B rows, C code size, D latent size.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from anysense.common.errors import unknown_name
from anysense.representations.batch import Batch
from anysense.representations.maths.reconstruction import reconstruction_errors
from anysense.representations.methods.generative import GenerativeRepresentation
from anysense.representations.methods.settings.generative import MFMSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import layers
from anysense.representations.networks.trunk import Trunk

__all__ = ["MFM", "MFMSettings"]

MOMENTUM = 0.01
"""Share of the newest batch in the running moments of the latents, once there were a hundred batches."""


class CodeEncoder(nn.Module):
    """A trunk and one linear layer: raw modality (B, *shape) to its code (B, C)."""

    def __init__(self, trunk: Trunk, code_dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.project = nn.Linear(trunk.feature_dim, code_dim)

    def forward(self, value: Tensor) -> Tensor:
        """Codes, float32."""
        features = self.trunk(value)
        with torch.autocast(features.device.type, enabled=False):
            code: Tensor = self.project(features.float())
            return code


class MFM(GenerativeRepresentation):
    """Factorised autoencoder; the latent is the discriminative factor, which is never negative.

    The code of an absent modality is zero. A latent is decoded with the generative factors of zero codes, since it
    knows nothing of the true ones: `decode` and `translate` show what the latent says, not the best reconstruction.
    The model has no prior; `sample` draws latents from a normal distribution with the running mean and covariance of
    the latents seen in training, cut off at zero.
    """

    method = "mfm"
    settings_class = MFMSettings
    filling = "a code of zeros in the place of what its encoder would give"

    settings: MFMSettings
    latent_mean: Tensor
    latent_second_moment: Tensor
    latent_batches: Tensor

    def __init__(self, modalities: Mapping[str, Modality], settings: MFMSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        size, code = settings.latent_dim, settings.code_dim
        self.encoders = nn.ModuleDict(
            {name: CodeEncoder(networks.generative_trunk(modality), code) for name, modality in modalities.items()}
        )
        self.intermediates = nn.ModuleDict(
            {name: layers(code, (*settings.intermediate_widths, settings.factor_dim), nn.ReLU) for name in modalities}
        )
        self.fusion = layers(len(modalities) * code, (*settings.fusion_widths, size), nn.ReLU)
        self.decoders = self.new_decoders(dict.fromkeys(modalities, settings.factor_dim + size))
        self.head = None if settings.supervised_modality is None else self._new_head(settings.supervised_modality)
        self.register_buffer("latent_mean", torch.zeros(size))
        self.register_buffer("latent_second_moment", torch.eye(size))
        self.register_buffer("latent_batches", torch.zeros((), dtype=torch.int64))

    def encode_batch(self, batch: Batch) -> Tensor:
        """Discriminative factors (B, D) of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            return self._fused(self._codes(batch))

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Reconstruction error of each modality in the rows that have it, and the cross-entropy of the head likewise.

        Returns:
            ``"total"``, and its parts before they are weighted, averaged over all rows: the error of each modality, and
            ``"supervised"`` if there is a head.
        """
        codes, present = self._codes(batch), batch.present
        if self.training and self.settings.modality_dropout > 0.0:
            codes = codes * kept(present, self.settings.modality_dropout)[..., None]
        with torch.autocast(self.device.type, enabled=False):
            latents = self._fused(codes)
            if self.training:
                self._remember(latents.detach())
        total, terms = latents.new_zeros(()), {}
        for index, name in enumerate(self.modalities):
            terms[name] = self._reconstruction_error(batch, name, codes[index], latents)
            total = total + self.error_weight(name) * terms[name]
        if self.head is not None:
            terms["supervised"] = self._supervised_error(batch, latents)
            total = total + self.settings.supervised_weight * terms["supervised"]
        return {"total": total, **terms}

    def decode_logits(self, latent: Tensor, name: str) -> Tensor:
        """Logits (B, *shape) of one modality from latents (B, D) and the generative factor of a zero code."""
        blank = latent.new_zeros((len(latent), self.settings.code_dim))
        return cast(Tensor, self.decoder(name)(self._factors(name, blank, latent)))

    def draw_latents(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Latents (count, D) as described above; standard normal ones, cut off at zero, before any training."""
        covariance = self.latent_second_moment - torch.outer(self.latent_mean, self.latent_mean)
        variances, directions = torch.linalg.eigh(covariance)
        noise = torch.randn((count, self.latent_dim), generator=generator, device=self.device)
        spread = noise * variances.clamp(min=0.0).sqrt() @ directions.T
        drawn: Tensor = self.latent_mean + spread
        return drawn.clamp(min=0.0)

    def _new_head(self, name: str) -> nn.Sequential:
        """From latents to logits of the classes of a one-hot modality."""
        if name not in self.modalities:
            raise ValueError(
                f"{unknown_name('supervised_modality', name, self.modalities)} To learn without labels, leave it "
                "at None."
            )
        likelihood = self.decoder(name).likelihood
        if likelihood != "categorical":
            raise ValueError(f"`supervised_modality` must hold one-hot labels; {name!r} is decoded as {likelihood}.")
        widths = (self.latent_dim, *self.settings.head_widths)
        last = nn.Linear(widths[-1], math.prod(self.decoder(name).shape))
        head = layers(self.latent_dim, widths[1:], nn.ReLU).append(last)
        return head.append(nn.ReLU()) if self.settings.as_published else head

    def _codes(self, batch: Batch) -> Tensor:
        """Codes (M, B, C), zero where a modality is absent; only rows that have it pass through its encoder."""
        return torch.stack([self._code(batch, name) for name in self.modalities])

    def _code(self, batch: Batch, name: str) -> Tensor:
        if name not in batch.inputs:
            return self.latent_mean.new_zeros((batch.size, self.settings.code_dim))
        return batch.spread(self.encoders[name](batch.given(name)), name)

    def _fused(self, codes: Tensor) -> Tensor:
        """Discriminative factors (B, D) of codes (M, B, C)."""
        return cast(Tensor, self.fusion(codes.transpose(0, 1).flatten(1)))

    def _factors(self, name: str, codes: Tensor, latents: Tensor) -> Tensor:
        """What a modality is decoded from: its generative factors and the latents."""
        return torch.cat([self.intermediates[name](codes), latents], dim=1)

    def _reconstruction_error(self, batch: Batch, name: str, codes: Tensor, latents: Tensor) -> Tensor:
        if name not in batch.inputs:
            return latents.new_zeros(())
        with torch.autocast(self.device.type, enabled=False):
            factors = self._factors(name, codes, latents)
        chosen = batch.present_of([name])
        return reconstruction_errors(self.decoder(name), factors[None], batch.inputs[name], chosen).mean()

    def _supervised_error(self, batch: Batch, latents: Tensor) -> Tensor:
        """Cross-entropy of the head where the label is present, averaged over all rows."""
        name = cast(str, self.settings.supervised_modality)
        if name not in batch.inputs:
            return latents.new_zeros(())
        decoder, head = self.decoder(name), cast(nn.Module, self.head)
        with torch.autocast(self.device.type, enabled=False):
            errors = decoder.error(head(latents), decoder.target(batch.inputs[name]))
        return torch.where(batch.present_of([name])[0], errors, 0.0).mean()

    @torch.no_grad()
    def _remember(self, latents: Tensor) -> None:
        """Move the running moments towards those of a batch: their plain mean at first, later an exponential one."""
        self.latent_batches += 1
        rate = (1.0 / self.latent_batches).clamp(min=MOMENTUM)
        self.latent_mean.lerp_(latents.mean(dim=0), rate)
        self.latent_second_moment.lerp_(latents.T @ latents / len(latents), rate)


def kept(present: Tensor, probability: float) -> Tensor:
    """Boolean (M, B): the present modalities without those dropped at random, at least one in each row."""
    scores = torch.where(present, torch.rand(present.shape, device=present.device), -1.0)
    best = torch.zeros_like(present).scatter(0, scores.argmax(dim=0, keepdim=True), True)
    return present & ((scores >= probability) | best)
