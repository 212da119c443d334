"""Trunks of the multimodal pendulum (published architecture: Poklukar et al., ICML 2022; sizes are settings)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.sparse import KERNEL, PADDING, STRIDE, WindowPlan, plan_windows
from anysense.representations.networks.trunk import Trunk
from anysense.representations.normalisation import SoundNormalisation, sound_normalisation

__all__ = ["ImageTrunk", "SoundTrunk"]


class ImageTrunk(Trunk):
    """Two convolutions (kernel 4, stride 2, padding 1, no bias) with SiLU, then flattened place by place.

    Images that are mostly zero take the short way of `networks.sparse`, always in float32; the others the dense one,
    which follows autocast.
    """

    def __init__(self, modality: Modality, channels: tuple[int, int]) -> None:
        super().__init__()
        if len(modality.shape) != 3 or modality.dtype != "uint8" or min(modality.shape[1:]) < KERNEL:
            raise ValueError(
                f"modality {modality.name!r} must be a uint8 image (stack, height, width), {KERNEL} x {KERNEL} or "
                f"larger; got {modality.dtype} {modality.shape}."
            )
        stack, height, width = modality.shape
        self.first = nn.Conv2d(stack, channels[0], KERNEL, STRIDE, PADDING, bias=False)
        self.second = nn.Conv2d(channels[0], channels[1], KERNEL, STRIDE, PADDING, bias=False)
        self.feature_dim = channels[1] * (height // 4) * (width // 4)

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim) of an image (B, stack, height, width), uint8 or float in [0, 1]."""
        plan = plan_windows(value)
        return self.dense(value) if plan is None else self.sparse(plan)

    def forward_pair(self, other: Trunk, value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two image trunks, which share the plan of windows."""
        plan = plan_windows(value)
        if plan is None or not isinstance(other, ImageTrunk):
            return self(value), other(value)
        return self.sparse(plan), other.sparse(plan)

    def sparse(self, plan: WindowPlan) -> Tensor:
        """Features of the images that ``plan`` was made for."""
        with torch.autocast("cpu", enabled=False):
            return plan.convolve(self.first.weight, self.second.weight).view(-1, self.feature_dim)

    def dense(self, value: Tensor) -> Tensor:
        """Features by the ordinary convolutions."""
        image = value / 255.0 if value.dtype == torch.uint8 else value
        hidden = functional.silu(self.first(image))
        return functional.silu(self.second(hidden)).permute(0, 2, 3, 1).flatten(1).float()


class SoundTrunk(Trunk):
    """Normalised sound through fully connected layers with SiLU; always float32, whose last digits hold the state."""

    def __init__(self, modality: Modality, normalisation: SoundNormalisation, widths: Sequence[int]) -> None:
        super().__init__()
        self.normalise = sound_normalisation(normalisation, modality)
        sizes = [torch.Size(modality.shape).numel(), *widths]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.feature_dim = sizes[-1]

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim) of a sound (B, stack, receivers, 2)."""
        with torch.autocast(value.device.type, enabled=False):
            hidden: Tensor = self.normalise(value.float())
            for layer in self.layers:
                hidden = functional.silu(layer(hidden))
        return hidden
