"""Real observations of the pendulum for the tests of the representations."""

from collections.abc import Callable, Mapping

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from anysense.envs.acoustics import hear, receiver_positions, sound_bounds
from anysense.envs.raster import rod_frame
from anysense.representations import Modality, modalities_from_space

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
