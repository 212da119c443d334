"""Training of an agent on frozen latents: vectorised, evaluated as it goes, and resumable to the bit."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from stable_baselines3.common.logger import Logger

from anysense.agents.actor import Actor
from anysense.agents.algorithms.catalogue import build_model, check_actions, make_agent_settings
from anysense.agents.algorithms.settings import AgentSettings
from anysense.agents.averaging import AveragedWeights
from anysense.agents.callbacks import CurvePoint, TrainingCallback
from anysense.agents.checkpoint import ADVICE, CHECKPOINT, checkpoint_file, model_state, read_training, restore_model
from anysense.agents.environments import TrainingEnvironment, environment_seed
from anysense.agents.evaluation import EvaluationEpisodes, evaluate
from anysense.agents.exported import Agent, mirror_of
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.logging import LogWriter
from anysense.common.checkpoints import write_checkpoint
from anysense.common.errors import reading
from anysense.common.loggers.catalogue import DEFAULT_LOGGER, SteadyLogger, steady
from anysense.common.machine import resolve_device, thread_limit, usual_torch
from anysense.common.progress import training_display
from anysense.common.randomness import forked_generators
from anysense.common.validation import check_choice, check_positive_integer
from anysense.envs.world import World, world
from anysense.representations.description import read_representation_description

__all__ = ["Standardise", "TrainResult", "TrainSettings", "train"]

Standardise = Literal["auto", "on", "off"]

EVALUATION_SEED = 20_220_203
"""Seed of the evaluation starts: the same for all trainings, and unlike those of final evaluations."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """All that a training depends on."""

    representation: Path
    """Folder of a saved representation."""
    world: World = field(default_factory=world)
    """Where the agent acts."""
    algorithm: str = "sac"
    """Name of the algorithm."""
    preset: str = "default"
    """Where the settings of the algorithm come from: smoke, default or paper."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the algorithm that differ from the preset, by name."""
    modalities: tuple[str, ...] | None = None
    """Modalities to train with; all of the representation when None."""
    missing: float = 0.0
    """Probability of each modality to be missing for an episode of training (at least one stays)."""
    seed: int = 0
    """Seed of everything random."""
    standardise: Standardise = "auto"
    """Whether the agent gets latents with mean 0 and deviation 1 in each dimension; auto: unless they have unit length,
    as those of GMC and GRAM."""
    symmetric: bool = False
    """Whether the evaluated and exported agent acts alike on an observation and on its mirror image, see `Agent`; not
    while it trains."""
    encode: Literal["once", "in-policy"] = "once"
    """Encode each observation once, or in the policy whenever it is used (slow; for comparison)."""
    eval_every: int = 10_000
    """Environment steps between evaluations (and checkpoints)."""
    eval_episodes: int = 64
    """Episodes per evaluation."""
    eval_steps: int | None = None
    """Most steps of these episodes; the time limit of the world when None."""
    device: str = "auto"
    """Device of networks; auto takes a GPU only to encode in the policy, because small networks are faster on a CPU."""
    threads: int | None = 1
    """Threads of torch while training; one is fastest for small networks. None leaves them as they are."""

    def __post_init__(self) -> None:
        """Checks values; raises ValueError, and TypeError for a value of the wrong type."""
        object.__setattr__(self, "representation", Path(self.representation))
        check_choice("encode", self.encode, ("once", "in-policy"))
        check_choice("standardise", self.standardise, get_args(Standardise))
        for name in ("eval_every", "eval_episodes", "threads", "eval_steps"):
            if getattr(self, name) is not None:
                check_positive_integer(name, getattr(self, name))
        if not 0.0 <= self.missing < 1.0:
            raise ValueError(f"`missing` must lie in [0, 1), got {self.missing!r}.")
        if self.seed < 0:
            raise ValueError(f"`seed` must be at least 0, got {self.seed!r}.")
        self.agent_settings()
        check_actions(self.algorithm, self.world.action_space)
        if self.symmetric:
            mirror_of(self.world)

    def encoder(self) -> FrozenEncoder:
        """What makes the latents that the agent is given."""
        encoder = FrozenEncoder(self.representation, self.modalities, standardise=self.standardise == "on")
        if self.standardise == "auto":
            representation = encoder.representation
            encoder.standardise = representation.latents is not None and not representation.unit_latents
        return encoder

    def agent_settings(self) -> AgentSettings:
        """Settings of the algorithm: the preset with the overrides."""
        return make_agent_settings(self.algorithm, self.preset, self.world, **self.overrides)


@dataclass(frozen=True)
class TrainResult:
    """Where a training ended.

    Attributes:
        agent: Folder of the exported agent that was best in evaluations.
        last_agent: Folder of the exported agent as it was at the end.
        curve: The learning curve.
        best: Its best point; the earliest of equals.
    """

    agent: Path
    last_agent: Path
    curve: tuple[CurvePoint, ...]
    best: CurvePoint


@usual_torch()
def train(
    settings: TrainSettings,
    folder: str | Path,
    resume: bool = False,
    progress: bool | None = None,
    on_evaluation: Callable[[CurvePoint], None] | None = None,
    logger: str = DEFAULT_LOGGER,
) -> TrainResult:
    """Train an agent.

    Writes into `folder`: ``agent/`` (best so far, exported), ``last_agent/``, ``checkpoints/`` (for resume),
    ``metrics.csv`` (learning curve) and what the logger keeps. Global random generators and the number of torch threads
    are left as they were. In a world whose environments cannot hand over their exact state (``state_dict``) there are
    no checkpoints, and a resumed training starts from the beginning.

    With ``resume`` it goes on from the checkpoint in `folder`, exactly as if it had not been interrupted (with a
    learning rate that falls, only for the same ``total_steps``), or starts if there is none. All settings must be the
    same, but for ``total_steps``, ``device`` and ``threads``.

    ``progress`` says whether to show progress, None: if standard error is a terminal. ``on_evaluation`` is called after
    each evaluation with its row of the learning curve. ``logger`` is where numbers go besides: ``tensorboard``,
    ``csv``, ``wandb``, ``mlflow``, or one that a package offers.

    Raises:
        FileNotFoundError: The representation is missing.
        ModuleNotFoundError: The logger needs a package that is not installed.
        TypeError: The agent cannot be exported, because its actions are no ``Box``.
        ValueError: A setting or file is wrong, or `folder` holds a training and `resume` is False.
    """
    checkpoint = checkpoint_file(folder)
    if not resume and checkpoint is not None:
        raise ValueError(f"`folder` {folder} holds a training; go on with `resume=True` or choose another folder.")
    saved = None if checkpoint is None else read_training(checkpoint)
    if saved is not None:
        _check_same(settings, saved["settings"])
    with forked_generators(), thread_limit(settings.threads):
        training = _Training(settings, Path(folder))
        with steady(logger, training.folder) as log:
            return training.run(saved, progress, on_evaluation, log)


class _Training:
    """One training: its parts, put together."""

    def __init__(self, settings: TrainSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.agent_settings = settings.agent_settings()
        in_policy = settings.encode == "in-policy"
        self.device = resolve_device(settings.device if settings.device != "auto" or in_policy else "cpu")
        self.encoder = settings.encoder().to(self.device)
        self.modalities = self.encoder.modalities or tuple(self.encoder.representation.modalities)
        self.environment = TrainingEnvironment.make(
            settings.world,
            self.agent_settings.n_envs,
            self.modalities,
            encoder=None if in_policy else self.encoder,
            missing=settings.missing,
            terminal_time_limit=self.agent_settings.time_limit == "terminal",
            reward_scale=self.agent_settings.reward_scale,
            episode_steps=self.agent_settings.episode_steps,
        )
        venv, inside = self.environment.venv, self.encoder if in_policy else None
        self.model = build_model(settings.algorithm, self.agent_settings, venv, settings.seed, self.device, inside)
        decay = self.agent_settings.weight_average
        self.average = AveragedWeights(self.model.policy, decay) if decay else None
        venv.seed(environment_seed(settings.seed))
        self.episodes = EvaluationEpisodes.of(
            settings.world, settings.eval_episodes, settings.eval_steps, EVALUATION_SEED
        )
        self._agent()  # what cannot be exported fails now, not at the first evaluation

    def run(
        self,
        saved: Mapping[str, Any] | None,
        progress: bool | None,
        on_evaluation: Callable[[CurvePoint], None] | None,
        log: SteadyLogger,
    ) -> TrainResult:
        total = self.agent_settings.total_steps
        with training_display(total, progress) as display:
            callback = TrainingCallback(
                self.environment, self._evaluate, self._keep_best, self._save, self._take_in,
                self.folder / "metrics.csv", self.settings.eval_every, display, on_evaluation,
            )  # fmt: skip
            self.model.set_logger(Logger(None, [LogWriter(log)]))
            log.settings(_comparable(self.settings) | {"total_steps": total})
            if saved is not None:
                with reading(self.folder / CHECKPOINT, ADVICE, "does not fit the training"):
                    callback.load_state_dict(saved["training"])
                    restore_model(self.model, self.environment.adapter, saved["model"])
                    if self.average is not None:
                        self.average.load_state_dict(saved["average"])
            remaining = total - (self.model.num_timesteps if saved is not None else 0)
            if remaining > 0:
                self.model.learn(remaining, callback, log_interval=None, reset_num_timesteps=saved is None)  # type: ignore[arg-type]
        self._agent(steps=self.model.num_timesteps).save(self.folder / "last_agent")
        self.environment.venv.close()
        assert callback.best is not None
        return TrainResult(self.folder / "agent", self.folder / "last_agent", tuple(callback.curve), callback.best)

    def _agent(self, **facts: Any) -> Agent:
        with nullcontext() if self.average is None else self.average.in_place():
            actor = Actor.from_model(self.model)
        return Agent(
            actor,
            self.encoder,
            self.settings.algorithm,
            self.settings.world,
            self.modalities,
            {"seed": self.settings.seed, **facts},
            self.settings.symmetric,
        )

    def _take_in(self) -> None:
        if self.average is not None and self.model._n_updates > 0:
            self.average.update()

    def _evaluate(self) -> float:
        results = evaluate(self._agent(), self.settings.world, self.modalities, self.episodes)
        return float(results.score(self.settings.world).mean())

    def _keep_best(self, point: CurvePoint) -> None:
        self._agent(steps=point.steps, score=point.score).save(self.folder / "agent")

    def _save(self, training: Mapping[str, Any]) -> None:
        if self.environment.resumable:
            model = model_state(self.model, self.environment.adapter)
            state = {"settings": _comparable(self.settings), "training": training, "model": model}
            if self.average is not None:
                state["average"] = self.average.state_dict()
            write_checkpoint(self.folder / CHECKPOINT, state)


def _comparable(settings: TrainSettings) -> dict[str, Any]:
    """What must be equal for an exact continuation, as plain values: resolved settings, and weights of the encoder."""
    values = asdict(settings) | {"agent": asdict(settings.agent_settings())}
    values["agent"].pop("total_steps")
    values["world"] = settings.world.to_json()
    for name in ("device", "threads", "overrides", "preset", "representation"):
        values.pop(name)
    values["representation_sha256"] = read_representation_description(settings.representation)["weights_sha256"]
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _check_same(settings: TrainSettings, before: Mapping[str, Any]) -> None:
    now = _comparable(settings)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        listed = "; ".join(f"{name}: {before.get(name)!r} then, {now.get(name)!r} now" for name in changed)
        raise ValueError(f"`settings` differ from those of the checkpoint ({listed}); resume with the same settings.")
