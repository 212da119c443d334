"""Collect transitions of the pendulum for learning a representation."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from anysense.common.errors import unknown_name
from anysense.common.progress import Progress
from anysense.envs.pendulum.physics import MAX_SPEED, MAX_TORQUE
from anysense.envs.pendulum.simulation import PendulumSettings
from anysense.envs.pendulum.vector import MultimodalPendulumVectorEnv
from anysense.representations.data.transitions import Transitions

Policy = Literal["coverage", "random", "mixed"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

EPISODE_STEPS = 300
COVERAGE_STEPS = 4
"""Recorded steps of a coverage episode: long enough to share frames, too short to gather at the speed limit."""
FIRST_SHARE = 0.05
"""Share of first observations (a stack of copies) in coverage data; the agent meets them only after a reset."""
_BATCH = 64


@dataclass(frozen=True)
class CollectSettings:
    """What to collect for pretraining."""

    samples: int = 40_000
    """Transitions to collect."""
    policy: Policy = "coverage"
    """coverage: short episodes from everywhere in the state space; random: whole episodes; mixed: half of each."""
    validation_fraction: float = 0.1
    """Share of the trajectories held out for validation."""


COLLECT_PRESETS: Mapping[str, CollectSettings] = {
    "smoke": CollectSettings(samples=1_000),
    "default": CollectSettings(),
    "paper": CollectSettings(samples=20_000, policy="random"),
}


@dataclass(frozen=True)
class _Plan:
    """Episodes of one kind: ``skip`` torques that only fill the stack, then ``steps`` recorded transitions."""

    samples: int
    steps: int
    skip: int = 0
    everywhere: bool = False

    def lengths(self) -> NDArray[np.int64]:
        """Recorded transitions of each episode; only the last one may be shorter."""
        whole, rest = divmod(self.samples, self.steps)
        return np.array([self.steps] * whole + [rest] * (rest > 0), dtype=np.int64)


def collect(
    samples: int,
    policy: Policy = "coverage",
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Transitions:
    """Drive the vector environment with uniform random torque and record what happens.

    Args:
        samples: Number of transitions.
        policy: ``"random"``: usual start states, reset every 300 steps. ``"coverage"``: episodes of a few steps from
            theta ~ U(-pi, pi), omega ~ U(-8, 8), so that stacks of real consecutive frames cover the whole state space
            evenly; 5% are first observations after a usual reset. ``"mixed"``: half of each.
        seed: Seed; the same arguments give the same transitions.
        env_kwargs: Settings of the environment (``modalities``, ``receivers``, ``frame_stack``, ...).
        progress: Called after every batch step.

    Returns:
        Exactly ``samples`` transitions.

    Raises:
        ValueError: An argument is unknown or out of range.
        TypeError: ``samples`` or ``seed`` is not an integer.
    """
    _check_whole("samples", samples, least=1)
    _check_whole("seed", seed, least=0)
    if policy not in POLICIES:
        raise ValueError(unknown_name("policy", policy, POLICIES))
    settings = _env_settings(env_kwargs or {})
    plans = [plan for plan in _plans(samples, policy, settings.frame_stack) if plan.samples]
    recorder = _Recorder(plans, settings, progress)
    rng = np.random.default_rng(seed)
    env = MultimodalPendulumVectorEnv(
        num_envs=_BATCH,
        max_episode_steps=EPISODE_STEPS + settings.frame_stack,
        autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED,
        **{name: getattr(settings, name) for name in _ENV_NAMES},
    )
    try:
        env.reset(seed=int(rng.integers(2**31)))
        for plan in plans:
            for lengths in _batches(plan):
                _run_batch(env, plan, lengths, rng, recorder)
    finally:
        env.close()
    return recorder.transitions(policy=policy, seed=int(seed))


def _plans(samples: int, policy: Policy, frame_stack: int) -> list[_Plan]:
    if policy == "random":
        return [_Plan(samples, EPISODE_STEPS)]
    if policy == "mixed":
        half = samples // 2
        return [*_plans(samples - half, "coverage", frame_stack), *_plans(half, "random", frame_stack)]
    filling = frame_stack - 1
    first = round(FIRST_SHARE * samples) if filling else 0
    everywhere = _Plan(samples - first, COVERAGE_STEPS, skip=filling, everywhere=True)
    return [everywhere, _Plan(first, max(filling, 1))]


def _batches(plan: _Plan) -> Iterator[NDArray[np.int64]]:
    lengths = plan.lengths()
    for start in range(0, len(lengths), _BATCH):
        yield lengths[start : start + _BATCH]


def _run_batch(
    env: MultimodalPendulumVectorEnv,
    plan: _Plan,
    lengths: NDArray[np.int64],
    rng: np.random.Generator,
    recorder: "_Recorder",
) -> None:
    """One episode in each of the first ``len(lengths)`` environments."""
    start = np.stack([rng.uniform(-np.pi, np.pi, _BATCH), rng.uniform(-MAX_SPEED, MAX_SPEED, _BATCH)], axis=1)
    observation, info = env.reset(options={"state": start}) if plan.everywhere else env.reset()
    recorder.begin(plan.skip, lengths)
    recorder.see(observation, info["state"])
    for _ in range(plan.skip + int(lengths.max())):
        torque = rng.uniform(-MAX_TORQUE, MAX_TORQUE, (_BATCH, 1)).astype(np.float32)
        observation, reward, _, _, info = env.step(torque)
        recorder.act(torque, reward)
        recorder.see(observation, info["state"])


@dataclass
class _Recorder:
    """Arrays of the final size, filled episode by episode: the instants of one episode lie next to each other."""

    plans: list[_Plan]
    settings: PendulumSettings
    progress: Progress | None
    arrays: dict[str, NDArray[Any]] = field(init=False)
    modalities: dict[str, NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        total = sum(plan.samples for plan in self.plans)
        instants = sum(int((plan.lengths() + plan.skip + 1).sum()) for plan in self.plans)
        boxes = cast(gymnasium.spaces.Dict, self.settings.observation_space()).spaces
        self.modalities = {name: np.zeros((instants, *(box.shape or ())[1:]), box.dtype) for name, box in boxes.items()}
        self.arrays = {
            "states": np.zeros((instants, 2)),
            "actions": np.zeros((total, 1), np.float32),
            "rewards": np.zeros(total),
            "current": np.zeros(total, np.int64),
            "first": np.zeros(total, np.int64),
            "trajectory": np.zeros(total, np.int64),
        }
        self.instant = self.sample = self.episode = 0

    def begin(self, skip: int, lengths: NDArray[np.int64]) -> None:
        """Reserve room for one episode per entry of ``lengths``."""
        self.skip, self.lengths, self.step = skip, lengths, 0
        spans = lengths + skip + 1
        self.first = self.instant + np.cumsum(spans) - spans
        self.number = self.sample + np.cumsum(lengths) - lengths
        self.instant += int(spans.sum())
        self.sample += int(lengths.sum())

    def see(self, observation: Mapping[str, NDArray[Any]], state: NDArray[np.float64]) -> None:
        """Store the newest frame and the state of every episode that still runs."""
        running = np.flatnonzero(self.step <= self.lengths + self.skip)
        where = self.first[running] + self.step
        for name, values in self.modalities.items():
            values[where] = observation[name][running, -1]
        self.arrays["states"][where] = state[running]

    def act(self, torque: NDArray[np.float32], reward: NDArray[np.float64]) -> None:
        """Store the transition that leaves the current instant, unless it only fills the stack."""
        past = self.step - self.skip
        self.step += 1
        if past < 0:
            return
        running = np.flatnonzero(past < self.lengths)
        where = self.number[running] + past
        self.arrays["actions"][where] = torque[running]
        self.arrays["rewards"][where] = reward[running]
        self.arrays["current"][where] = self.first[running] + self.skip + past
        self.arrays["first"][where] = self.first[running]
        self.arrays["trajectory"][where] = self.episode + running
        if past + 1 == self.lengths.max():
            self.episode += len(self.lengths)
        if self.progress is not None:
            self.progress(self.sample - int((self.lengths - past - 1).clip(min=0).sum()), len(self.arrays["rewards"]))

    def transitions(self, policy: str, seed: int) -> Transitions:
        """Everything recorded."""
        env = json.loads(json.dumps(dataclasses.asdict(self.settings)))
        return Transitions(
            modalities={name: torch.from_numpy(values) for name, values in self.modalities.items()},
            **{name: torch.from_numpy(values) for name, values in self.arrays.items()},
            frame_stack=self.settings.frame_stack,
            policy=policy,
            seed=seed,
            env=env,
        )


_ENV_NAMES = tuple(entry.name for entry in dataclasses.fields(PendulumSettings))


def _env_settings(env_kwargs: Mapping[str, Any]) -> PendulumSettings:
    for name in env_kwargs:
        if name not in _ENV_NAMES:
            raise ValueError(unknown_name("env_kwargs", name, _ENV_NAMES))
    return PendulumSettings(**env_kwargs)


def _check_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}, got {value}.")
