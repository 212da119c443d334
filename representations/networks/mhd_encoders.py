"""Encoders of MHD: the published stacks (Poklukar et al., ICML 2022) up to the layers that methods put on top."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.dense import RowBatchNorm, layers
from anysense.representations.networks.filled_blocks import BlockPlan, plan_blocks
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.strided import HalveTime, halving_order
from anysense.representations.networks.trunk import Trunk

__all__ = ["ImageTrunk", "SoundTrunk"]


class ImageTrunk(Trunk):
    """Image (B, 1, 28, 28): two convolutions (kernel 4, stride 2, padding 1, no bias) with SiLU, flattened (6272).

    Flattened place by place. Images with enough empty parts take the short way of `networks.filled_blocks`, always in
    float32; the others the dense one, which follows autocast.

    Args:
        modality: The image.
        widths: Widths of fully connected layers with SiLU on top.
    """

    def __init__(self, modality: Modality, widths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.scale = UnitInterval(modality, unbounded=True)
        self.first = nn.Conv2d(1, 64, 4, 2, 1, bias=False)
        self.second = nn.Conv2d(64, 128, 4, 2, 1, bias=False)
        self.layers = layers(6272, widths)
        self.feature_dim = widths[-1] if widths else 6272

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        image = self.scale(value)
        return self._features(image, plan_blocks(image))

    def forward_pair(self, other: Trunk, value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two image trunks, which share the plan of blocks."""
        if not isinstance(other, ImageTrunk):
            return self(value), other(value)
        image = self.scale(value)
        plan = plan_blocks(image)
        return self._features(image, plan), other._features(image, plan)

    def _features(self, image: Tensor, plan: BlockPlan | None) -> Tensor:
        """Features of images in [0, 1]; without a plan by the dense convolutions."""
        if plan is None:
            hidden = functional.silu(self.second(functional.silu(self.first(image)))).permute(0, 2, 3, 1)
        else:
            with torch.autocast("cpu", enabled=False):
                hidden = plan.convolve(self.first.weight, self.second.weight)
        features: Tensor = self.layers(hidden.reshape(len(image), -1))
        return features.float()


class SoundTrunk(Trunk):
    """Sound (B, 1, 32 frames, 128 mel bins): three convolutions with batch normalisation and ReLU, flattened (2048).

    The first convolution spans all mel bins of one frame, so it is a linear layer; the others run over time.
    """

    order: Tensor

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.scale = UnitInterval(modality, unbounded=True)
        self.frames = nn.Linear(128, 128, bias=False)
        self.halving = nn.ModuleList([HalveTime(128, 128, 32, later=1), HalveTime(128, 256, 16)])
        self.norms = nn.ModuleList(RowBatchNorm(channels) for channels in (128, 128, 256))
        self.register_buffer("order", torch.tensor(halving_order(32, 2)), persistent=False)
        self.feature_dim = 2048

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, 2048)."""
        return self._features(self._frames_first(value))

    def forward_pair(self, other: Trunk, value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two sound trunks, which share the order of frames."""
        if not isinstance(other, SoundTrunk):
            return self(value), other(value)
        frames = self._frames_first(value)
        return self._features(frames), other._features(frames)

    def _frames_first(self, value: Tensor) -> Tensor:
        """Frames (32, B, 128), in the order that the halvings want."""
        return cast(Tensor, self.scale(value)).squeeze(1).transpose(0, 1).index_select(0, self.order)

    def _features(self, frames: Tensor) -> Tensor:
        hidden = torch.relu(self.norms[0](self.frames(frames)))
        for convolution, norm in zip(self.halving, self.norms[1:], strict=True):
            hidden = torch.relu(norm(convolution(hidden)))
        return hidden.transpose(0, 1).flatten(1).float()
