"""Scaling of a modality by its bounds, or by a logarithm where it has none."""

import torch
from torch import Tensor, nn

from anysense.representations.modality import Modality

__all__ = ["Centred", "UnitInterval"]


class UnitInterval(nn.Module):
    """Maps raw values to [0, 1] over the bounds of the modality, and back.

    Bytes may also come as floats in [0, 1], divided by 255. The buffers follow from the modality, so they are not
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
        full = self.bytes and (modality.low is None or (modality.low, modality.high) == (0.0, 255.0))
        self.identity = full or (not self.bytes and modality.low is None and unbounded)
        if self.identity:
            return
        low, high = (bound / 255.0 if self.bytes else bound for bound in modality.bounds())
        self.identity = bool((low == 0.0).all() and (high == 1.0).all())
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32), persistent=False)
        self.register_buffer("span", torch.tensor(high - low, dtype=torch.float32), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        """Raw values (B, *shape) as float32; in [0, 1] within the bounds."""
        unit = value.float().div_(255.0) if self.bytes and value.dtype == torch.uint8 else value.float()
        if not self.identity:
            unit = (unit - self.low) / self.span
        return unit.clamp(0.0, 1.0) if self.clamped else unit

    def inverse(self, unit: Tensor) -> Tensor:
        """Values (B, *shape) in [0, 1] to raw ones, in the modality's dtype; bytes are rounded."""
        value = unit.float() if self.identity else unit.float() * self.span + self.low
        return (value * 255.0).round().clamp(0.0, 255.0).to(torch.uint8) if self.bytes else value


class Centred(nn.Module):
    """Raw values as float32 around 0: [-1, 1] over the bounds.

    Without bounds sign(x) * log(1 + abs(x)), which is finite for every finite input and keeps small values apart.
    """

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.unit = UnitInterval(modality) if modality.dtype == "uint8" or modality.low is not None else None

    def forward(self, value: Tensor) -> Tensor:
        """Values of the same shape."""
        if self.unit is None:
            return value.float().sign() * value.float().abs().log1p()
        unit: Tensor = self.unit(value)
        return unit.mul_(2.0).sub_(1.0) if value.dtype == torch.uint8 else 2.0 * unit - 1.0
