"""What every encoder is made of."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["DeeperTrunk", "Trunk"]


class Trunk(nn.Module, ABC):
    """Maps one raw modality (B, *shape) to float32 features (B, feature_dim); normalisation included."""

    feature_dim: int

    @abstractmethod
    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""

    def forward_pair(self, other: "Trunk", value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two trunks of the same architecture on the same input; overridden where that can be shared."""
        return self(value), other(value)


class DeeperTrunk(Trunk):
    """A trunk with more layers on top.

    Args:
        trunk: What reads the input.
        layers: Maps its features (B, trunk.feature_dim) to (B, feature_dim).
        feature_dim: Size of the features after the layers.
    """

    def __init__(self, trunk: Trunk, layers: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.layers = layers
        self.feature_dim = feature_dim

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(self.trunk(value))
        return features.float()
