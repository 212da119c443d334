"""A search in a world: trials are the jobs of `anysense compare`, scored by read-outs or by agents of their own."""

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anysense.agents.summary import columns_of
from anysense.representations.benchmarks import presets
from anysense.representations.evaluation.records import COMPLETE, Column, Record, subset_name
from anysense.runs.commands.compare import CompareCommand
from anysense.runs.commands.stages import Stages, StageSettings, check_stages, pretrain_stage, train_stage
from anysense.runs.comparisons.grid import Cell, chosen_methods
from anysense.runs.method_options import AGENT, Parts, typed_options
from anysense.runs.settings import Preset, check_positive
from anysense.runs.tables import counted
from anysense.runs.tuning.settings import TuneSettings, given_subsets, mean_of, method_options
from anysense.runs.worlds import named_world

if TYPE_CHECKING:
    from anysense.agents.exported import Agent

__all__ = ["TuneInWorld"]

EPISODES_SEED = 20_220_204
"""Seed of the episodes that agents are scored in: neither those of `evaluate` and `compare`, nor those by which a
training keeps its best agent."""
READ_OUTS = Column("r2", "R² of read-outs", digits=4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneInWorld(TuneSettings, StageSettings):
    """Search for settings of methods and agents: as many trials for each, on validation data, by Optuna (extra `tune`).

    A trial is a job of `anysense compare`: it pretrains, and trains an agent if --score says so. Ends with a report and
    with the commands that use what was found. A killed search goes on with --resume; the same command on another
    machine that shares the folder joins one that runs.
    """

    score: Literal["probe", "agent"] = "probe"
    """What a trial is scored by: probe, how well what the world names can be read out of latents of trajectories held
    out from pretraining (R², no agent is trained); agent, the score of an agent that is trained for --steps."""
    batch_size: int = 128
    """Samples in one step of pretraining."""

    @classmethod
    def of(cls, preset: Preset) -> "TuneInWorld":
        """The values of a preset."""
        usual = CompareCommand.of(preset)
        names = ("samples", "epochs", "steps", "episodes", "batch_size")
        values = {name: getattr(usual, name) for name in names}
        return cls(preset=preset, trials=3 if preset == "smoke" else 20, **values)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "batch_size")
        if self.score == "probe":
            usual = CompareCommand.of(self.preset)
            idle = [name for name in ("steps", "episodes") if getattr(self, name) != getattr(usual, name)]
            if idle:
                raise ValueError(f"`{idle[0]}` has an effect with --score agent only; leave it out, or score agents.")
            if not named_world(self.env).probes:
                raise ValueError(
                    f"`score` probe: {self.env} names nothing to read out of latents; use --score agent, or give its "
                    "`World` probes."
                )

    def compare(self, methods: Sequence[str], options: Sequence[str] = ()) -> CompareCommand:
        """The command whose jobs the trials are."""
        names = (
            "env",
            "env_option",
            "reading",
            "vector",
            "logger",
            "samples",
            "epochs",
            "steps",
            "episodes",
            "batch_size",
        )
        own = {name: getattr(self, name) for name in (*names, "preset", "seed", "threads")}
        return CompareCommand(methods=tuple(methods), method_option=tuple(options), seeds=1, **own)

    def chosen(self) -> list[str]:
        """Names of the methods; ValueError for an unknown one."""
        known = presets(named_world(self.env).benchmark)
        return chosen_methods(self.methods, known.methods, known.usual_methods)

    def parts(self, method: str) -> Parts:
        """Settings of a method without a search; those of an agent only if one is trained."""
        found = self.usual_stages(method).parts()
        return {name: part for name, part in found.items() if name != AGENT or self.score == "agent"}

    def usual_stages(self, method: str, options: Sequence[str] = (), device: str = "cpu") -> Stages:
        """Settings of all stages."""
        return self.compare([method], options).stages(method, self.seed, device, self.threads or 1)

    def column(self) -> Column:
        """R², or the score of the world."""
        return READ_OUTS if self.score == "probe" else columns_of(named_world(self.env))[0]

    def subject(self) -> str:
        """The world."""
        return self.env

    def check(self) -> None:
        """Make the environment, and the networks of all methods."""
        check_stages(self.compare(self.chosen()), self.chosen())

    def measured(self, cell: Cell, options: Sequence[str], folder: Path) -> dict[str, Any]:
        """Pretrain, and train an agent if it is what is scored."""
        stages = self.usual_stages(cell.method, options, cell.device)
        result = pretrain_stage(stages, folder)
        representation = result.representation
        names = tuple(representation.modalities)
        facts = {
            "latent_dim": representation.latent_dim,
            "parameters": sum(parameter.numel() for parameter in representation.parameters()),
            "epochs": len(result.history),
        }
        subsets = given_subsets(names, self.given, None)
        if self.score == "probe":
            records = _read_outs(result.metrics)
            measured = {record.subset for record in records}
            subsets = [subset for subset in subsets if subset_name(subset, len(names)) in measured]
        else:
            records = self._acted(train_stage(stages, folder), subsets)
        value = mean_of(records, subsets, len(names), self.column().key) if subsets else math.nan
        return {**facts, "records": [record.to_json() for record in records], "value": value}

    def _acted(self, agent: "Agent", subsets: Sequence[tuple[str, ...]]) -> list[Record]:
        """The score of the world with each subset."""
        from anysense.agents.evaluation import EvaluationEpisodes, evaluate

        known, complete = agent.world, len(agent.modalities)
        episodes = EvaluationEpisodes.of(known, self.episodes, None, EPISODES_SEED)
        found = {subset: evaluate(agent, known, subset, episodes).score(known).mean() for subset in subsets}
        key = self.column().key
        return [Record(subset_name(subset, complete), key, float(value)) for subset, value in found.items()]

    def commands(self, methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """`anysense pretrain` and `anysense train` for one method, `anysense compare` for several."""
        preset = [] if self.preset == "default" else ["--preset", self.preset]
        shared = ["--env", self.env, *(["--env-option", *self.env_option] if self.env_option else [])]
        shared += [*preset, *([] if self.seed == 0 else ["--seed", str(self.seed)])]
        if len(methods) > 1:
            options = [option for method, values in methods.items() for option in method_options(method, values)]
            usual = type(self).of(self.preset)
            for name in ("samples", "epochs", "steps", "episodes", "batch_size"):
                if getattr(self, name) != getattr(usual, name):
                    shared += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
            words = ["anysense", "compare", *shared, "--methods", *methods]
            return [shlex.join([*words, *(["--method-option", *options] if options else [])])]
        ((method, values),) = methods.items()
        stages = self.usual_stages(method, method_options(method, values))
        plain = type(stages.pretraining).of(self.preset, method, named_world(self.env))
        first = ["anysense", "pretrain", "--method", method, *shared, "--samples", str(self.samples)]
        first += typed_options(plain.representation, stages.pretraining.representation)
        first += typed_options(plain.architecture, stages.pretraining.architecture)
        first += typed_options(plain.training, stages.pretraining.training)
        if self.score == "probe":
            return [shlex.join(first)]
        plain_agent = type(stages.training).of(self.preset, stages.training.algorithm, stages.world)
        second = ["anysense", "train", "--algorithm", stages.training.algorithm]
        second += [*preset, *([] if self.seed == 0 else ["--seed", str(self.seed)])]
        second += typed_options(plain_agent.agent, stages.training.agent)
        return [shlex.join(first), shlex.join(second)]

    def protocol(self) -> Mapping[str, str]:
        """How trials are scored."""
        stages = self.usual_stages(self.chosen()[0])
        held_out = f"{stages.pretraining.collection.validation_fraction:.0%} of the trajectories are held out"
        trained = (
            f"every representation on the same {self.samples} samples of {self.env}, all modalities present, for "
            f"{counted(self.epochs, 'epoch')}, and frozen"
        )
        if self.score == "probe":
            return {
                "measured": "R² of a kernel ridge regression that reads what the world names from latents, fitted on "
                "complete latents of trajectories for training and scored on those held out; mean over what is read.",
                "training": f"{trained}; no agent.",
                "splits": f"{held_out}, and every trial is scored and chosen by them; the best of many trials is "
                "better there than elsewhere.",
            }
        return {
            "measured": f"{self.column().heading}, {self.column().better} is better; "
            f"{counted(self.episodes, 'episode')} per value.",
            "training": f"{trained}; every agent by {stages.training.algorithm} with all modalities for {self.steps} "
            "environment steps.",
            "splits": f"{held_out} from pretraining; agents are scored and chosen in episodes that `anysense evaluate` "
            "and `anysense compare` do not have. The best of many trials is better there than elsewhere.",
        }


def _read_outs(metrics: Mapping[str, float]) -> list[Record]:
    """Mean R² over what is read out, of each subset that it was measured for."""
    found: dict[str, list[float]] = {}
    for name, value in metrics.items():
        kind, _, rest = name.partition("/")
        if kind == "kernel_probe" and rest.endswith("_r2"):
            subset = next((one for one in (COMPLETE, *_modalities(metrics)) if rest.startswith(f"{one}_")), None)
            if subset is not None:
                found.setdefault(subset, []).append(value)
    return [Record(subset, READ_OUTS.key, sum(values) / len(values)) for subset, values in found.items()]


def _modalities(metrics: Mapping[str, float]) -> list[str]:
    """Names of modalities, longer ones first, so that none is taken for another that it begins with."""
    names = {name.partition("/")[2] for name in metrics if name.startswith("retrieval/")}
    return sorted(names, key=len, reverse=True)
