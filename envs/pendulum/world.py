"""The multimodal pendulum as a world: all that the pipeline needs of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from anysense.common.validation import check_choice
from anysense.envs.audio.waveform import Timbre
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.episodes import Episodes
from anysense.envs.guide import Guide, Labels
from anysense.envs.mirror import Mirror
from anysense.envs.pendulum import physics
from anysense.envs.pendulum.agents import AGENT_PRESETS
from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.pendulum.hearing import Sound
from anysense.envs.pendulum.physics import MAX_SPEED, Physics
from anysense.envs.pendulum.simulation import DEFAULT_RECEIVERS, DEFAULT_SAMPLE_RATE, PendulumSettings
from anysense.envs.pendulum.vector import MultimodalPendulumVectorEnv
from anysense.envs.world import Progress, Score, World

__all__ = ["PendulumOptions", "PendulumWorld"]

COVERAGE_STEPS = 4
"""Recorded steps of a coverage episode: long enough to share frames, too short to gather at the speed limit."""
FIRST_SHARE = 0.05
"""Share of first observations (a stack of copies) in coverage data; the agent meets them only after a reset."""


@dataclass(frozen=True, kw_only=True)
class PendulumOptions:
    """Options of the pendulum."""

    receivers: tuple[str, ...] = DEFAULT_RECEIVERS
    """Where the microphones stand: {left,middle,right}_{bottom,middle,top}, except the middle of the middle."""
    frame_stack: int = 2
    """How many recent frames an observation holds."""
    physics: Physics = "gymnasium"
    """Order in which speed and angle are integrated; gym-0.19 is the published one."""
    antialias: bool = True
    """Smooth edges of the rod; without, the published binary mask."""
    initial_steps: int = 0
    """Steps without torque after each reset; published: 1."""
    sound: Sound = "tones"
    """tones: frequency and amplitude at each receiver; waveform: audio; mel: levels of mel bands."""
    timbre: Timbre = "sine"
    """What the source sounds like as audio."""
    sample_rate: int = DEFAULT_SAMPLE_RATE
    """Samples of audio in a second."""


@dataclass(frozen=True)
class PendulumWorld(World):
    """The multimodal pendulum; states are [theta, omega] in rad and rad/s."""

    options_class: ClassVar[type[Any] | None] = PendulumOptions
    option_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"physics": "gym-0.19", "antialias": False, "initial_steps": 1}
    }
    benchmark: ClassVar[str] = "pendulum"
    agent_presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = AGENT_PRESETS
    algorithms: ClassVar[Mapping[str, str]] = {"paper": "ddpg"}
    demos: ClassVar[Mapping[str, Mapping[str, int]]] = {"default": {"samples": 10_000, "epochs": 10, "steps": 30_000}}
    policies: ClassVar[tuple[str, ...]] = ("coverage", "random", "mixed")
    rewards: ClassVar[tuple[float, float]] = physics.REWARDS
    score: ClassVar[Score] = "average_reward"
    evaluation_episodes: ClassVar[int] = 1000
    optimum: ClassVar[str | None] = "optimal"
    probes: ClassVar[tuple[str, ...]] = ("cos_theta", "sin_theta", "omega")
    vector_size: ClassVar[int] = 64

    @property
    def frame_stack(self) -> int:
        """How many frames an observation stacks."""
        return int(self.options.get("frame_stack", PendulumOptions.frame_stack))

    @property
    def _receivers(self) -> tuple[str, ...]:
        return tuple(self.options.get("receivers", PendulumOptions.receivers))

    @property
    def guide(self) -> Guide:
        """Names of the receivers, of what tones consist of, and of actions."""
        parts = ("frequency", "amplitude") if self._has_tones else ()
        return Guide({"sound": Labels(self._receivers, parts)}, ("torque",), (-1,))

    @property
    def _has_tones(self) -> bool:
        return bool(self.options.get("sound", PendulumOptions.sound) == "tones")

    def demo_settings(self, preset: str) -> Mapping[str, int]:
        """As in the base class; to hear audio takes the usual samples and epochs, tones take fewer."""
        return super().demo_settings(preset) if self._has_tones else {}

    @property
    def mirror(self) -> Mirror | None:
        """Left for right, of picture, receivers and torque; None where a receiver has no counterpart."""
        receivers = self._receivers
        others = [_other_side(name) for name in receivers]
        if set(others) != set(receivers):
            return None
        order = [receivers.index(name) for name in others]
        return Mirror({"image": lambda image: image[..., ::-1], "sound": lambda sound: sound[:, :, order]}, np.negative)

    def make(self, modalities: Sequence[str] | None = None, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """One environment; it makes only the named modalities."""
        return MultimodalPendulumEnv(**self._keywords(modalities), render_mode=render_mode)

    def make_vec(
        self,
        num_envs: int,
        modalities: Sequence[str] | None = None,
        *,
        episode_steps: int | None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> VectorEnvironment:
        """The native vector form; it makes only the named modalities."""
        return MultimodalPendulumVectorEnv(
            num_envs, **self._keywords(modalities), max_episode_steps=episode_steps, autoreset_mode=autoreset_mode
        )

    def start_states(self, count: int, seed: int) -> NDArray[np.float64]:
        """Theta ~ U(-pi, pi) rad, omega ~ U(-1, 1) rad/s, float64 (count, 2)."""
        return physics.sample_start_states(np.random.default_rng(seed), count)

    def collection(self, policy: str, samples: int) -> list[Episodes]:
        """Episodes of a policy.

        ``random``: the usual starts and 300 steps. ``coverage``: a few steps from theta ~ U(-pi, pi), omega ~ U(-8, 8),
        so that stacks of real consecutive frames cover the whole state space evenly; 5% are first observations after a
        usual reset. ``mixed``: half of each.
        """
        if policy == "random":
            return [Episodes(samples, self.episode_steps or 300, start=_usual)]
        if policy == "mixed":
            half = samples // 2
            return [*self.collection("coverage", samples - half), *self.collection("random", half)]
        filling = self.frame_stack - 1
        first = round(FIRST_SHARE * samples) if filling else 0
        everywhere = Episodes(samples - first, COVERAGE_STEPS, skip=filling, start=_anywhere)
        return [everywhere, Episodes(first, max(filling, 1), start=_usual)]

    def probe_targets(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cos theta, sin theta and omega in rad/s."""
        return np.stack([np.cos(states[:, 0]), np.sin(states[:, 0]), states[:, 1]], axis=1)

    def references(
        self, starts: NDArray[np.float64], steps: int, seed: int, options: Mapping[str, Any], progress: Progress | None
    ) -> dict[str, NDArray[np.float64]]:
        """Optimal control, no torque and random torque on the true state; option ``max_torque`` in N m."""
        from anysense.envs.pendulum.references import reference_returns

        for name in options:
            check_choice("reference_option", name, ("max_torque",))
        return reference_returns(
            starts,
            steps,
            seed=seed,
            physics=self.options.get("physics", PendulumOptions.physics),
            progress=progress,
            **options,
        )

    def reference_labels(self) -> Mapping[str, str]:
        """What reports call the references."""
        return {"optimal": "optimal (true state)", "zero": "no torque", "random": "random torque"}

    @cached_property
    def _spaces(self) -> tuple[Any, Any]:
        """Spaces of observation and action, without a picture being drawn."""
        settings = PendulumSettings(**self._keywords(None))
        return settings.observation_space(), settings.action_space()

    def _keywords(self, modalities: Sequence[str] | None) -> dict[str, Any]:
        return dict(self.options) | ({} if modalities is None else {"modalities": modalities})


def _anywhere(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Reset options: start states all over the state space."""
    return {"state": np.stack([rng.uniform(-np.pi, np.pi, count), rng.uniform(-MAX_SPEED, MAX_SPEED, count)], axis=1)}


def _usual(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """No options: the usual starts. Draws what `_anywhere` draws, so that collections keep their bits."""
    _anywhere(rng, count)
    return {}


def _other_side(receiver: str) -> str:
    side, _, height = receiver.partition("_")
    return {"left": "right_", "right": "left_"}.get(side, f"{side}_") + height
