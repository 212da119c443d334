"""Recorded transitions: every frame stored once, stacks of frames built on reading."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.data import storage
from anysense.representations.data.samples import Indices, checked_indices

_DTYPES = {
    "image": torch.uint8,
    "sound": torch.float32,
    "states": torch.float64,
    "actions": torch.float32,
    "rewards": torch.float64,
    "current": torch.int64,
    "first": torch.int64,
    "trajectory": torch.int64,
}
_SHAPES = {
    "image": "(instants, height, width)",
    "sound": "(instants, receivers, 2)",
    "states": "(instants, 2)",
    "actions": "(transitions, 1)",
    "rewards": "(transitions,)",
    "current": "(transitions,)",
    "first": "(transitions,)",
    "trajectory": "(transitions,)",
}
_MODALITIES = ("image", "sound")


@dataclass(frozen=True, eq=False, repr=False)
class Transitions:
    """Transitions of the multimodal pendulum, in memory.

    An *instant* is one moment of one episode. What the modalities give at an instant is stored once; the instants of an
    episode follow each other, and a transition leads from instant ``current`` to instant ``current + 1``. Observations
    are stacked on reading, oldest first; before the first instant of an episode, copies of the first stand in, as in
    the environment. Subsets from :meth:`split` and :meth:`select` share the memory of the instants.

    Attributes:
        modalities: ``image`` uint8 (F, 60, 60) and/or ``sound`` float32 (F, R, 2) [Hz, amplitude], for F instants.
        states: float64 (F, 2), [theta, omega] in rad and rad/s.
        actions: float32 (T, 1), torque in N m.
        rewards: float64 (T,).
        current: int64 (T,), instant of each transition's observation.
        first: int64 (T,), first instant of the episode.
        trajectory: int64 (T,), number of the episode.
        frame_stack: How many instants one observation holds.
        policy: Name of the policy that collected the data.
        seed: Seed of the collection.
        env: Keyword arguments of the environment.
    """

    modalities: Mapping[str, Tensor]
    states: Tensor
    actions: Tensor
    rewards: Tensor
    current: Tensor
    first: Tensor
    trajectory: Tensor
    frame_stack: int = 2
    policy: str = "unknown"
    seed: int | None = None
    env: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check names, dtypes, shapes and index ranges.

        Raises:
            ValueError: Something does not fit; the message names the array.
        """
        self._check_arrays()
        self._check_indices()

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.current)

    def __repr__(self) -> str:
        """A line instead of all numbers."""
        episodes = len(torch.unique(self.trajectory))
        return f"Transitions({len(self)} of {episodes} trajectories, modalities={list(self.modalities)}, policy={self.policy!r})"

    @property
    def instants(self) -> int:
        """Number of stored instants, shared ones included."""
        return len(self.states)

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations before the action.

        Args:
            indices: B transition numbers, 0 to ``len(self) - 1``.
            modalities: Which of the recorded modalities to read; all by default.

        Returns:
            ``image`` uint8 (B, stack, 60, 60) and ``sound`` float32 (B, stack, R, 2), as far as they were recorded.

        Raises:
            IndexError: An index is out of range or not an integer.
            ValueError: A modality was not recorded.
        """
        chosen = self._indices(indices)
        return self._stacked(self.current[chosen], self.first[chosen], modalities)

    def next_observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations after the action; like :meth:`observation`."""
        chosen = self._indices(indices)
        return self._stacked(self.current[chosen] + 1, self.first[chosen], modalities)

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the recorded modalities."""
        return tuple(self.modalities)

    def present(self, indices: Indices) -> None:
        """Recorded observations are complete."""

    def target(self, indices: Indices) -> None:
        """Transitions have no targets of supervised learning."""

    def fingerprint(self) -> str:
        """Number of transitions and a checksum of where they lead."""
        checksum = zlib.crc32(self.states[self.current].numpy().tobytes())
        return f"{len(self)} transitions, checksum {checksum:08x}"

    def state(self, indices: Indices) -> Tensor:
        """States before the action, float64 (B, 2): [theta, omega]."""
        return self.states[self.current[self._indices(indices)]]

    def next_state(self, indices: Indices) -> Tensor:
        """States after the action, float64 (B, 2): [theta, omega]."""
        return self.states[self.current[self._indices(indices)] + 1]

    def action(self, indices: Indices) -> Tensor:
        """Torques, float32 (B, 1)."""
        return self.actions[self._indices(indices)]

    def reward(self, indices: Indices) -> Tensor:
        """Rewards, float64 (B,)."""
        return self.rewards[self._indices(indices)]

    def select(self, indices: Indices) -> "Transitions":
        """The given transitions, in the given order; instants are shared, not copied."""
        chosen = self._indices(indices)
        per_transition = ("actions", "rewards", "current", "first", "trajectory")
        return replace(self, **{name: getattr(self, name)[chosen] for name in per_transition})

    def split(self, validation_fraction: float, seed: int) -> tuple["Transitions", "Transitions"]:
        """Split into training and validation by whole trajectories, so no near-duplicate leaks across.

        Args:
            validation_fraction: Share of the trajectories that goes to validation, in (0, 1); at least one goes
                to each side.
            seed: Seed of the draw.

        Returns:
            Training part and validation part.

        Raises:
            ValueError: The fraction is outside (0, 1), or there is only one trajectory.
        """
        if not 0 < validation_fraction < 1:
            raise ValueError(
                f"`validation_fraction` must lie between 0 and 1, both excluded; got {validation_fraction}."
            )
        names = torch.unique(self.trajectory)
        if len(names) < 2:
            raise ValueError(
                f"`split` needs at least 2 trajectories to keep training and validation apart, got {len(names)}; "
                "collect more samples or shorter episodes."
            )
        held_out = min(max(round(validation_fraction * len(names)), 1), len(names) - 1)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(names)))
        validation = torch.isin(self.trajectory, names[order[:held_out]])
        return self.select((~validation).nonzero().squeeze(1)), self.select(validation.nonzero().squeeze(1))

    def save(self, path: str | Path) -> None:
        """Write one compressed ``.npz`` file, complete or not at all.

        Raises:
            OSError: The file cannot be written (folder missing, disk full, no permission).
        """
        compact = self._compact()
        arrays = {name: compact._array(name).numpy() for name in _DTYPES if compact._has(name)}
        about = {"frame_stack": self.frame_stack, "policy": self.policy, "seed": self.seed, "env": dict(self.env)}
        storage.write(Path(path), arrays, about)

    @classmethod
    def load(cls, path: str | Path) -> "Transitions":
        """Read a file of :meth:`save`.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged, of another version or not a file of transitions.
        """
        arrays, about = storage.read(Path(path), expected=set(_DTYPES), optional=set(_MODALITIES))
        tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
        modalities = {name: tensors.pop(name) for name in _MODALITIES if name in tensors}
        try:
            return cls(modalities=modalities, **tensors, **about)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`{path}` does not hold valid transitions: {error} Collect the data again.") from error

    def _stacked(self, newest: Tensor, first: Tensor, modalities: Iterable[str] | None) -> dict[str, Tensor]:
        names = list(self.modalities if modalities is None else modalities)
        for name in names:
            if name not in self.modalities:
                raise ValueError(unknown_name("modalities", name, self.modalities))
        age = torch.arange(self.frame_stack - 1, -1, -1)
        instants = torch.maximum(newest[:, None] - age, first[:, None])  # (B, stack)
        chosen = {name: self.modalities[name] for name in names}
        return {
            name: values.index_select(0, instants.flatten()).view(*instants.shape, *values.shape[1:])
            for name, values in chosen.items()
        }

    def _indices(self, indices: Indices) -> Tensor:
        return checked_indices(indices, len(self))

    def _compact(self) -> "Transitions":
        """The same transitions without the instants that none of them reads."""
        used = torch.zeros(self.instants, dtype=torch.bool)
        for age in range(-1, self.frame_stack):
            used[torch.maximum(self.current - age, self.first)] = True
        if used.all():
            return self
        # What one transition reads lies in one unbroken range, so distances within it survive the renumbering. The
        # first instant may itself be unused; then no stack reaches back that far and any earlier number will do.
        number = (used.cumsum(0) - 1).clamp(min=0)
        return replace(
            self,
            modalities={name: values[used] for name, values in self.modalities.items()},
            states=self.states[used],
            current=number[self.current],
            first=number[self.first],
        )

    def _has(self, name: str) -> bool:
        return name in self.modalities or name not in _MODALITIES

    def _array(self, name: str) -> Tensor:
        values: Tensor = self.modalities[name] if name in _MODALITIES else getattr(self, name)
        return values

    def _check_arrays(self) -> None:
        unknown = set(self.modalities) - set(_MODALITIES)
        if unknown or not self.modalities:
            raise ValueError(
                f"`modalities` must hold one or both of {list(_MODALITIES)}, got {sorted(self.modalities)}."
            )
        if not isinstance(self.frame_stack, int) or self.frame_stack < 1:
            raise ValueError(f"`frame_stack` must be an integer of at least 1, got {self.frame_stack!r}.")
        for name in filter(self._has, _DTYPES):
            values, shape = self._array(name), _SHAPES[name]
            rows = self.instants if shape.startswith("(instants") else len(self.current)
            fits = values.ndim == shape.count(",") + 1 - shape.endswith(",)") and len(values) == rows
            if values.dtype != _DTYPES[name] or not fits:
                raise ValueError(
                    f"`{name}` must be {_DTYPES[name]} of shape {shape} with {rows} rows, "
                    f"got {values.dtype} of shape {tuple(values.shape)}."
                )

    def _check_indices(self) -> None:
        valid = (self.first >= 0) & (self.first <= self.current) & (self.current < self.instants - 1)
        if not valid.all():
            raise ValueError(
                f"`first` and `current` must satisfy 0 <= first <= current < {self.instants - 1} "
                f"(number of instants - 1); {int((~valid).sum())} transitions do not."
            )
