"""What the pipeline needs to know of an environment: a `World`. Any Gymnasium id with a ``Dict`` observation is one.

`World` serves every environment. A subclass says more about one environment: typed options, start states, policies of
collection, quantities to read out of latents, reference controllers. It is found by its id through the registry
`WORLDS` (built in, entry points of the group ``anysense.worlds``, or registered). Letters: N episodes.
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from anysense.common.progress import Progress
from anysense.common.registry import Registry
from anysense.common.validation import check_choice
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.episodes import Episodes
from anysense.envs.guide import Guide
from anysense.envs.making import RESERVED_OPTIONS, Vector, find_spec, imported, make_single, make_vector
from anysense.envs.mirror import Mirror
from anysense.envs.selection import check_observation_space
from anysense.envs.sensors.model import PRESENT

__all__ = ["DEFAULT_WORLD", "WORLDS", "Progress", "World", "stored_world", "world"]

DEFAULT_WORLD = "anysense/MultimodalPendulum-v0"
"""Id of the world that commands take if none is named."""

Score = Literal["average_reward", "return"]
_ID = re.compile(r"([\w.]+:)?([\w-]+/)?[\w.-]+")


@dataclass(frozen=True)
class World:
    """An environment and what is known about it.

    Args:
        id: Gymnasium id; ``module:Name-v0`` imports the module first, as `gymnasium.make` does.
        options: Keyword arguments of the environment, as JSON can hold them.
        vector: How several environments become one: ``auto`` takes the registered vector form where there is one that
            can do what is asked for, otherwise all of them in this process; ``sync`` all in this process; ``async``
            each in a process of its own, which pays where a step is slow. Results are the same, so it is not stored.

    Attributes:
        options_class: Dataclass of typed options for the command line; None: options are given as key=value.
        option_presets: Options by preset (``smoke``, ``default``, ``paper``); a preset that is absent has none.
        benchmark: Name in `anysense.representations.benchmarks` of the settings that suit this world.
        agent_presets: Settings of agents that differ from the algorithm's own: algorithm, then preset, then setting.
        algorithms: Algorithm that agents are trained with if nobody says, by preset; see `usual_algorithm`.
        eval_every: Steps of a training between its evaluations if nobody says.
        demos: Settings of ``anysense demo`` that differ from the usual ones: preset, then setting; see `demo_settings`.
        policies: Policies of collection, the usual one first.
        rewards: Between which numbers the reward of one step lies, both included; usually any.
        score: What an evaluation reports of an episode: the average reward per step, or the return.
        optimum: Name of the reference that is (nearly) the best possible; gaps are taken to it.
        probes: Names of the quantities that `probe_targets` computes.
        evaluation_episodes: Episodes of an evaluation if nobody says.
        vector_size: Most environments that collection steps side by side.
    """

    id: str
    options: Mapping[str, Any] = field(default_factory=dict)
    vector: Vector = field(default="auto", compare=False)

    options_class: ClassVar[type[Any] | None] = None
    option_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    benchmark: ClassVar[str] = "generic"
    agent_presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    algorithms: ClassVar[Mapping[str, str]] = {}
    eval_every: ClassVar[int] = 5_000
    demos: ClassVar[Mapping[str, Mapping[str, int]]] = {}
    policies: ClassVar[tuple[str, ...]] = ("random",)
    rewards: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    score: ClassVar[Score] = "return"
    optimum: ClassVar[str | None] = None
    probes: ClassVar[tuple[str, ...]] = ()
    evaluation_episodes: ClassVar[int] = 100
    vector_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        """Checks the options and turns them into what JSON gives back.

        Raises:
            ValueError: An option is unknown, or is set elsewhere.
            TypeError: JSON cannot hold an option.
        """
        check_choice("vector", self.vector, get_args(Vector))
        for name in self.options:
            if name in RESERVED_OPTIONS:
                raise ValueError(f"`env-option` {name!r} of {self.id} cannot be given: {RESERVED_OPTIONS[name]}.")
            if self.options_class is not None:
                check_choice("env-option", name, [known.name for known in fields(self.options_class)])
        try:
            plain = json.loads(json.dumps(dict(self.options), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"`options` of {self.id} must be numbers, texts, lists and the like that JSON can hold ({error}); got "
                f"{dict(self.options)!r}."
            ) from error
        object.__setattr__(self, "options", plain)

    @cached_property
    def observation_space(self) -> gym.spaces.Dict:
        """Space of one environment with all modalities.

        Raises:
            TypeError: It is no ``Dict``, or holds an entry that is neither a ``Box`` nor ``present``.
        """
        check_observation_space(self.id, self._spaces[0])
        space: gym.spaces.Dict = self._spaces[0]
        return space

    @cached_property
    def action_space(self) -> gym.Space[Any]:
        """Space of one action."""
        space: gym.Space[Any] = self._spaces[1]
        return space

    @cached_property
    def _spaces(self) -> tuple[Any, Any]:
        env = self.make()
        try:
            return env.observation_space, env.action_space
        finally:
            env.close()

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the observation space."""
        return tuple(name for name in self.observation_space.spaces if name != PRESENT)

    def demo_settings(self, preset: str) -> Mapping[str, int]:
        """Settings of ``anysense demo`` that differ from the usual ones with these options."""
        return self.demos.get(preset, {})

    def usual_algorithm(self, preset: str) -> str:
        """Algorithm that agents are trained with if nobody says: one of ``algorithms``, else by the kind of actions."""
        discrete = isinstance(self.action_space, gym.spaces.Discrete)
        return self.algorithms.get(preset, "ppo" if discrete else "sac")

    @property
    def episode_steps(self) -> int | None:
        """Time limit of an episode as it is registered; None for none."""
        return find_spec(self.id).max_episode_steps

    @property
    def frame_stack(self) -> int | None:
        """How many consecutive frames every modality stacks along its first axis, newest last; None: no stacks."""
        return None

    @property
    def guide(self) -> Guide:
        """Names of what is measured and of actions, for people."""
        return Guide()

    @property
    def mirror(self) -> Mirror | None:
        """A reflection that leaves the world as it is; None where none is known."""
        return None

    def make(self, modalities: Sequence[str] | None = None, render_mode: str | None = None) -> gym.Env[Any, Any]:
        """One environment that offers the named modalities (all by default).

        Raises:
            ValueError: Unknown id, option or modality, or a package that is not installed; the message names it.
            TypeError: The observation is no ``Dict`` of ``Box`` entries.
        """
        return make_single(self.id, self.options, modalities, render_mode)

    def make_vec(
        self,
        num_envs: int,
        modalities: Sequence[str] | None = None,
        *,
        episode_steps: int | None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> VectorEnvironment:
        """``num_envs`` environments as one, see ``vector``; errors as in `make`.

        ``episode_steps`` is the time limit (truncation); None for none beyond the environment's own.
        """
        return make_vector(self.id, self.options, num_envs, modalities, episode_steps, autoreset_mode, self.vector)

    def start_states(self, count: int, seed: int) -> NDArray[np.float64] | None:
        """``count`` fixed start states for evaluations, (count, K); None where the world cannot be put into states.

        The first states of a larger draw with the same seed are the same.
        """
        return None

    def start_options(self, states: NDArray[np.float64]) -> dict[str, Any]:
        """Reset options that put a vector environment into the given states."""
        return {"state": states}

    def collection(self, policy: str, samples: int) -> list[Episodes]:
        """The episodes that a policy of collection records ``samples`` transitions in."""
        return [Episodes(samples, self.episode_steps or 1_000)]

    def probe_targets(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantities to read out of latents, (N, len(probes)), from ``info["state"]``, (N, K)."""
        return np.zeros((len(states), 0))

    def references(
        self, starts: NDArray[np.float64], steps: int, seed: int, options: Mapping[str, Any], progress: Progress | None
    ) -> Mapping[str, NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Undiscounted returns (N,) of reference controllers from start states (N, K), by name; none here.

        Where episodes can end early: pairs of returns and lengths, int64 (N,). The seed is that of random actions.
        """
        if options:
            raise ValueError(f"`reference_option` has no meaning for {self.id}; got {dict(options)}.")
        return {}

    def reference_labels(self) -> Mapping[str, str]:
        """What reports call the references, by name."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Plain values that `world` and `stored_world` restore it from."""
        return {"id": self.id, "options": dict(self.options)}


def _check_world(found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, World)):
        raise TypeError(f"a world must be a subclass of anysense.envs.World; got {found!r}.")


WORLDS: Registry[type[World]] = Registry(
    "world",
    "anysense.worlds",
    {
        DEFAULT_WORLD: "anysense.envs.pendulum.world:PendulumWorld",
        "anysense/Hyperhot-v0": "anysense.envs.hyperhot.world:HyperhotWorld",
    },
    _check_world,
)
"""Worlds of which more is known than Gymnasium tells, by id."""


def world(id: str = DEFAULT_WORLD, options: Mapping[str, Any] | None = None) -> World:
    """The world of a Gymnasium id, with keyword arguments of the environment.

    Raises:
        ValueError: The id is not known to Gymnasium, its module cannot be imported, or an option is unknown.
        TypeError: JSON cannot hold an option.
    """
    module, _, name = id.rpartition(":") if isinstance(id, str) else ("", "", "")
    if module:
        imported(module)
    if name in WORLDS:
        return WORLDS.get(name, "env")(id, dict(options or {}))
    find_spec(id, WORLDS.names())
    return World(id, dict(options or {}))


def stored_world(values: Any) -> World:
    """The world that a file names: as `world`, but a file does not import modules that nobody has chosen.

    The module of an id must be imported already, or be that of an entry point of an installed package.

    Args:
        values: What `World.to_json` gave.

    Raises:
        ValueError: The values are damaged, or name a module that is not trusted; otherwise as `world`.
    """
    if not (isinstance(values, dict) and values.keys() == {"id", "options"}):
        raise ValueError(f"`world` must hold 'id' and 'options', got {values!r}: the file is damaged.")
    env_id, options = values["id"], values["options"]
    if not (isinstance(env_id, str) and _ID.fullmatch(env_id)):
        raise ValueError(f"`world`: 'id' must be a Gymnasium id such as {DEFAULT_WORLD!r}, got {env_id!r}.")
    if not (isinstance(options, dict) and all(isinstance(name, str) and name.isidentifier() for name in options)):
        raise ValueError(f"`world`: 'options' must be keyword arguments by name, got {options!r}.")
    module = env_id.rpartition(":")[0]
    if module and module not in sys.modules and module not in _modules_of_plugins():
        raise ValueError(
            f"the file names the environment {env_id!r}, whose module {module!r} is neither imported nor part of an "
            f"installed plug-in; files must not run code. If you trust it, confirm with `--env {env_id}`, or import "
            f"{module} first."
        )
    return world(env_id, options)


def _modules_of_plugins() -> set[str]:
    return {offer.module for group in ("gymnasium.envs", WORLDS.group) for offer in entry_points(group=group)}
