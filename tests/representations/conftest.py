"""Real observations of the pendulum for the tests of the representations."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anysense.envs.pendulum.acoustics import hear, receiver_positions, sound_bounds
from anysense.envs.pendulum.raster import rod_frame
from anysense.representations import Modality, Representation, build, make_settings, modalities_from_space
from anysense.representations.networks.catalogue import NETWORKS, Networks, networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk

RECEIVERS = ("left_bottom", "right_bottom", "middle_top")


@pytest.fixture(scope="session")
def pendulum_space() -> gymnasium.spaces.Dict:
    low, high = (np.stack([bound, bound]) for bound in sound_bounds(RECEIVERS))
    return gymnasium.spaces.Dict(
        image=gymnasium.spaces.Box(0, 255, (2, 60, 60), np.uint8),
        sound=gymnasium.spaces.Box(low, high, dtype=np.float32),
        present=gymnasium.spaces.MultiBinary(2),
    )


@pytest.fixture(scope="session")
def pendulum_modalities(pendulum_space: gymnasium.spaces.Dict) -> dict[str, Modality]:
    return modalities_from_space(pendulum_space)


@pytest.fixture(scope="session")
def pendulum_batch() -> Callable[..., dict[str, Tensor]]:
    """Function (rows, seed) -> raw observation of that many random states."""

    def batch(rows: int, seed: int = 0) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed)
        theta, omega = rng.uniform(-np.pi, np.pi, rows), rng.uniform(-8.0, 8.0, rows)
        angles = np.stack([theta - 0.05 * omega, theta], axis=1)
        sound = hear(angles, np.stack([omega, omega], axis=1), receiver_positions(RECEIVERS))
        return {"image": torch.from_numpy(rod_frame(angles)), "sound": torch.from_numpy(sound.astype(np.float32))}

    return batch


@pytest.fixture(scope="session")
def take() -> Callable[[Mapping[str, Tensor], object], dict[str, Tensor]]:
    """Function (tensors, rows) -> those rows of every tensor."""
    return lambda tensors, rows: {name: value[rows] for name, value in tensors.items()}


class FlatTrunk(Trunk):
    """The input itself, flat."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.feature_dim = math.prod(modality.shape)

    def forward(self, value: Tensor) -> Tensor:
        return value.flatten(1)


class LinearDecoder(Decoder):
    """A linear layer. Normal likelihood around its output, with constants; labels are categorical."""

    def __init__(self, modality: Modality, latent_dim: int, deviation: float) -> None:
        super().__init__()
        self.shape = modality.shape
        self.likelihood = "categorical" if modality.name == "label" else "gaussian"
        self.layer = nn.Linear(latent_dim, math.prod(modality.shape))
        self.deviation = deviation

    def logits(self, latent: Tensor) -> Tensor:
        return self.layer(latent).view(-1, *self.shape)

    def target(self, value: Tensor) -> Tensor:
        return value

    def raw(self, mean: Tensor) -> Tensor:
        return mean

    def error(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.likelihood == "categorical":
            return super().error(logits, target)
        return -torch.distributions.Normal(logits.float(), self.deviation).log_prob(target).sum(dim=-1)


class LinearNetworks(Networks):
    """Linear encoders and decoders; the noise of the observations by modality name."""

    name = "linear"
    deviations: ClassVar[dict[str, float]] = {"first": 1.0, "second": 0.5, "third": 2.0}

    def trunk(self, modality: Modality) -> Trunk:
        return FlatTrunk(modality)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        return LinearDecoder(modality, latent_dim, self.deviations.get(modality.name, 1.0))


@pytest.fixture
def linear_networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    """A family of linear networks, known during one test."""
    monkeypatch.setattr(NETWORKS, "_registered", dict(NETWORKS._registered))
    NETWORKS.register("linear", LinearNetworks)
    return networks("linear")


@pytest.fixture
def linear_gaussian(linear_networks: Networks) -> Callable[..., Representation]:
    """Function (method, names, **settings) -> a model whose experts are exact: x_m = a_m z + s_m * noise."""
    slopes = {"first": 1.0, "second": 2.0, "third": -0.5}

    def model(method: str, names: Iterable[str] = tuple(slopes), **settings: object) -> Representation:
        modalities = {name: Modality(name, (1,), "float32") for name in names}
        representation = build(method, modalities, make_settings(method, latent_dim=1, **settings), linear_networks)
        with torch.no_grad():
            for name in modalities:
                slope, deviation = slopes[name], LinearNetworks.deviations[name]
                encoder, decoder = representation.encoders[name], representation.decoders[name]
                for layer, weight, bias in (
                    (encoder.mean, 1.0 / slope, 0.0),
                    (encoder.log_variance, 0.0, 2.0 * math.log(deviation / abs(slope))),
                    (decoder.layer, slope, 0.0),
                ):
                    layer.weight.fill_(weight)
                    layer.bias.fill_(bias)
        return representation

    return model
