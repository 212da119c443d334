"""A family of networks: every modality is flattened and goes through fully connected layers."""

from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from anysense.representations import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import NetworkSettings


@dataclass(frozen=True)
class FlatSettings(NetworkSettings):
    """Settings of the family."""

    width: int = 64
    """Width of the hidden layer."""


class FlatTrunk(Trunk):
    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.scale = 255.0 if modality.dtype == "uint8" else 1.0
        self.layers = nn.Sequential(nn.Linear(prod(modality.shape), width), nn.ReLU())

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        scale = self.scale if value.dtype == torch.uint8 else 1.0
        return self.layers(value.flatten(1).float() / scale)


class FlatDecoder(Decoder):
    likelihood = "gaussian"

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__()
        low, high = modality.bounds()
        self.shape, self.dtype = modality.shape, getattr(torch, modality.dtype)
        self.low, self.span = float(low.min()), float(high.max() - low.min())
        self.layer = nn.Linear(latent_dim, prod(self.shape))

    def logits(self, latent: torch.Tensor) -> torch.Tensor:
        return self.layer(latent).view(-1, *self.shape)

    def target(self, value: torch.Tensor) -> torch.Tensor:
        return (value.float() - self.low) / self.span

    def raw(self, mean: torch.Tensor) -> torch.Tensor:
        return (mean * self.span + self.low).to(self.dtype)


class FlatNetworks(Networks):
    name = "flat"
    settings_class = FlatSettings

    def trunk(self, modality: Modality) -> Trunk:
        return FlatTrunk(modality, self.settings.width)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        return FlatDecoder(modality, latent_dim)
