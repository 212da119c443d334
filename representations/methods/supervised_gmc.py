"""GMC and GRAM with a supervised loss, on sequences.

Source: Poklukar et al., Geometric Multimodal Contrastive Representation Learning, ICML 2022, section 5.2; for the
contrasts see `anysense.representations.maths.contrast`. Letters: B rows, D latent size.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from anysense.representations.batch import Batch
from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.maths.contrast import Contrast, VolumeContrast
from anysense.representations.methods.gmc import Encoder, GMCCore, taken
from anysense.representations.methods.settings.supervised import (
    SupervisedCoreSettings,
    SupervisedGMCSettings,
    SupervisedGRAMSettings,
)
from anysense.representations.methods.transformer import PredictionHead, absolute_error
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import RowBatchNorm
from anysense.representations.networks.mult import MulT
from anysense.representations.settings import MethodSettings

__all__ = ["SupervisedGMC", "SupervisedGMCSettings", "SupervisedGRAM", "SupervisedGRAMSettings"]


class SupervisedGMC(GMCCore, SupervisedRepresentation):
    """GMC whose joint encoder is the multimodal transformer, with a prediction from the latent.

    One shared linear head leads onto the unit sphere. The prediction is made from the latent of `encode`, whatever it
    came from: joint for complete rows, else the mean over what a row has.
    """

    method: ClassVar[str] = "gmc-supervised"
    settings_class: ClassVar[type[MethodSettings]] = SupervisedGMCSettings

    joint_of_all_rows: ClassVar[bool] = False

    settings: SupervisedCoreSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: MethodSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        own, size = self.settings, self.settings.latent_dim
        self.encoders = nn.ModuleDict(
            {name: Encoder({name: networks.trunk(modality)}, size, own.centre) for name, modality in modalities.items()}
        )
        centre = [RowBatchNorm(size, affine=False)] if own.centre else []
        self.joint = nn.Sequential(MulT(modalities, size, own.channels, own.heads, own.layers), *centre)
        self.head = nn.Linear(size, size)
        self.answer = PredictionHead(size)

    def takes_lengths(self, modality: Modality) -> bool:
        """What the family says, of sequences (T, F): the transformer reads no others."""
        return modality.time_axis == 0 and super().takes_lengths(modality)

    def predict_batch(self, batch: Batch) -> Tensor:
        """Predictions (B,) from the latents of `encode_batch`."""
        with torch.autocast(self.device.type, enabled=False):
            predicted: Tensor = self.answer(self.encode_batch(batch))
            return predicted

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Terms of the contrast, ``"prediction"`` and their weighted sum ``"total"``, all from complete rows.

        Rows that lack a modality have no joint latent: they count only for ``"modalities"``, the mean error of the
        predictions from single latents, if the settings ask for it. Without complete rows the other terms are 0.
        """
        settings = self.settings
        with torch.autocast(self.device.type, enabled=False):
            single = self.single_latents(batch.inputs)
            terms = self._joint_terms(batch, single)
            contrast = torch.stack([term for name, term in terms.items() if name != "prediction"]).sum()
            total = settings.prediction_weight * terms["prediction"] + settings.contrast_weight * contrast
            if settings.supervise_modalities:
                terms["modalities"] = self._single_error(batch, single)
                total = total + settings.prediction_weight * terms["modalities"]
            return {"total": total, **terms}

    def _joint_terms(self, batch: Batch, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrast of the complete rows, and ``"prediction"``, the error from their joint latents."""
        assert batch.target is not None
        inputs, target, rows = batch.inputs, batch.target, None if batch.complete else batch.complete_rows()
        if rows is not None:
            inputs, single, target = taken(inputs, rows), taken(single, rows), target[rows]
        if batch.complete or rows is not None:
            joint = self.joint_latents(inputs)
            error = absolute_error(self.answer(joint), target)
        else:
            joint, single = self.no_latents()
            error = joint.sum()
        found = self.contrasted(joint, single)
        return (self.no_contrast() if found is None else self.contrast.terms(*found)) | {"prediction": error}

    def _single_error(self, batch: Batch, single: Mapping[str, Tensor]) -> Tensor:
        """Mean absolute error of the predictions from single latents, over all modalities that each row has."""
        assert batch.target is not None
        errors, counts = [], 0
        for name, latents in single.items():
            mask = batch.rows(name)
            kept, target = (latents, batch.target) if mask is None else (latents[mask], batch.target[mask])
            errors.append(absolute_error(self.answer(kept), target) * len(kept))
            counts += len(kept)
        return torch.stack(errors).sum() / counts


class SupervisedGRAM(SupervisedGMC):
    """Supervised GMC with a `VolumeContrast`."""

    method: ClassVar[str] = "gram-supervised"
    settings_class: ClassVar[type[MethodSettings]] = SupervisedGRAMSettings
    contrast_class: ClassVar[type[Contrast]] = VolumeContrast
