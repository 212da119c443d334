"""What every encoder is made of."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["Trunk"]


class Trunk(nn.Module, ABC):
    """Maps one raw modality (B, *shape) to float32 features (B, feature_dim); normalisation included."""

    feature_dim: int

    @abstractmethod
    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""

    def forward_pair(self, other: "Trunk", value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two trunks of the same architecture on the same input; overridden where that can be shared."""
        return self(value), other(value)
