"""What every encoder is made of."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from anysense.representations.networks.padding import convolved

__all__ = ["ConvolutionTrunk", "PreparedTrunk", "Trunk"]


class Trunk(nn.Module, ABC):
    """Maps one raw modality (B, *shape) to float32 features (B, feature_dim); normalisation included."""

    feature_dim: int

    @abstractmethod
    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""

    def forward_pair(self, other: "Trunk", value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two trunks of one modality and architecture; overridden where they can share work."""
        return self(value), other(value)


class PreparedTrunk(Trunk):
    """A trunk that first does something without weights, which two trunks of one modality can share."""

    def prepare(self, value: Tensor) -> Any:
        """What `features` takes, of a raw modality (B, *shape)."""
        return value

    @abstractmethod
    def features(self, prepared: Any) -> Tensor:
        """Features (B, feature_dim) of what `prepare` gives."""

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        return self.features(self.prepare(value))

    def forward_pair(self, other: Trunk, value: Tensor) -> tuple[Tensor, Tensor]:
        """Features of two trunks, from what was prepared once."""
        if not isinstance(other, type(self)):
            return super().forward_pair(other, value)
        prepared = self.prepare(value)
        return self.features(prepared), other.features(prepared)


class ConvolutionTrunk(PreparedTrunk):
    """Convolutions over what was prepared, then fully connected layers; padding of sequences is left out."""

    convolutions: nn.Sequential
    layers: nn.Sequential

    def features(self, prepared: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(convolved(self.convolutions, prepared).flatten(1))
        return features.float()
