"""Min-max scaling of a modality by its bounds, both ways."""

import torch
from torch import Tensor, nn

from anysense.representations.modality import Modality

__all__ = ["UnitInterval"]


class UnitInterval(nn.Module):
    """Maps raw values to [0, 1] over the bounds of the modality, and back.

    Images (uint8, or float in [0, 1]) follow their dtype alone. The buffers follow from the modality, so they are not
    part of the saved weights.

    Args:
        modality: What is scaled.
        unbounded: Take a float32 modality without bounds as lying in [0, 1] already.
        clamped: Take values outside the bounds to them.

    Raises:
        ValueError: A float32 modality has no bounds, unless ``unbounded``.
    """

    low: Tensor
    span: Tensor

    def __init__(self, modality: Modality, *, unbounded: bool = False, clamped: bool = False) -> None:
        super().__init__()
        self.bytes, self.clamped = modality.dtype == "uint8", clamped
        self.identity = not self.bytes and modality.low is None and unbounded
        if self.bytes or self.identity:
            return
        low, high = modality.bounds()
        self.identity = bool((low == 0.0).all() and (high == 1.0).all())
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32), persistent=False)
        self.register_buffer("span", torch.tensor(high - low, dtype=torch.float32), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        """Raw values (B, *shape) as float32; in [0, 1] within the bounds."""
        if self.bytes:
            unit = value.float() / 255.0 if value.dtype == torch.uint8 else value.float()
        else:
            unit = value.float() if self.identity else (value.float() - self.low) / self.span
        return unit.clamp(0.0, 1.0) if self.clamped else unit

    def inverse(self, unit: Tensor) -> Tensor:
        """Values (B, *shape) in [0, 1] to raw ones, in the modality's dtype; bytes are rounded."""
        if self.bytes:
            return (unit.float() * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)
        return unit.float() if self.identity else unit.float() * self.span + self.low
