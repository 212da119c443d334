"""GMC: Geometric Multimodal Contrastive representation learning (Poklukar et al., ICML 2022, arXiv 2202.03390).

Letters: B rows, d_c common size of all base encoders, d_z latent size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.contract import Representation
from anysense.representations.maths import losses
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import RowBatchNorm, layers
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import MethodSettings

__all__ = ["GMC", "GMCSettings"]

Loss = Literal["infonce", "infonce_with_joints_as_negatives"]


@dataclass(frozen=True)
class GMCSettings(MethodSettings):
    """Architecture and loss of GMC."""

    common_dim: int = 64
    """Size d_c that every base encoder ends in."""
    head_widths: tuple[int, ...] = (128,)
    """Widths of the hidden layers of the shared projection head."""
    centre: bool = True
    """Batch normalisation (without scale or shift) of what every base encoder gives to the head. Not in the paper: the
    latents of an untrained network nearly coincide, and training spends hundreds of steps on telling them apart."""
    latent_dim: int = 10
    """Size d_z of the latent."""
    temperature: float = 0.3
    """Temperature of the contrastive loss."""
    loss: Loss = "infonce"
    """``infonce``, or the ablation of the paper with only joint latents as negatives."""
    alignment_weight: float = 0.0
    """Weight of the mean squared distance between each modality's latent and the joint one (not in the paper; 0
    switches it off)."""
    normalise_mean: bool = False
    """Return the mean of several single-modality latents to the unit sphere (the paper does not)."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("common_dim", "head_widths", "latent_dim", "temperature")
        if not 0.0 <= self.alignment_weight < float("inf"):
            raise ValueError(f"`alignment_weight` must be a finite number of at least 0; got {self.alignment_weight}.")


class Encoder(nn.Module):
    """Base encoder of some modalities: own trunks, features joined, one linear layer to d_c, centred if asked for."""

    def __init__(self, trunks: Mapping[str, Trunk], common_dim: int, centre: bool = False) -> None:
        super().__init__()
        self.trunks = nn.ModuleDict(trunks)
        self.project = nn.Linear(sum(trunk.feature_dim for trunk in trunks.values()), common_dim)
        self.centre = RowBatchNorm(common_dim, affine=False) if centre else nn.Identity()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Raw inputs (B, *shape) to (B, d_c)."""
        return self.join({name: trunk(inputs[name]) for name, trunk in self.trunks.items()})

    def trunk(self, name: str) -> Trunk:
        """Trunk of one modality."""
        return cast(Trunk, self.trunks[name])

    def join(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features of each trunk to (B, d_c): the linear layer of their concatenation, without the copy."""
        sizes = [self.trunk(name).feature_dim for name in self.trunks]
        common: Tensor = self.project.bias
        for name, weight in zip(self.trunks, torch.split(self.project.weight, sizes, dim=1), strict=True):
            common = common + functional.linear(features[name], weight)
        centred: Tensor = self.centre(common)
        return centred


class GMC(Representation):
    """One encoder per modality, one joint encoder with its own weights, and a shared head onto the unit sphere.

    A row with all modalities is encoded by the joint encoder, any other row by the mean of the latents of what it has.
    """

    method: ClassVar[str] = "gmc"
    settings_class: ClassVar[type[MethodSettings]] = GMCSettings

    settings: GMCSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: GMCSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = settings.latent_dim
        self.encoders = nn.ModuleDict(
            {
                name: Encoder({name: networks.trunk(modality)}, settings.common_dim, settings.centre)
                for name, modality in modalities.items()
            }
        )
        self.joint = Encoder(
            {name: networks.trunk(modality) for name, modality in modalities.items()},
            settings.common_dim,
            settings.centre,
        )
        self.head = projection_head(settings.common_dim, settings.head_widths, settings.latent_dim)

    def encode_batch(self, batch: Batch) -> Tensor:
        """Joint latents (B, d_z) for complete rows, else the mean of the latents of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            if batch.complete:
                return self._on_sphere(self.joint(batch.inputs))
            latents = self._mean_latents(batch)
            rows = batch.complete_rows()
            if rows is None:
                return latents
            return torch.where(rows[:, None], self._on_sphere(self.joint(batch.inputs)), latents)

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast of each modality with the joint latent, and their sum as ``"total"``.

        Rows that lack a modality have no joint latent and are left out. Fewer than two complete rows leave nothing to
        contrast: then every term is 0, without influence on the weights.
        """
        inputs = _complete_inputs(batch)
        if inputs is None or len(next(iter(inputs.values()))) < 2:
            zero = 0.0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()
            return {"total": zero, **dict.fromkeys(self._contrast_names(), zero)}
        joint, single = self._training_latents(inputs)
        terms = self.contrast(joint, single)
        total = torch.stack(list(terms.values())).sum()
        if self.settings.alignment_weight > 0.0:
            terms["alignment"] = torch.stack([losses.alignment(joint, latents) for latents in single.values()]).sum()
            total = total + self.settings.alignment_weight * terms["alignment"]
        return {"total": total, **terms}

    def contrast(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrastive loss, whose sum is minimised.

        Args:
            joint: Joint latents (B, d_z) of unit norm, B at least 2.
            single: Latents (B, d_z) of unit norm by modality, row by row of the same samples.
        """
        return cosine_terms(joint, single, self.settings.loss, self.settings.temperature)

    def _contrast_names(self) -> tuple[str, ...]:
        """Names of the terms of `contrast`, from two rows that mean nothing."""
        with torch.no_grad():
            rows = torch.zeros(2, self.latent_dim, device=self.device)
            return tuple(self.contrast(rows, dict.fromkeys(self.modalities, rows)))

    def _training_latents(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint latents and those of each modality, sharing what the two trunks of a modality have in common."""
        shared, own = {}, {}
        for name, value in inputs.items():
            shared[name], own[name] = self.joint.trunk(name).forward_pair(self._encoder(name).trunk(name), value)
        with torch.autocast(self.device.type, enabled=False):
            common = [self._encoder(name).join({name: features}) for name, features in own.items()]
            # The head sees all rows at once, which is faster than one call per encoder.
            *single, joint = self._on_sphere(torch.cat([*common, self.joint.join(shared)])).chunk(len(common) + 1)
            return joint, dict(zip(own, single, strict=True))

    def _encoder(self, name: str) -> Encoder:
        return cast(Encoder, self.encoders[name])

    def _on_sphere(self, common: Tensor) -> Tensor:
        return functional.normalize(self.head(common), dim=-1)

    def _mean_latents(self, batch: Batch) -> Tensor:
        """Mean over the modalities that each row has, on the sphere again only if the settings say so."""
        total, count = torch.zeros((), device=self.device), torch.zeros((batch.size, 1), device=self.device)
        for name in batch.inputs:
            latents = self._on_sphere(self.encoders[name](batch.inputs))
            mask = batch.masks.get(name)
            present = torch.ones_like(count, dtype=torch.bool) if mask is None else mask[:, None]
            total = total + torch.where(present, latents, 0.0)
            count = count + present
        mean = total / count
        return functional.normalize(mean, dim=-1) if self.settings.normalise_mean else mean


def cosine_terms(joint: Tensor, single: Mapping[str, Tensor], loss: Loss, temperature: float) -> dict[str, Tensor]:
    """Contrast of each modality's latents (B, d_z) with the joint ones, by modality."""
    contrast = losses.infonce if loss == "infonce" else losses.joints_as_negatives
    return {name: contrast(joint, latents, temperature) for name, latents in single.items()}


def projection_head(inputs: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with SiLU between them."""
    return nn.Sequential(*layers(inputs, widths), nn.Linear([inputs, *widths][-1], outputs))


def _complete_inputs(batch: Batch) -> dict[str, Tensor] | None:
    """Inputs of the complete rows, or None when there is none."""
    if batch.complete:
        return batch.inputs
    rows = batch.complete_rows()
    return None if rows is None else {name: value[rows] for name, value in batch.inputs.items()}
