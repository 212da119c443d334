"""GMC with a supervised loss, and the same with the contrasts of GRAM.

Sources: Poklukar et al., "Geometric Multimodal Contrastive Representation Learning", ICML 2022, section 5.2; Cicchetti
et al., "Gramian Multimodal Representation Learning and Alignment", ICLR 2025. Letters: B rows, D latent size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.common.errors import unknown_name
from anysense.representations.batch import Batch
from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.maths import gram_losses, losses
from anysense.representations.methods.gram import Variant, contrast_terms
from anysense.representations.methods.transformer import PredictionHead, SupervisedSettings, absolute_error
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import RowBatchNorm
from anysense.representations.networks.mult import MulT
from anysense.representations.networks.sentiment import features_of
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import MethodSettings

__all__ = ["SupervisedGMC", "SupervisedGMCSettings", "SupervisedGRAM", "SupervisedGRAMSettings"]


@dataclass(frozen=True)
class SupervisedGMCSettings(SupervisedSettings):
    """Architecture and loss of supervised GMC. The defaults are the published ones."""

    temperature: float = 0.3
    """Temperature of the contrastive loss."""
    contrast_weight: float = 1.0
    """Weight of the contrast of each modality with the joint latent."""
    prediction_weight: float = 1.0
    """Weight of the error of the prediction from the joint latent."""
    supervise_modalities: bool = False
    """Add the error of the predictions from each modality's own latent (not in the paper), weighted as that from the
    joint one."""
    centre: bool = False
    """Batch normalisation (without scale or shift) of what every encoder gives to the head. Not in the paper: the
    latents of an untrained network nearly coincide, and training spends hundreds of steps on telling them apart."""
    normalise_mean: bool = False
    """Return the mean of several single-modality latents to the unit sphere (the paper does not)."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("temperature")
        for name in ("contrast_weight", "prediction_weight"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be a finite number of at least 0; got {getattr(self, name)}.")


@dataclass(frozen=True)
class SupervisedGRAMSettings(SupervisedGMCSettings):
    """Architecture of supervised GMC with a contrast of GRAM."""

    temperature: float = 0.1
    """Temperature of the contrast of volumes."""
    variant: Variant = "joint_anchor"
    """What is contrasted, see `gram_losses`; only ``joint_anchor`` is GRAM."""
    power: int = 1
    """1 to contrast volumes, 2 to contrast their squares."""
    label_smoothing: float = 0.0
    """Share of the target probability that mismatched samples get (0.1 in the paper)."""
    anchor: str | None = None
    """``modality_anchor``: the modality that is exchanged between samples; all of them in turn if None."""
    hybrid_weight: float = 0.5
    """``hybrid``: weight of the cosine part; the volumes get the rest."""
    cosine_temperature: float = 0.3
    """``hybrid``: temperature of the cosine part."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("cosine_temperature")
        gram_losses.Contrast(self.temperature, self.label_smoothing, self.power)
        if not 0.0 <= self.hybrid_weight <= 1.0:
            raise ValueError(f"`hybrid_weight` must lie in [0, 1]; got {self.hybrid_weight}.")
        if self.variant == "pairwise_signed" and self.power != 1:
            raise ValueError(f"`power` must be 1 for the variant 'pairwise_signed'; got {self.power}.")


class SingleEncoder(nn.Module):
    """Encoder of one modality: a trunk and one linear layer, centred if asked for."""

    def __init__(self, trunk: Trunk, latent_dim: int, centre: bool) -> None:
        super().__init__()
        self.trunk = trunk
        linear = nn.Linear(trunk.feature_dim, latent_dim)
        self.project = nn.Sequential(linear, RowBatchNorm(latent_dim, affine=False)) if centre else linear


class SupervisedGMC(SupervisedRepresentation):
    """GMC whose joint encoder is the multimodal transformer, with a prediction from the latent.

    A recurrent encoder per modality, the transformer for all of them, and one shared linear head onto the unit sphere.
    A row with all modalities is encoded by the joint encoder, any other row by the mean of the latents of what it has;
    the prediction is made from that latent, whatever it came from.
    """

    method: ClassVar[str] = "gmc-supervised"
    settings_class: ClassVar[type[MethodSettings]] = SupervisedGMCSettings

    settings: SupervisedGMCSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: SupervisedGMCSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = settings.latent_dim
        self.encoders = nn.ModuleDict(
            {
                name: SingleEncoder(networks.trunk(modality), settings.latent_dim, settings.centre)
                for name, modality in modalities.items()
            }
        )
        self.joint = MulT(modalities, settings.latent_dim, settings.channels, settings.heads, settings.layers)
        self.centre = RowBatchNorm(settings.latent_dim, affine=False) if settings.centre else nn.Identity()
        self.head = nn.Linear(settings.latent_dim, settings.latent_dim)
        self.answer = PredictionHead(settings.latent_dim)

    def encode_batch(self, batch: Batch) -> Tensor:
        """Joint latents (B, D) for complete rows, else the mean of the latents of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            if batch.complete:
                return self._on_sphere(self.centre(self.joint(batch.inputs)))
            latents = self._mean(self._single(batch.inputs), batch)
            rows = batch.complete_rows()
            if rows is None:
                return latents
            chosen = rows.nonzero().flatten()
            inputs = {name: value[chosen] for name, value in batch.inputs.items()}
            joint = self._on_sphere(self.centre(self.joint(inputs)))
            return latents.index_copy(0, chosen, joint)

    def predict_batch(self, batch: Batch) -> Tensor:
        """Predictions (B,) from the latents of `encode_batch`."""
        with torch.autocast(self.device.type, enabled=False):
            predicted: Tensor = self.answer(self.encode_batch(batch))
            return predicted

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast of each modality with the joint latent, error of the prediction, and their sum as ``"total"``.

        Rows that lack a modality have no joint latent: they count only for ``"modalities"``, the mean error of the
        predictions from single latents, if the settings ask for it. Without complete rows the other terms are 0.
        """
        settings = self.settings
        with torch.autocast(self.device.type, enabled=False):
            single = self._single(batch.inputs)
            terms = self._joint_terms(batch, single)
            contrast = torch.stack([term for name, term in terms.items() if name != "prediction"]).sum()
            total = settings.prediction_weight * terms["prediction"] + settings.contrast_weight * contrast
            if settings.supervise_modalities:
                terms["modalities"] = self._single_error(batch, single)
                total = total + settings.prediction_weight * terms["modalities"]
            return {"total": total, **terms}

    def contrast(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrast, whose sum is minimised; all latents (B, D) are of unit norm."""
        return {name: losses.infonce(joint, latents, self.settings.temperature) for name, latents in single.items()}

    def _joint_terms(self, batch: Batch, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the joint latents of the complete rows are trained on: the contrast, and the term ``prediction``."""
        assert batch.target is not None
        inputs, target = batch.inputs, batch.target
        if not batch.complete:
            rows = batch.complete_rows()
            if rows is None:
                return self._no_terms()
            inputs, single = ({name: value[rows] for name, value in of.items()} for of in (inputs, single))
            target = target[rows]
        joint = self._on_sphere(self.centre(self.joint(inputs)))
        error = absolute_error(self.answer(joint), target)
        return self.contrast(joint, single) | {"prediction": error}

    def _no_terms(self) -> dict[str, Tensor]:
        """Zeros that depend on every weight, under the names of the terms."""
        zero = 0.0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()
        with torch.no_grad():
            rows = torch.zeros(2, self.latent_dim, device=self.device)
            names = self.contrast(rows, dict.fromkeys(self.modalities, rows))
        return dict.fromkeys((*names, "prediction"), zero)

    def _single(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Latents (B, D) of each modality that is there."""
        encoders = {name: cast(SingleEncoder, self.encoders[name]) for name in inputs}
        features = features_of({name: encoder.trunk for name, encoder in encoders.items()}, inputs)
        return {name: self._on_sphere(encoder.project(features[name])) for name, encoder in encoders.items()}

    def _single_error(self, batch: Batch, single: Mapping[str, Tensor]) -> Tensor:
        """Mean absolute error over all modalities that each row has."""
        assert batch.target is not None
        errors, counts = [], 0
        for name, latents in single.items():
            mask = batch.masks.get(name)
            kept, target = (latents, batch.target) if mask is None else (latents[mask], batch.target[mask])
            errors.append(absolute_error(self.answer(kept), target) * len(kept))
            counts += len(kept)
        return torch.stack(errors).sum() / counts

    def _mean(self, single: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Mean (B, D) over the modalities that each row has, on the sphere again only if the settings say so."""
        present = batch.present(single)[..., None]
        latents = torch.where(present, torch.stack(list(single.values())), 0.0)
        mean = latents.sum(dim=0) / present.sum(dim=0)
        return functional.normalize(mean, dim=-1) if self.settings.normalise_mean else mean

    def _on_sphere(self, common: Tensor) -> Tensor:
        return functional.normalize(self.head(common), dim=-1)


class SupervisedGRAM(SupervisedGMC):
    """Supervised GMC with one of the contrasts of GRAM in the place of its own."""

    method: ClassVar[str] = "gram-supervised"
    settings_class: ClassVar[type[MethodSettings]] = SupervisedGRAMSettings

    settings: SupervisedGRAMSettings

    def __init__(
        self, modalities: Mapping[str, Modality], settings: SupervisedGRAMSettings, networks: Networks
    ) -> None:
        super().__init__(modalities, settings, networks)
        if settings.anchor is not None and settings.anchor not in modalities:
            raise ValueError(unknown_name("anchor", settings.anchor, modalities))
        if settings.latent_dim < len(modalities) + 1:
            raise ValueError(
                f"`latent_dim` must be at least {len(modalities) + 1}: {len(modalities) + 1} vectors in fewer "
                f"dimensions have no volume; got {settings.latent_dim}."
            )

    def contrast(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrast of volumes; see `gram_losses`."""
        settings = self.settings
        contrast = gram_losses.Contrast(settings.temperature, settings.label_smoothing, settings.power)
        return contrast_terms(
            settings.variant,
            joint,
            single,
            contrast,
            lambda: {n: losses.infonce(joint, z, settings.cosine_temperature) for n, z in single.items()},
            settings.anchor,
            settings.hybrid_weight,
        )
