"""One cell of the pendulum comparison: pretrain one method with one seed, train an agent on it, evaluate it."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

from anysense.agents.exported import Agent
from anysense.common.machine import peak_memory
from anysense.runs.commands.evaluate import EvaluationSettings, conditions_of, evaluate_agent
from anysense.runs.commands.pretrain import PretrainCommand, pretrain_run
from anysense.runs.commands.train import TrainCommand, train_run
from anysense.runs.curves import curve_of_agent
from anysense.runs.run_folder import RunFolder

__all__ = ["CompareJob", "compare_one"]


@dataclasses.dataclass(frozen=True)
class CompareJob:
    """What one job needs to know; sent to another process."""

    pretraining: PretrainCommand
    training: TrainCommand
    evaluation: EvaluationSettings
    starts_seed: int
    device: str


def compare_one(job: CompareJob, folder: Path) -> dict[str, Any]:
    """Do the three stages in `folder`, each from where it was cut off. Gives plain values: rows, times, sizes."""
    import torch

    torch.set_num_threads(job.training.threads or 1)
    for stage in ("pretrain", "train"):
        (folder / stage).mkdir(exist_ok=True)
    result = pretrain_run(job.pretraining, folder / "pretrain", job.device)
    training = job.training.resolved(folder / "pretrain" / "representation", job.pretraining.world)
    trained = train_run(training, folder / "train", resume=_begun(folder / "train"))
    agent = Agent.load(trained.agent, job.device)
    curve, conditions = curve_of_agent(trained.agent), conditions_of(agent, job.evaluation)
    run = RunFolder(folder, {})
    rows = evaluate_agent(agent, conditions, job.evaluation, job.starts_seed, run, curve, [])
    return {
        "rows": [row.to_json() for row in rows],
        "latent_dim": result.representation.latent_dim,
        "parameters": sum(parameter.numel() for parameter in result.representation.parameters()),
        "pretraining_seconds": _total(folder / "pretrain" / "metrics.csv", "train_seconds"),
        "probes": {name: value for name, value in result.metrics.items() if name.startswith("kernel_probe/")},
        "peak_memory": peak_memory(),
    }


def _begun(folder: Path) -> bool:
    return any(folder.iterdir())


def _total(path: Path, column: str) -> float:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(float(row[column]) for row in csv.DictReader(file))
