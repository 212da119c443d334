"""Collect transitions of any world for learning a representation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from anysense.common.progress import Progress
from anysense.common.validation import check_choice
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.episodes import Episodes
from anysense.envs.world import World
from anysense.representations.data.recording import EpisodeBuffers, Layout, Recording
from anysense.representations.data.transitions import Transitions
from anysense.representations.modality import Modality
from anysense.representations.pretrain_settings import CollectSettings

__all__ = ["Actor", "CollectSettings", "collect", "collection_bytes"]

Actor = Callable[[Mapping[str, NDArray[Any]], np.random.Generator], Any]
"""Chooses actions: gets arrays (N, *shape) by modality (and ``present``, if the world has it) and a generator for what
is random; gives N actions, (N, *shape of an action)."""

_FRUITLESS = 300
"""Episodes in a row without a recorded transition after which collecting gives up."""
_SIDE_BY_SIDE = 1 << 28
"""Bytes that the episodes in progress may take; fewer run side by side where they would take more."""
_MOST_SAMPLES = 2**40


def collect(
    world: World,
    samples: int,
    policy: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    modalities: Sequence[str] | Mapping[str, Modality] | None = None,
    actor: Actor | None = None,
    probed: Sequence[str] = (),
) -> Transitions:
    """Let a policy of the world (uniformly random actions, mostly) or an ``actor`` drive it, and record what happens.

    Where an episode ends before its planned length, another one follows, so that exactly ``samples`` transitions come.

    Args:
        world: The environment.
        samples: Number of transitions.
        policy: Name of one of ``world.policies``: which episodes are recorded; the first one by default. With an
            ``actor``, what the record calls it; its episodes are those of ``random``.
        seed: Seed; the same arguments give the same transitions.
        progress: Called after every step with the number of transitions so far and the number wanted.
        modalities: Which modalities to record; all by default. Where they are described, images are stored as they are
            prepared (`Modality.prepared`), which may take much less memory; not in worlds that stack frames.
        actor: Who acts; uniformly random actions by default.
        probed: Arrays of numbers in ``info`` to record, for `Transitions.probed`.

    Raises:
        ValueError: An argument is unknown or out of range; an action space that is neither a bounded ``Box`` nor
            ``Discrete``; actions of ``actor`` outside of it.
        EnvironmentFaultError: The environment fails, or gives what its spaces do not allow, NaN or infinity.
        TypeError: ``samples`` or ``seed`` is not an integer, or a modality has another dtype than uint8 and float32.
        RuntimeError: All episodes end within the steps that the policy leaves out.
        MemoryError: The transitions need more memory than there is; the message says how much.
    """
    _check_whole("seed", seed, least=0)
    policy, plan = _plan(world, samples, policy, actor)
    rng = np.random.default_rng(seed)
    names = None if modalities is None else tuple(modalities)
    side_by_side = _side_by_side(world, plan, Layout.of(world, world.observation_space, modalities))
    env = world.make_vec(side_by_side, names, episode_steps=None, autoreset_mode=AutoresetMode.DISABLED)
    try:
        layout = Layout.of(world, cast(gym.spaces.Dict, env.single_observation_space), modalities, probed)
        driver = _Driver(world, env, _recording(layout, samples, plan), rng, progress, actor)
        env.reset(seed=int(rng.integers(2**31)))
        for episodes in plan:
            driver.run(episodes)
    finally:
        env.close()
    return driver.recording.transitions(policy, int(seed))


def collection_bytes(
    world: World,
    samples: int,
    policy: str | None = None,
    modalities: Sequence[str] | Mapping[str, Modality] | None = None,
) -> int:
    """Bytes of memory that a collection takes, episodes in progress included; its file takes at most as many.

    Episodes that end before their planned length add their last instants to it.

    Raises:
        ValueError, TypeError: As `collect`.
    """
    _, plan = _plan(world, samples, policy, None)
    layout = Layout.of(world, world.observation_space, modalities)
    running = _side_by_side(world, plan, layout) * _longest(plan)
    return layout.bytes_of(samples, _instants(plan) + running)


def _plan(world: World, samples: int, policy: str | None, actor: Actor | None) -> tuple[str, list[Episodes]]:
    """Name of the policy, and its episodes."""
    _check_whole("samples", samples, least=1, most=_MOST_SAMPLES)
    known = world.policies if actor is None else ("random",)
    policy = known[0] if policy is None else policy if actor else check_choice("policy", policy, known)
    episodes_of = "random" if actor else policy
    plan = [episodes for episodes in world.collection(episodes_of, samples) if episodes.samples]
    if sum(episodes.samples for episodes in plan) != samples:
        raise ValueError(f"`collection` of {world.id} must plan {samples} transitions for policy {policy!r}; {plan}.")
    return policy, plan


def _longest(plan: Sequence[Episodes]) -> int:
    """Instants of the longest episode."""
    return max(episodes.skip + episodes.steps + 1 for episodes in plan)


def _side_by_side(world: World, plan: Sequence[Episodes], layout: Layout) -> int:
    """Environments that collection steps side by side."""
    fitting = _SIDE_BY_SIDE // max(layout.bytes_of(0, _longest(plan)), 1)
    return max(1, min(world.vector_size, fitting))


def _recording(layout: Layout, samples: int, plan: Sequence[Episodes]) -> Recording:
    try:
        return Recording(layout, samples, _instants(plan))
    except MemoryError as error:
        size = layout.bytes_of(samples, _instants(plan))
        raise MemoryError(
            f"{samples} transitions of {layout.world['id']} need {size / 1e9:.1f} GB; collect fewer."
        ) from error


def _instants(plan: Sequence[Episodes]) -> int:
    """Instants of the planned episodes."""
    counts = ((episodes, -(-episodes.samples // episodes.steps)) for episodes in plan)
    return sum(episodes.samples + count * (episodes.skip + 1) for episodes, count in counts)


def _batches(episodes: Episodes, size: int) -> Iterator[NDArray[np.int64]]:
    """Wanted transitions of ``size`` episodes at a time, int64 (size,); 0 for environments that are not needed."""
    whole, rest = divmod(episodes.samples, episodes.steps)
    lengths = [episodes.steps] * whole + [rest] * (rest > 0)
    for start in range(0, len(lengths), size):
        chosen = lengths[start : start + size]
        yield np.array([*chosen, *[0] * (size - len(chosen))], dtype=np.int64)


@dataclass
class _Driver:
    """Runs episodes and records them."""

    world: World
    env: VectorEnvironment
    recording: Recording
    rng: np.random.Generator
    progress: Progress | None
    actor: Actor | None
    seen: Mapping[str, NDArray[Any]] = field(init=False)

    def run(self, episodes: Episodes) -> None:
        """Record the wanted transitions of one kind of episodes, as many side by side as there are environments."""
        buffers = EpisodeBuffers(self.recording.layout, self.env.num_envs, episodes)
        for wanted in _batches(episodes, self.env.num_envs):
            buffers.begin(wanted)
            self.seen, info = self.env.reset(options=self._start(episodes))
            buffers.see(self.seen, info)
            fruitless = 0
            while buffers.missing.any():
                fruitless = 0 if self._step(buffers, episodes) else fruitless + 1
                if fruitless > _FRUITLESS * (episodes.skip + 1):
                    raise RuntimeError(
                        f"{self.world.id} ends every episode within the {episodes.skip} steps that the policy leaves "
                        "out, so nothing can be recorded; choose another policy."
                    )
            self.recording.take(buffers, np.ones(self.env.num_envs, np.bool_))

    def _step(self, buffers: EpisodeBuffers, episodes: Episodes) -> bool:
        """One step in every environment, and another episode where one ends early; whether any was recorded."""
        actions = self._actions() if episodes.act is None else episodes.act(self.env, self.rng)
        self.seen, reward, terminated, truncated, info = self.env.step(actions)
        recorded = buffers.act(actions, reward)
        buffers.see(self.seen, info)
        if self.progress is not None:
            self.progress(self.recording.count + int(buffers.recorded.sum()), self.recording.samples)
        ended = terminated | truncated
        if ended.any() and buffers.missing.any():
            self.recording.take(buffers, ended)
            options = {**(self._start(episodes) or {}), "reset_mask": ended}
            fresh, info = self.env.reset(options=options)
            buffers.see(fresh, info, ended)
            self.seen = {name: _where(ended, fresh[name], values) for name, values in self.seen.items()}
        return recorded

    def _actions(self) -> NDArray[Any]:
        space, count = self.env.single_action_space, self.env.num_envs
        if self.actor is None:
            return _draw_actions(space, self.rng, count)
        actions = np.asarray(self.actor(self.seen, self.rng))
        wanted = space.shape or ()
        whole = isinstance(space, gym.spaces.Box) or actions.dtype.kind in "iu"
        if actions.shape != (count, *wanted) or actions.dtype.kind not in "iuf" or not whole:
            raise ValueError(
                f"`policy` must return an action of {space} for each row of the observation, an array of shape "
                f"{(count, *wanted)}; got {actions.dtype} of shape {actions.shape}."
            )
        actions = actions.astype(space.dtype)
        outside = [row for row in actions if not space.contains(row)]
        if outside:
            raise ValueError(f"`policy` must return actions of {space}; got {outside[0]}. Clip them.")
        return actions

    def _start(self, episodes: Episodes) -> dict[str, Any] | None:
        return None if episodes.start is None else episodes.start(self.rng, self.env.num_envs)


def _where(mask: NDArray[np.bool_], chosen: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """The rows that the mask marks from the one array, the rest from the other."""
    return np.where(mask.reshape(-1, *[1] * (others.ndim - 1)), chosen, others)


def _draw_actions(space: gym.Space[Any], rng: np.random.Generator, count: int) -> NDArray[Any]:
    """Uniform actions (count, *shape) of a bounded ``Box`` or a ``Discrete`` space."""
    if isinstance(space, gym.spaces.Discrete):
        return np.asarray(space.start + rng.integers(space.n, size=count), space.dtype)
    if isinstance(space, gym.spaces.Box) and space.is_bounded() and np.issubdtype(space.dtype, np.floating):
        return np.asarray(rng.uniform(space.low, space.high, (count, *space.shape)), space.dtype)
    raise ValueError(
        f"random actions can be drawn from a Discrete or a bounded float Box space; got {space}. "
        "Wrap the environment, for example with gymnasium.wrappers.RescaleAction."
    )


def _check_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}, got {value}.")
    if most is not None and value > most:
        raise ValueError(f"`{name}` must be at most {most}, got {value}.")
