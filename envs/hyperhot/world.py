"""Hyperhot as a world: start states, a scripted player as the reference, presets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from anysense.common.progress import Progress
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.episodes import Episodes
from anysense.envs.guide import Guide, Labels
from anysense.envs.hyperhot.agents import AGENT_PRESETS
from anysense.envs.hyperhot.env import HyperhotEnv, HyperhotVectorEnv
from anysense.envs.hyperhot.game import Games
from anysense.envs.hyperhot.player import play
from anysense.envs.hyperhot.rules import ACTIONS, DEFAULT_RECEIVERS, EPISODE_STEPS, LOST, WON, Picture, Settings, Sound
from anysense.envs.hyperhot.simulation import HyperhotSimulation
from anysense.envs.world import Score, World

__all__ = ["HyperhotOptions", "HyperhotWorld"]

COVERAGE_STEPS = 16
"""Recorded steps of a coverage episode: long enough to share frames, short enough for many different games."""
COVERAGE_SKIPS = range(1, 122, 15)
"""Steps before the recorded ones: from the start of a game to where most are over."""
RANDOM_SHARES = (0.05, 0.2, 0.4, 1.0)
"""Shares of random actions among those of the scripted player, one for each environment in turn."""


@dataclass(frozen=True, kw_only=True)
class HyperhotOptions:
    """Options of Hyperhot."""

    receivers: tuple[str, ...] = DEFAULT_RECEIVERS
    """Where the microphones stand."""
    frame_stack: int = 2
    """How many recent frames an observation holds."""
    enemies: int = 4
    """How many enemies there are, 1 to 4."""
    picture: Picture = "grey"
    """grey: half size, a grey level per kind of object; published: 80 x 80 mask; screen: colours, full size."""
    sound: Sound = "tones"
    """Frequency and amplitude of each source, or the sound itself."""
    pacifist: bool = False
    """Enemies do not shoot."""
    legacy: bool = False
    """The published rules and sound instead of the corrected ones."""


@dataclass(frozen=True)
class HyperhotWorld(World):
    """Hyperhot; start states are [x of the ship, direction of the enemies, number that decides who shoots]."""

    options_class: ClassVar[type[Any] | None] = HyperhotOptions
    option_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"legacy": True, "picture": "published"}}
    benchmark: ClassVar[str] = "hyperhot"
    agent_presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = AGENT_PRESETS
    algorithms: ClassVar[Mapping[str, str]] = {"paper": "dqn"}
    eval_every: ClassVar[int] = 250_000
    demos: ClassVar[Mapping[str, Mapping[str, int]]] = {
        "default": {"samples": 20_000, "epochs": 15, "steps": 1_000_000, "episodes": 200},
        "paper": {"samples": 40_000, "epochs": 250, "steps": 2_000_000, "episodes": 100},
    }
    policies: ClassVar[tuple[str, ...]] = ("coverage", "random")
    rewards: ClassVar[tuple[float, float]] = (LOST, WON)
    score: ClassVar[Score] = "return"
    optimum: ClassVar[str | None] = "scripted"
    evaluation_episodes: ClassVar[int] = 500
    vector_size: ClassVar[int] = 64

    @property
    def frame_stack(self) -> int | None:
        """How many frames an observation stacks; None for ``picture="screen"``, whose channels are colours."""
        stacked = self.options.get("picture", HyperhotOptions.picture) != "screen"
        return int(self.options.get("frame_stack", HyperhotOptions.frame_stack)) if stacked else None

    @property
    def guide(self) -> Guide:
        """Names of the receivers, of what tones consist of, and of actions."""
        tones = self.options.get("sound", HyperhotOptions.sound) == "tones"
        rows = tuple(self.options.get("receivers", HyperhotOptions.receivers))
        return Guide({"sound": Labels(rows, ("frequency", "amplitude") if tones else ())}, ACTIONS)

    def make(self, modalities: Sequence[str] | None = None, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """One environment; it makes only the named modalities."""
        env = HyperhotEnv(**self._keywords(modalities), render_mode=render_mode)
        return gym.wrappers.TimeLimit(env, EPISODE_STEPS)

    def make_vec(
        self,
        num_envs: int,
        modalities: Sequence[str] | None = None,
        *,
        episode_steps: int | None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> VectorEnvironment:
        """The native vector form; it makes only the named modalities."""
        return HyperhotVectorEnv(
            num_envs, **self._keywords(modalities), max_episode_steps=episode_steps, autoreset_mode=autoreset_mode
        )

    def start_states(self, count: int, seed: int) -> NDArray[np.float64]:
        """As `HyperhotSimulation.draw_start`, float64 (count, 3)."""
        rng, simulation = np.random.default_rng(seed), HyperhotSimulation(self._settings, 1)
        return np.array([simulation.draw_start(rng) for _ in range(count)])

    def start_options(self, states: NDArray[np.float64]) -> dict[str, Any]:
        """Reset options that start games from the given states."""
        return {"start": states}

    def collection(self, policy: str, samples: int) -> list[Episodes]:
        """Episodes of a policy.

        ``random``: whole games of random actions. ``coverage``: short parts from all stages of games that the scripted
        player plays with more or fewer random actions in between, so that few enemies and narrow escapes are there too.
        """
        if policy == "random":
            return super().collection(policy, samples)
        parts = np.diff(np.linspace(0, samples, len(COVERAGE_SKIPS) + 1).astype(int)).tolist()
        pairs = zip(parts, COVERAGE_SKIPS, strict=True)
        return [Episodes(part, COVERAGE_STEPS, skip, act=_distracted_player) for part, skip in pairs]

    def references(
        self, starts: NDArray[np.float64], steps: int, seed: int, options: Mapping[str, Any], progress: Progress | None
    ) -> dict[str, NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Returns and lengths of the scripted player, which knows the true state, and of random actions."""
        if options:
            raise ValueError(f"`reference_option` has no meaning for {self.id}; got {dict(options)}.")
        rng = np.random.default_rng(seed)
        players: dict[str, Callable[[Games], NDArray[np.int64]]] = {
            "scripted": play,
            "random": lambda games: rng.integers(len(ACTIONS), size=len(games.ship_x)),
        }
        found: dict[str, Any] = {}
        for number, (name, player) in enumerate(players.items()):
            games = Games.new(self._settings.rules(EPISODE_STEPS), len(starts))
            games.restart(np.arange(len(starts)), starts)
            total, lengths = np.zeros(len(starts)), np.zeros(len(starts), np.int64)
            running = np.ones(len(starts), np.bool_)
            for step in range(steps):
                rewards, over = games.step(player(games))
                total += np.where(running, rewards, 0.0)
                lengths += running
                running &= ~over
                if progress is not None:
                    progress(number * steps + step + 1, len(players) * steps)
                if not running.any():
                    break
            found[name] = total, lengths
        return found

    def reference_labels(self) -> Mapping[str, str]:
        """What reports call the references."""
        return {"scripted": "scripted player (true state)", "random": "random actions"}

    @cached_property
    def _settings(self) -> Settings:
        return Settings(**self._keywords(None))

    @cached_property
    def _spaces(self) -> tuple[Any, Any]:
        simulation = HyperhotSimulation(self._settings, 1)
        return simulation.observation_space, simulation.action_space

    def _keywords(self, modalities: Sequence[str] | None) -> dict[str, Any]:
        return dict(self.options) | ({} if modalities is None else {"modalities": tuple(modalities)})


def _distracted_player(env: VectorEnvironment, rng: np.random.Generator) -> NDArray[np.int64]:
    """Actions of the scripted player, mixed with random ones."""
    games: Games = cast(HyperhotVectorEnv, env.unwrapped).games
    count = len(games.ship_x)
    distracted = rng.random(count) < np.resize(RANDOM_SHARES, count)
    return np.where(distracted, rng.integers(len(ACTIONS), size=count), play(games))
