"""GMC: Geometric Multimodal Contrastive representation learning (Poklukar et al., ICML 2022, arXiv 2202.03390).

`GMCCore` is what all methods of this kind share, whatever their contrast and with or without supervision.

Letters: B rows, M modalities, d_c common size of all base encoders, d_z latent size.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.contract import Representation
from anysense.representations.maths import losses
from anysense.representations.maths.contrast import Contrast, CosineContrast
from anysense.representations.maths.gathering import rows_of_all
from anysense.representations.methods.settings.gmc import GMCCoreSettings, GMCSettings, UnsupervisedSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.dense import RowBatchNorm, layers
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import MethodSettings

__all__ = ["GMC", "GMCCore", "GMCCoreSettings", "GMCSettings", "UnsupervisedSettings"]


class GMCCore(Representation):
    """One encoder per modality, one joint encoder with its own weights, and a shared head onto the unit sphere.

    A row with all modalities is encoded by the joint encoder, any other row by the mean of the latents of what it has.
    The latents of complete rows are contrasted; which contrast, say the settings.

    Attributes:
        contrast_class: Class of ``contrast``; a method of one's own names it beside its settings.
        joint_of_all_rows: Whether `encode` gives the joint encoder incomplete rows too and drops what it makes of them,
            which is faster than picking rows if it is small.
        contrast: Loss on joint and single latents.
        encoders: Encoder of each modality by name.
        joint: Maps the inputs of all modalities to what the head takes.
        head: Maps what encoders give to (B, d_z), before the sphere.

    Raises:
        ValueError: The contrast needs larger latents, or other modalities.
    """

    contrast_class: ClassVar[type[Contrast]] = CosineContrast
    unit_latents: ClassVar[bool] = True
    joint_of_all_rows: ClassVar[bool] = True

    settings: Any
    encoders: nn.ModuleDict
    joint: nn.Module
    head: nn.Module

    def __init__(self, modalities: Mapping[str, Modality], settings: MethodSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        self.latent_dim = self.settings.latent_dim
        self.contrast = self.contrast_class(self.settings, tuple(modalities))
        least = self.contrast.least_dim
        if self.latent_dim < least:
            raise ValueError(
                f"`latent_dim` must be at least {least} for {self.method!r} with the modalities {list(modalities)}: in "
                f"fewer dimensions its contrast is always 0; got {self.latent_dim}."
            )

    def single_latents(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Latents (B, d_z) of unit norm of each modality that is given."""
        return {name: self.on_sphere(self.encoders[name](inputs)) for name in inputs}

    def joint_latents(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Joint latents (B, d_z) of unit norm; needs all modalities."""
        return self.on_sphere(self.joint(inputs))

    def on_sphere(self, common: Tensor) -> Tensor:
        """What encoders give, (B, d_c), to latents (B, d_z) of unit norm."""
        return functional.normalize(self.head(common), dim=-1)

    def encode_batch(self, batch: Batch) -> Tensor:
        """Joint latents (B, d_z) for complete rows, else the mean of the latents of what is present."""
        with torch.autocast(self.device.type, enabled=False):
            if batch.complete:
                return self.joint_latents(batch.inputs)
            latents = self._mean(self.single_latents(batch.inputs), batch)
            rows = batch.complete_rows()
            if rows is None:
                return latents
            if self.joint_of_all_rows:
                return torch.where(rows[:, None], self.joint_latents(batch.inputs), latents)
            chosen = rows.nonzero().flatten()
            return latents.index_copy(0, chosen, self.joint_latents(taken(batch.inputs, chosen)))

    def contrasted(self, joint: Tensor, single: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]] | None:
        """Joint and single latents (B, d_z) to contrast: those of complete rows, of all processes that train together.

        None if there are fewer than two. In training with several processes each calls this once for a batch, also one
        without complete rows; see `anysense.representations.maths.gathering`.
        """
        if self.gather is not None:
            rows = torch.stack([joint, *(single[name] for name in self.modalities)], dim=1)
            joint, *others = rows_of_all(rows, self.gather).unbind(dim=1)
            single = dict(zip(self.modalities, others, strict=True))
        return None if len(joint) < 2 else (joint, dict(single))

    def no_latents(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint and single latents without any row, (0, d_z), with a gradient of 0 for every weight."""
        rows = self._zero().expand(0, self.latent_dim)
        return rows, dict.fromkeys(self.modalities, rows)

    def no_contrast(self, *others: str) -> dict[str, Tensor]:
        """The other names and the terms of the contrast, all 0 with a gradient of 0 for every weight."""
        zero = self._zero()
        with torch.no_grad():
            rows = torch.zeros(2, self.latent_dim, device=self.device)
            names = tuple(self.contrast.terms(rows, dict.fromkeys(self.modalities, rows)))
        return dict.fromkeys((*others, *names), zero)

    def _zero(self) -> Tensor:
        """0, with a gradient of 0 for every weight."""
        return 0.0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()

    def _mean(self, single: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Mean (B, d_z) over the modalities that each row has, on the sphere again only if the settings say so."""
        latents, counts = torch.stack(list(single.values())), torch.tensor(len(single))
        if batch.partial:
            present = batch.present_of(single)[..., None]
            latents, counts = torch.where(present, latents, 0.0), present.sum(dim=0)
        mean = latents.sum(dim=0) / counts
        return functional.normalize(mean, dim=-1) if self.settings.normalise_mean else mean


def complete_inputs(batch: Batch) -> dict[str, Tensor] | None:
    """Inputs of the rows that have every modality; None when no row has."""
    if batch.complete:
        return batch.inputs
    rows = batch.complete_rows()
    return None if rows is None else taken(batch.inputs, rows)


def taken(values: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Some rows of every tensor."""
    return {name: value[rows] for name, value in values.items()}


class Encoder(nn.Module):
    """Base encoder of some modalities: own trunks, features joined, one linear layer to d_c, centred if asked for."""

    def __init__(self, trunks: Mapping[str, Trunk], common_dim: int, centre: bool) -> None:
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


class GMC(GMCCore):
    """The published method: the joint encoder has trunks of all modalities, and the contrast is the only loss."""

    method: ClassVar[str] = "gmc"
    settings_class: ClassVar[type[MethodSettings]] = GMCSettings

    settings: UnsupervisedSettings
    joint: Encoder

    def __init__(self, modalities: Mapping[str, Modality], settings: MethodSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        own = self.settings

        def encoder(*names: str) -> Encoder:
            trunks = {name: networks.trunk(modalities[name]) for name in names}
            return Encoder(trunks, own.common_dim, own.centre)

        self.encoders = nn.ModuleDict({name: encoder(name) for name in modalities})
        self.joint = encoder(*modalities)
        last = [own.common_dim, *own.head_widths][-1]
        self.head = nn.Sequential(*layers(own.common_dim, own.head_widths), nn.Linear(last, own.latent_dim))

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast of the latents of complete rows, and the sum of its terms as ``"total"``; 0 below two such rows."""
        inputs = complete_inputs(batch)
        found = self.contrasted(*(self.no_latents() if inputs is None else self._training_latents(inputs)))
        if found is None:
            return self.no_contrast("total")
        joint, single = found
        terms = self.contrast.terms(joint, single)
        total = torch.stack(list(terms.values())).sum()
        if self.settings.alignment_weight > 0.0:
            terms["alignment"] = torch.stack([losses.alignment(joint, latents) for latents in single.values()]).sum()
            total = total + self.settings.alignment_weight * terms["alignment"]
        return {"total": total, **terms}

    def _training_latents(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint latents and those of each modality, sharing what the two trunks of a modality have in common."""
        encoders = {name: cast(Encoder, self.encoders[name]) for name in inputs}
        shared, own = {}, {}
        for name, value in inputs.items():
            shared[name], own[name] = self.joint.trunk(name).forward_pair(encoders[name].trunk(name), value)
        with torch.autocast(self.device.type, enabled=False):
            common = [encoders[name].join({name: features}) for name, features in own.items()]
            # The head sees all rows at once, which is faster than one call per encoder.
            *single, joint = self.on_sphere(torch.cat([*common, self.joint.join(shared)])).chunk(len(common) + 1)
            return joint, dict(zip(own, single, strict=True))
