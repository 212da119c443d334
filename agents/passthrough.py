"""Entries of an observation that reach the agent as they are, beside the latent: a goal, joint angles. B: rows."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor

from anysense.common.validation import check_choice, check_names
from anysense.envs.sensors.model import PRESENT

__all__ = ["Passthrough"]


class Passthrough:
    """Entries that are appended to latents, flat and in the order of ``names``.

    Args:
        names: Names of the entries; may be empty.
        modalities: What the representation encodes, and may not be passed on as well.

    Attributes:
        shapes: Shape of each entry by name; empty until `check_space` has seen them.

    Raises:
        TypeError: ``names`` is no sequence of names.
        ValueError: A name occurs twice, is ``present`` or is that of a modality.
    """

    def __init__(self, names: Sequence[str], modalities: Collection[str]) -> None:
        self.names = () if isinstance(names, list | tuple) and not names else check_names("passthrough", names, names)
        encoded = [name for name in self.names if name in modalities or name == PRESENT]
        if encoded:
            raise ValueError(f"`passthrough` must name entries that are not encoded; got {encoded}.")
        self.shapes: dict[str, tuple[int, ...]] = {}

    @property
    def size(self) -> int:
        """Numbers that are appended to a latent; ValueError while the shapes are unknown."""
        if len(self.shapes) < len(self.names):
            raise ValueError(
                f"the shapes of `passthrough` {list(self.names)} are unknown; call `check_space` with the observation "
                "space first."
            )
        return sum(math.prod(shape) for shape in self.shapes.values())

    def check_space(self, space: spaces.Dict) -> None:
        """Learn the shapes; ValueError if an entry is unknown, no ``Box`` of numbers, or had another shape before."""
        entries = {name: box for name, box in space.spaces.items() if name != PRESENT}
        shapes: dict[str, tuple[int, ...]] = {}
        for name in self.names:
            box = entries[check_choice("passthrough", name, entries)]
            if not isinstance(box, spaces.Box) or is_image_space(box) or box.dtype.kind not in "fiu":
                raise ValueError(f"`observation_space[{name!r}]` must be a Box of numbers and no image; got {box}.")
            shapes[name] = box.shape
        if self.shapes and shapes != self.shapes:
            raise ValueError(f"`passthrough` must have the shapes {self.shapes}; `observation_space` has {shapes}.")
        self.shapes = shapes

    def append(self, latents: Tensor, observation: Mapping[str, Any]) -> Tensor:
        """Latents with the entries of a batched observation, float32 (B, latent_dim + size).

        Raises:
            ValueError: An entry is missing, has another shape, or holds NaN or infinity where it is present.
        """
        if not self.names:
            return latents
        values = [self._checked(name, observation, latents) for name in self.names]
        return torch.cat([latents, *values], dim=1)

    def _checked(self, name: str, observation: Mapping[str, Any], latents: Tensor) -> Tensor:
        label, shape = f"`observation[{name!r}]`", (len(latents), *self.shapes.get(name, ()))
        if name not in observation:
            raise ValueError(f"{label} is missing; expected the entries {list(self.names)} beside the modalities.")
        value: Tensor = observation[name]
        if tuple(value.shape) != shape:
            raise ValueError(f"{label} must have shape {shape}; got {tuple(value.shape)}.")
        value = value.to(latents.device, torch.float32).flatten(1)
        flags = observation.get(PRESENT)
        if flags is not None:  # its columns follow the sorted names of all entries
            column = sorted(key for key in observation if key != PRESENT).index(name)
            value = torch.where(flags[:, column, None] == 1, value, torch.zeros_like(value))
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{label} must be finite; got NaN or infinity.")
        return value
