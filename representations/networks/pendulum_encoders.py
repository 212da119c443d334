"""Encoders of the multimodal pendulum: published ones (Poklukar et al., ICML 2022), and one that compares frames."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.dense import DenseTrunk, layers
from anysense.representations.networks.pendulum_sound import SoundNormalisation, sound_normalisation
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.sparse import KERNEL, PADDING, STRIDE, WindowPlan, plan_windows
from anysense.representations.networks.trunk import Trunk

__all__ = ["FramesTrunk", "ImageTrunk", "SoundTrunk"]

POOL = 2
"""Side of the squares of pixels that are averaged first; anti-aliased edges keep their place to less than a pixel."""
CHANGE_SCALE = 10.0
"""Factor on the change between frames, which is small against what the frames have in common."""


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


class FramesTrunk(Trunk):
    """Frame encoder shared by all frames of the stack, then layers on its outputs and on their changes over time.

    Not in the paper. Two convolutions over stacked frames have to find the speed in differences of a fraction of a
    pixel; here each frame becomes a short vector first, and the speed is read from the difference of two vectors.

    Args:
        modality: uint8 image (stack, height, width), at least 2 x 2 pixels.
        frame_widths: widths of the hidden layers of the frame encoder.
        frame_dim: size of the vector of a frame.
        widths: widths of the layers on vectors and changes.

    Raises:
        ValueError: if the modality is not such an image.
    """

    def __init__(
        self, modality: Modality, frame_widths: tuple[int, ...], frame_dim: int, widths: tuple[int, ...]
    ) -> None:
        super().__init__()
        if len(modality.shape) != 3 or modality.dtype != "uint8" or min(modality.shape[1:]) < POOL:
            raise ValueError(
                f"modality {modality.name!r} must be a uint8 image (stack, height, width) of at least {POOL} x {POOL} "
                f"pixels; got {modality.dtype} {modality.shape}."
            )
        self.stack, height, width = modality.shape
        self.scale = UnitInterval(modality)
        self.frame = layers((height // POOL) * (width // POOL), frame_widths)
        self.embed = nn.Linear(frame_widths[-1], frame_dim)
        self.compare = layers((2 * self.stack - 1) * frame_dim, widths)
        self.feature_dim = widths[-1]

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim) of an image (B, stack, height, width), uint8 or float in [0, 1]."""
        with torch.autocast(value.device.type, enabled=False):
            return self._compare(self._pool(value))

    def forward_pair(self, other: Trunk, value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two such trunks, which share the averaged pixels."""
        if not isinstance(other, FramesTrunk):
            return self(value), other(value)
        with torch.autocast(value.device.type, enabled=False):
            pixels = self._pool(value)
            return self._compare(pixels), other._compare(pixels)

    def _pool(self, value: Tensor) -> Tensor:
        """Pixels (B, stack, height, width) to averages (B, stack, height/2 * width/2) in [0, 1]."""
        return functional.avg_pool2d(self.scale(value), POOL).flatten(2)

    def _compare(self, pixels: Tensor) -> Tensor:
        """Averages (B, stack, P) to features (B, feature_dim)."""
        frames: Tensor = self.embed(self.frame(pixels))  # (B, stack, frame_dim)
        change = CHANGE_SCALE * frames.diff(dim=1)
        features: Tensor = self.compare(torch.cat([frames.flatten(1), change.flatten(1)], dim=1))
        return features


class SoundTrunk(DenseTrunk):
    """Normalised sound through fully connected layers with SiLU; always float32, whose last digits hold the state."""

    def __init__(self, modality: Modality, normalisation: SoundNormalisation, widths: tuple[int, ...]) -> None:
        super().__init__(modality, sound_normalisation(normalisation, modality), widths)

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim) of a sound (B, stack, receivers, 2)."""
        with torch.autocast(value.device.type, enabled=False):
            return super().forward(value.float())
