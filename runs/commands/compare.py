"""`anysense compare`: representations x seeds as modalities of the pendulum agent, in one table and one chart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anysense.common.errors import unknown_name
from anysense.common.progress import say
from anysense.representations.registry import method_names
from anysense.runs.commands.evaluate import EvaluationSettings
from anysense.runs.commands.pretrain import PretrainCommand
from anysense.runs.commands.train import TrainCommand
from anysense.runs.comparisons.compare_job import CompareJob, compare_one
from anysense.runs.comparisons.compare_report import Compared, print_comparison, write_comparison
from anysense.runs.comparisons.jobs import Job, run_jobs, usual_jobs
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS, Preset, ResumableSettings, as_preset, parse, peek, resumed, use_machine

__all__ = ["CompareCommand", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareCommand(ResumableSettings):
    """Compare representations as the modalities of the pendulum agent: pretrain, train and evaluate each, several seeds.

    Every method gets the same samples, epochs and environment steps; agents are trained with all modalities and meet image
    and sound alone only in the evaluation. A killed run goes on with --resume.
    """

    methods: str = "all"
    """Methods to compare, separated by commas, or all."""
    seeds: int = 2
    """How many seeds; the first one is --seed."""
    jobs: int | None = None
    """Agents side by side, each with one thread; one per processor if not given."""
    samples: int = 10_000
    """Transitions to collect for pretraining."""
    epochs: int = 8
    """Passes over them."""
    batch_size: int = 128
    """Samples in one step of pretraining."""
    steps: int = 25_000
    """Environment steps of the training of each agent."""
    episodes: int = 250
    """Episodes per row of the table, from the same start states for all."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well, for example docs/results/pendulum-methods."""

    @classmethod
    def of(cls, preset: Preset) -> CompareCommand:
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, seeds=1, samples=300, epochs=1, steps=600, episodes=4)
        if preset == "paper":
            return cls(preset=preset, seeds=10, samples=20_000, epochs=500, steps=150_000, episodes=100)
        return cls(preset=preset)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("seeds", "jobs", "samples", "epochs", "batch_size", "steps", "episodes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1; got {value}.")
        self.method_list()

    def method_list(self) -> list[str]:
        """Names of the methods.

        Raises:
            ValueError: a name is unknown, or given twice.
        """
        known = list(method_names("pendulum"))
        names = known if self.methods == "all" else [name.strip() for name in self.methods.split(",")]
        for name in names:
            if name not in known:
                raise ValueError(unknown_name("methods", name, [*known, "all"]))
        if len(set(names)) < len(names):
            raise ValueError(f"`methods` names a method twice: {self.methods}.")
        return names

    def job(self, method: str, seed: int, device: str) -> CompareJob:
        """All settings of one method with one seed."""
        pretraining = PretrainCommand.of(self.preset, method)
        training = TrainCommand.of(self.preset, "ddpg" if self.preset == "paper" else "sac")
        common: dict[str, Any] = {"seed": seed, "device": device, "threads": self.threads or 1}
        return CompareJob(
            pretraining=dataclasses.replace(
                pretraining,
                collection=dataclasses.replace(pretraining.collection, samples=self.samples),
                training=dataclasses.replace(pretraining.training, epochs=self.epochs, batch_size=self.batch_size),
                resume=True,
                **common,
            ),
            training=dataclasses.replace(
                training, agent=dataclasses.replace(training.agent, total_steps=self.steps), **common
            ),
            evaluation=dataclasses.replace(EvaluationSettings.of(self.preset), episodes=self.episodes),
            starts_seed=self.seed,
            device=device,
        )


def main(arguments: Sequence[str]) -> None:
    """Run all jobs in a new run folder, or go on with one; then write the report."""
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "compare", read)
    device = use_machine(settings)
    if not settings.resume:
        run = RunFolder.create(settings.out, "compare", settings.name, settings, settings.seed, arguments)
    with run.working():
        jobs, cells = [], []
        for seed in range(settings.seed, settings.seed + settings.seeds):
            for method in settings.method_list():
                folder = run.path / "jobs" / f"{method}-{seed}"
                job, spare = settings.job(method, seed, device), ("pretrain/checkpoints",)
                jobs.append(Job(f"{method}, seed {seed}", folder, compare_one, job, spare))
                cells.append((method, seed))
        side_by_side = min(settings.jobs or usual_jobs(), len(jobs))
        say(f"{len(jobs)} agents, {side_by_side} at a time")
        results = run_jobs(jobs, side_by_side, "compare")
        compared = [Compared.of(*cell, result) for cell, result in zip(cells, results, strict=True)]
        write_comparison(compared, run, settings.docs)
    print_comparison(compared)
    print(f"Report: {run.results('report.md')}")
    print(f"Chart: {run.figure('average_reward.png')}")


def read(arguments: Sequence[str]) -> CompareCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    return parse(CompareCommand.of(preset), arguments, "compare")
