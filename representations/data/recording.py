"""Arrays that collecting fills: the episodes that run now, and the transitions recorded so far.

Letters: N environments side by side, L instants of an episode in the buffers, M modalities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from anysense.envs import PRESENT, present_modalities
from anysense.envs.episodes import Episodes
from anysense.envs.faults import EnvironmentFaultError
from anysense.envs.sensors.model import present_flags
from anysense.envs.world import World
from anysense.representations.data.transitions import Transitions
from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.networks.frames import Frames

__all__ = ["EpisodeBuffers", "Layout", "Recording"]

Array = NDArray[Any]
_STATE, _PROBED = 'info["state"]', "info "


@dataclass(frozen=True)
class Layout:
    """What is stored of an instant and of a transition.

    Attributes:
        world: The world, as `World.to_json` gives it.
        frame_stack: As in `Transitions`.
        modalities: What each modality looks like in an observation, and how its frames are prepared.
        masked: Modalities in the order of the entry ``present`` of the observation; none without such an entry.
        action: Shape and dtype of an action.
        probed: Names of the arrays of ``info`` to record, besides ``info["state"]``.
    """

    world: Mapping[str, Any]
    frame_stack: int | None
    modalities: Mapping[str, Modality]
    masked: tuple[str, ...]
    action: tuple[tuple[int, ...], np.dtype[Any]]
    probed: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        world: World,
        space: gym.spaces.Dict,
        modalities: Sequence[str] | Mapping[str, Modality] | None,
        probed: Sequence[str] = (),
    ) -> "Layout":
        """The layout for a world whose environment has this observation space.

        Raises:
            ValueError: An unknown modality, or one whose shape does not begin with the stack of frames.
            TypeError: A modality that has no numbers.
        """
        described = modalities_from_space(space, world.modalities if modalities is None else tuple(modalities))
        if isinstance(modalities, Mapping):
            described = {name: modalities[name] for name in described}
        for name, modality in described.items():
            if world.frame_stack is not None and modality.shape[0] != world.frame_stack:
                raise ValueError(
                    f"{name!r} of {world.id} must stack {world.frame_stack} frames along its first axis, as its world "
                    f"says (`frame_stack`); its shape is {modality.shape}."
                )
        masked = present_modalities(space) if isinstance(space.spaces.get(PRESENT), gym.spaces.MultiBinary) else ()
        action = world.action_space
        kind = (action.shape or (), np.dtype(action.dtype))
        return cls(world.to_json(), world.frame_stack, described, tuple(masked), kind, tuple(probed))

    def instants(self, *shape: int) -> dict[str, Array]:
        """Room for instants, (*shape, *shape of a frame) by modality, and for masks (*shape, M), if there are any."""
        stacked = self.frame_stack is not None
        shapes = {name: one.shape[1:] if stacked else one.prepared.shape for name, one in self.modalities.items()}
        found = {name: np.zeros((*shape, *shapes[name]), one.dtype) for name, one in self.modalities.items()}
        return found | ({PRESENT: np.zeros((*shape, len(self.masked)), np.bool_)} if self.masked else {})

    def bytes_of(self, samples: int, instants: int) -> int:
        """Bytes of so many transitions and instants, states left out."""
        shape, dtype = self.action
        instant = sum(array.nbytes for array in self.instants(1).values())
        return instants * instant + samples * (int(np.prod(shape)) * dtype.itemsize + 4 * 8)


class EpisodeBuffers:
    """The N episodes that run now: what was seen since their beginning, and the transitions to record of them.

    Attributes:
        missing: Transitions still wanted of each environment, int64 (N,).
        recorded: Transitions recorded of the episode that runs, int64 (N,).
    """

    def __init__(self, layout: Layout, count: int, episodes: Episodes) -> None:
        self.layout, self.skip, self.length = layout, episodes.skip, episodes.skip + episodes.steps + 1
        self.seen = layout.instants(count, self.length)
        shape, dtype = layout.action
        self.actions = np.zeros((count, episodes.steps, *shape), dtype)
        self.rewards = np.zeros((count, episodes.steps))
        prepared = {name: one for name, one in layout.modalities.items() if one.prepared is not one}
        self.frames = {} if layout.frame_stack is not None else {name: Frames(one) for name, one in prepared.items()}

    def begin(self, wanted: NDArray[np.int64]) -> None:
        """Start over in all environments; ``wanted`` transitions, int64 (N,), are to be recorded of each."""
        self.missing = wanted.copy()
        self.age, self.recorded = np.zeros_like(wanted), np.zeros_like(wanted)

    def see(
        self, observation: Mapping[str, Array], info: Mapping[str, Any], fresh: NDArray[np.bool_] | None = None
    ) -> None:
        """Store what was observed, of the environments that were just reset if ``fresh``, (N,), marks some.

        Raises:
            EnvironmentFaultError: An entry has another shape than declared, or NaN or infinity where it is present, or
                ``present`` holds other numbers than 0 and 1.
            ValueError: There is no such array of numbers in ``info`` as is to be recorded.
        """
        if fresh is not None:
            self.age[fresh] = self.recorded[fresh] = 0
        rows = np.flatnonzero((self.age < self.length) if fresh is None else fresh)
        where = rows, self.age[rows]
        if self.layout.masked:
            self.seen[PRESENT][where] = self._present(observation)[rows]
        for name, modality in self.layout.modalities.items():
            values = np.asarray(observation[name])
            if values.shape != (len(self.age), *modality.shape):
                self._refuse(name, f"has shape {values.shape[1:]}, declared is {modality.shape}")
            frames = values[rows] if self.layout.frame_stack is None else values[rows, -1]
            if not self._finite(name, frames, where):
                self._refuse(name, "has NaN or infinity")
            if name in self.frames:
                frames = self.frames[name](torch.from_numpy(np.ascontiguousarray(frames))).numpy()
            self.seen[name][where] = frames
        self._see_states(info, where)
        for name in self.layout.probed:
            self._see_probed(name, info, where)

    def act(self, actions: Array, rewards: Array) -> bool:
        """Store the transitions that leave the current instants where some are wanted; whether any was stored."""
        past = self.age - self.skip
        rows = np.flatnonzero((past >= 0) & (self.missing > 0))
        if not np.isfinite(rewards[rows]).all():
            self._refuse("reward", "has NaN or infinity")
        self.actions[rows, past[rows]] = actions[rows]
        self.rewards[rows, past[rows]] = rewards[rows]
        self.recorded[rows] += 1
        self.missing[rows] -= 1
        self.age += 1
        return bool(rows.size)

    def _see_states(self, info: Mapping[str, Any], where: tuple[Array, Array]) -> None:
        """Store ``info["state"]`` where it is a vector of numbers."""
        state = np.asarray(info.get("state"))
        usable = state.ndim == 2 and len(state) == len(self.age) and state.dtype.kind in "fiu"
        if usable and _STATE not in self.seen:
            self.seen[_STATE] = np.zeros((len(state), self.length, state.shape[1]))
        if _STATE in self.seen:
            known = self.seen[_STATE].shape[2:]
            if not usable or state.shape[1:] != known:
                self._refuse(_STATE, f"has shape {state.shape[1:]} after {known} before")
            self.seen[_STATE][where] = state[where[0]]

    def _see_probed(self, name: str, info: Mapping[str, Any], where: tuple[Array, Array]) -> None:
        """Store an array of ``info``, flat."""
        values = np.asarray(info.get(name))
        if values.dtype.kind not in "biuf" or len(values) != len(self.age):
            known = sorted(key for key, one in info.items() if getattr(one, "dtype", np.dtype("O")).kind in "biuf")
            named = [key for key in known if not key.startswith("_")]
            raise ValueError(
                f"`probe` {name!r} must name an array of numbers in the info of {self.layout.world['id']}; "
                f"{'it has ' + ', '.join(map(repr, named)) if named else 'it has none'}. `--probe none` reads out none."
            )
        flat = values.reshape(len(values), -1).astype(np.float64)
        self.seen.setdefault(_PROBED + name, np.zeros((len(flat), self.length, flat.shape[1])))[where] = flat[where[0]]

    def _present(self, observation: Mapping[str, Any]) -> NDArray[np.bool_]:
        try:
            return present_flags(observation)
        except ValueError:
            self._refuse(PRESENT, "holds other numbers than 0 and 1")

    def _finite(self, name: str, frames: Array, where: tuple[Array, Array]) -> bool:
        if frames.dtype.kind != "f" or np.isfinite(frames).all():
            return True
        finite = np.isfinite(frames.reshape(len(frames), -1)).all(axis=1)
        masked = self.layout.masked
        return name in masked and bool((finite | ~self.seen[PRESENT][where][:, masked.index(name)]).all())

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise EnvironmentFaultError(f"`{name}` of {self.layout.world['id']} {reason}. Repair the environment.")


@dataclass
class Recording:
    """Everything recorded so far; episodes lie one behind the other."""

    layout: Layout
    samples: int
    capacity: int
    count: int = field(default=0, init=False)
    instants: int = field(default=0, init=False)
    episodes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        shape, dtype = self.layout.action
        self.seen = self.layout.instants(self.capacity)
        self.actions = np.zeros((self.samples, *shape), dtype)
        self.rewards = np.zeros(self.samples)
        self.index = np.zeros((3, self.samples), np.int64)  # Current instant, first instant, episode.

    def take(self, buffers: EpisodeBuffers, chosen: NDArray[np.bool_]) -> None:
        """Append what was recorded of the episodes of the chosen environments, bool (N,)."""
        recorded = np.where(chosen, buffers.recorded, 0)
        spans = np.where(recorded > 0, buffers.skip + recorded + 1, 0)
        first = self.instants + np.cumsum(spans) - spans
        self._append_instants(buffers, np.arange(buffers.length) < spans[:, None])
        kept = np.arange(buffers.rewards.shape[1]) < recorded[:, None]
        row, past = kept.nonzero()
        new = slice(self.count, self.count + len(row))
        self.actions[new], self.rewards[new] = buffers.actions[kept], buffers.rewards[kept]
        number = self.episodes + np.cumsum(recorded > 0) - 1
        self.index[:, new] = first[row] + buffers.skip + past, first[row], number[row]
        self.count, self.episodes = new.stop, self.episodes + int((recorded > 0).sum())

    def transitions(self, policy: str, seed: int) -> Transitions:
        """Everything recorded."""
        seen = {name: torch.from_numpy(values[: self.instants]) for name, values in self.seen.items()}
        columns = {name: column for column, name in enumerate(self.layout.masked) if name in self.layout.modalities}
        current, first, trajectory = map(torch.from_numpy, self.index)
        return Transitions(
            modalities={name: seen[name] for name in self.layout.modalities},
            masks={name: seen[PRESENT][:, column].clone() for name, column in columns.items()},
            states=seen.get(_STATE),
            probed={name: seen[_PROBED + name] for name in self.layout.probed},
            actions=torch.from_numpy(self.actions),
            rewards=torch.from_numpy(self.rewards),
            current=current,
            first=first,
            trajectory=trajectory,
            frame_stack=self.layout.frame_stack,
            policy=policy,
            seed=seed,
            world=self.layout.world,
        )

    def _append_instants(self, buffers: EpisodeBuffers, kept: NDArray[np.bool_]) -> None:
        new = slice(self.instants, self.instants + int(kept.sum()))
        for name, values in buffers.seen.items():
            stored = self.seen.get(name, values[0, :0])
            if len(stored) < new.stop:  # Early ends add instants to those that were planned.
                room = max(new.stop, self.capacity, len(stored) * 3 // 2)
                stored, smaller = np.zeros((room, *values.shape[2:]), values.dtype), stored
                stored[: len(smaller)] = smaller
            stored[new] = values[kept]
            self.seen[name] = stored
        self.instants = new.stop
