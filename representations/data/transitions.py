"""Recorded transitions of any world: every frame stored once, stacks of frames built on reading."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anysense.envs.world import stored_world
from anysense.representations.data import storage
from anysense.representations.data.recorded import (
    Indices,
    broken_rows,
    check_origin,
    checked_indices,
    checked_masks,
    checksum,
    column_names,
    mask_rows,
    misfit,
    named,
    plain_fields,
    random_halves,
)

__all__ = ["MAX_FRAME_STACK", "Transitions"]

MAX_FRAME_STACK = 1000
_PER_TRANSITION = {"rewards": torch.float64, "current": torch.int64, "first": torch.int64, "trajectory": torch.int64}
_FORMS: dict[str, tuple[torch.dtype, ...]] = {name: (dtype,) for name, dtype in _PER_TRANSITION.items()}
_FORMS |= {"actions": (), "modalities": (torch.uint8, torch.float32)}
_FORMS |= dict.fromkeys(("states", "probed"), (torch.float64,))
_GROUPS = {"modalities": "modality.", "masks": "mask.", "probed": "probed."}  # Fields; prefixes of their arrays.
_REQUIRED = {"actions", *_PER_TRANSITION}
_ABOUT = ("frame_stack", "policy", "seed", "world")


@dataclass(frozen=True, eq=False, repr=False)
class Transitions:
    """T transitions of one world, in memory. Implements `Recorded`.

    An *instant* is one moment of one episode. What the modalities give at an instant is stored once; the instants of an
    episode follow each other, and a transition leads from instant ``current`` to instant ``current + 1``. Where the
    world stacks frames, an instant holds the newest frame alone, and stacks are built on reading, oldest first; before
    the first instant of an episode, copies of the first stand in, as in the environment. Subsets from `split` and
    `select` share the memory of the instants. Arrays of numpy are taken as well, in any layout.

    Attributes:
        modalities: uint8 or float32 (F, *shape) by modality name, for F instants.
        actions: Numbers (T, *shape of an action).
        rewards: float64 (T,).
        current: int64 (T,), instant of each transition's observation.
        first: int64 (T,), first instant of the episode.
        trajectory: int64 (T,), number of the episode.
        states: float64 (F, K), the state of the environment; None where it gives none.
        probed: float64 (F, K) by name: arrays of ``info`` to read out of latents, instead of what the world names.
        masks: Boolean (F,) by modality name: at which instants it is present; modalities not named always are.
        frame_stack: How many instants one observation holds along its first axis; None: no stacks.
        policy: Name of the policy that collected the data.
        seed: Seed of the collection.
        world: Where they come from, as `anysense.envs.World.to_json` gives it; empty if unknown.

    Raises:
        TypeError: An array of another dtype; names it.
        ValueError: Something does not fit, or a modality has NaN or infinity where it is present; names the array.
    """

    modalities: Mapping[str, Tensor]
    actions: Tensor
    rewards: Tensor
    current: Tensor
    first: Tensor
    trajectory: Tensor
    states: Tensor | None = None
    probed: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    frame_stack: int | None = None
    policy: str = "unknown"
    seed: int | None = None
    world: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks names, dtypes, shapes, values and index ranges."""
        check_origin(self.frame_stack, MAX_FRAME_STACK, self.policy, self.seed, self.world)
        for name, value in plain_fields(self, _FORMS).items():
            object.__setattr__(self, name, value)
        self._check_instants()
        self._check_transitions()

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.current)

    def __repr__(self) -> str:
        """A line instead of all numbers."""
        episodes = len(torch.unique(self.trajectory))
        return (
            f"Transitions({len(self)} of {episodes} trajectories, modalities={list(self.modalities)}, "
            f"policy={self.policy!r}, world={self.world.get('id')!r})"
        )

    @property
    def instants(self) -> int:
        """Number of stored instants, shared ones included."""
        return len(next(iter(self.modalities.values())))

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape) before the action, of all modalities by default."""
        chosen = checked_indices(indices, len(self))
        return self._read(self.current[chosen], self.first[chosen], modalities)

    def next_observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations after the action."""
        chosen = checked_indices(indices, len(self))
        return self._read(self.current[chosen] + 1, self.first[chosen], modalities)

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.modalities)

    def present(self, indices: Indices) -> Tensor | None:
        """Which modalities are present before the action in all frames, boolean (M, B); None without masks."""
        chosen = checked_indices(indices, len(self))
        instants = self._instants_of(self.current[chosen], self.first[chosen])
        found = mask_rows(self.masks, self.modalities, instants.flatten())
        return None if found is None else found.view(-1, *instants.shape).all(dim=2)

    def steps(self, indices: Indices, modalities: Collection[str] | None = None) -> dict[str, Tensor]:
        """Environments give sequences of one length."""
        return {}

    def target(self, indices: Indices) -> None:
        """Transitions have no targets of supervised learning."""

    def probe_targets(self, indices: Indices) -> tuple[tuple[str, ...], Tensor] | None:
        """Quantities before the action: names and float64 (B, P); None if there are none.

        They are all of `probed` (``name_0``, ``name_1``, ..., or ``name`` if it is a single number), otherwise what the
        world reads out of its state.

        Raises:
            ValueError: The world comes from a file and needs a module that is not imported; see `stored_world`.
        """
        if self.probed:
            chosen = self.current[checked_indices(indices, len(self))]
            return column_names(self.probed), torch.cat([values[chosen] for values in self.probed.values()], dim=1)
        if self.states is None or not self.world:
            return None
        found = stored_world(dict(self.world))
        values = found.probe_targets(self.state(indices).numpy())
        return (tuple(found.probes), torch.from_numpy(values)) if found.probes else None

    def fingerprint(self) -> str:
        """Number of transitions and a checksum: actions, rewards, and one to two thousand of the observations."""
        instants = self.current[:: max(1, len(self) // 1024)]
        stored = {**self.modalities, **storage.prefixed("mask.", self.masks)}
        seen = {name: value[instants] for name, value in stored.items()}
        return f"{len(self)} transitions, checksum {checksum({'a': self.actions, 'r': self.rewards, **seen})}"

    def state(self, indices: Indices) -> Tensor:
        """States before the action, float64 (B, K); ValueError where none were recorded."""
        return self._states()[self.current[checked_indices(indices, len(self))]]

    def next_state(self, indices: Indices) -> Tensor:
        """States after the action."""
        return self._states()[self.current[checked_indices(indices, len(self))] + 1]

    def action(self, indices: Indices) -> Tensor:
        """Actions (B, *shape)."""
        return self.actions[checked_indices(indices, len(self))]

    def reward(self, indices: Indices) -> Tensor:
        """Rewards, float64 (B,)."""
        return self.rewards[checked_indices(indices, len(self))]

    def select(self, indices: Indices) -> "Transitions":
        """The given transitions, in the given order; instants are shared, not copied."""
        chosen = checked_indices(indices, len(self))
        return replace(self, **{name: getattr(self, name)[chosen] for name in ("actions", *_PER_TRANSITION)})

    def split(self, validation_fraction: float, seed: int) -> tuple["Transitions", "Transitions"]:
        """Random split into a training and a validation part by whole trajectories, so no near-duplicate leaks across.

        Raises:
            ValueError: The fraction or the seed is out of range, or there is only one trajectory.
        """
        names = torch.unique(self.trajectory)
        _, held_out = random_halves(validation_fraction, seed, len(names))
        if len(names) < 2:
            raise ValueError(
                f"`split` needs at least 2 trajectories to keep training and validation apart, got {len(names)}; "
                "collect more samples or shorter episodes."
            )
        validation = torch.isin(self.trajectory, names[held_out])
        return self.select((~validation).nonzero().squeeze(1)), self.select(validation.nonzero().squeeze(1))

    def save(self, path: str | Path) -> None:
        """Write one compressed ``.npz`` file, complete or not at all, with the instants that are read and no others.

        Raises:
            OSError: The file cannot be written (disk full, no permission).
        """
        part = self._compact()
        arrays = {"actions": part.actions, **{name: getattr(part, name) for name in _PER_TRANSITION}}
        arrays |= {} if part.states is None else {"states": part.states}
        for group, prefix in _GROUPS.items():
            arrays |= storage.prefixed(prefix, getattr(part, group))
        about = {name: getattr(self, name) for name in _ABOUT}
        storage.write(Path(path), {name: value.numpy() for name, value in arrays.items()}, about)

    @classmethod
    def load(cls, path: str | Path) -> "Transitions":
        """Read a file of `save`.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged, of another version or not a file of transitions.
        """
        arrays, about = storage.read(Path(path))
        try:
            tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
            groups: dict[str, Any] = {
                group: {name[len(prefix) :]: tensors.pop(name) for name in arrays if name.startswith(prefix)}
                for group, prefix in _GROUPS.items()
            }
            if not _REQUIRED <= tensors.keys() <= _REQUIRED | {"states"}:
                raise ValueError(f"it must hold {sorted(_REQUIRED)} and may hold 'states', it holds {sorted(tensors)}.")
            if set(about) != set(_ABOUT):
                raise ValueError(f"its description must hold {list(_ABOUT)}, it holds {sorted(about)}.")
            return cls(**groups, **tensors, **about)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`{path}` does not hold valid transitions: {error} Collect the data again.") from error

    def _read(self, newest: Tensor, first: Tensor, modalities: Iterable[str] | None) -> dict[str, Tensor]:
        instants = self._instants_of(newest, first)
        shape = instants.shape[: 1 if self.frame_stack is None else 2]
        return {
            name: values.index_select(0, instants.flatten()).view(*shape, *values.shape[1:])
            for name, values in named(self.modalities, modalities).items()
        }

    def _instants_of(self, newest: Tensor, first: Tensor) -> Tensor:
        """Instants that observations are made of, oldest first, int64 (B, stack)."""
        age = torch.arange((self.frame_stack or 1) - 1, -1, -1, device="cpu")
        return torch.maximum(newest[:, None] - age, first[:, None])

    def _states(self) -> Tensor:
        if self.states is None:
            raise ValueError(f"no states were recorded: {self.world.get('id', 'the world')!r} gives no info['state'].")
        return self.states

    def _compact(self) -> "Transitions":
        """The same transitions without the instants that none of them reads."""
        used = torch.zeros(self.instants, dtype=torch.bool, device="cpu")
        for age in range(-1, self.frame_stack or 1):
            used[torch.maximum(self.current - age, self.first)] = True
        if used.all():
            return self
        # What one transition reads lies in one unbroken range, so distances within it survive the renumbering. The
        # first instant may itself be unused; then no stack reaches back that far and any earlier number will do.
        number = (used.cumsum(0) - 1).clamp(min=0)
        groups: dict[str, Any] = {
            group: {name: it[used] for name, it in getattr(self, group).items()} for group in _GROUPS
        }
        return replace(
            self,
            **groups,
            states=None if self.states is None else self.states[used],
            current=number[self.current],
            first=number[self.first],
        )

    def _check_instants(self) -> None:
        if not self.modalities:
            raise ValueError("`modalities` is empty; expected at least one modality.")
        object.__setattr__(self, "masks", checked_masks(self.masks, self.modalities, self.instants))
        for name, values in self.modalities.items():
            if len(values) != self.instants:
                raise ValueError(misfit(f"modalities[{name!r}]", "numbers", self.instants, values))
            rows = broken_rows(values, self.masks.get(name))
            if rows:
                raise ValueError(f"`modalities[{name!r}]` has NaN or infinity at {len(rows)} instants: {rows[:5]}.")
        for name, values in {**({} if self.states is None else {"states": self.states}), **self.probed}.items():
            if values.ndim != 2 or len(values) != self.instants:
                raise ValueError(misfit(name, "numbers of two axes", self.instants, values))

    def _check_transitions(self) -> None:
        if self.actions.dtype == torch.bool or len(self.actions) != len(self):
            raise ValueError(misfit("actions", "numbers", len(self), self.actions))
        for name in _PER_TRANSITION:
            if tuple(getattr(self, name).shape) != (len(self),):
                raise ValueError(misfit(name, "numbers of one axis", len(self), getattr(self, name)))
        valid = (self.first >= 0) & (self.first <= self.current) & (self.current < self.instants - 1)
        if not valid.all():
            raise ValueError(
                f"`first` and `current` must satisfy 0 <= first <= current < {self.instants - 1} "
                f"(number of instants - 1); {int((~valid).sum())} transitions do not."
            )
