"""Everything of ours that reads files: a valid example of each, and how it is read."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anysense.agents.checkpoint import read_training
from anysense.agents.exported import Agent
from anysense.agents.results import load_results
from anysense.common.json_files import read_json
from anysense.envs.pendulum import optimal
from anysense.envs.pendulum.dynamic_programming import COARSEST
from anysense.envs.pendulum.state_mesh import StateMesh
from anysense.envs.world import DEFAULT_WORLD, world
from anysense.representations.data import Transitions, collect
from anysense.representations.data.offline import store
from anysense.representations.data.readers.mhd import load_mhd
from anysense.representations.data.readers.sentiment import load_sentiment
from anysense.representations.files import load_representation
from anysense.representations.training.checkpoints import read_pretraining
from anysense.runs.curves import read_curve
from anysense.runs.run_folder import RunFolder
from bench.reliability.children import in_child
from bench.reliability.works import References, command, finished, works, write_sentiment

__all__ = ["Reader", "examples", "readers"]

_EVALUATE = ("evaluate", "--preset", "smoke", "--threads", "1", "--episodes", "2", "--steps", "5", "--name", "e")


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        example: Folder of a valid example, in the folder of all examples.
        read: Reads the example in a folder, and uses what came where that is more than an array.
        files: Pattern of the files that are made hostile.
        remade: Whether a file that cannot be read is made anew instead of refused.
        share: How many times as many tries as the usual ones.
    """

    example: str
    read: Callable[[Path], Any]
    files: str = "*"
    remade: bool = False
    share: float = 1.0


def readers() -> dict[str, Reader]:
    """All readers by name."""
    return {
        "representation": Reader("representation", load_representation),
        "agent": Reader("agent", _act, "**/*"),
        "run record": Reader("run", RunFolder.open),
        "results": Reader("results", load_results),
        "result of a job": Reader("job", lambda folder: read_json(folder / "result.json")),
        "learning curve": Reader("curve", lambda folder: read_curve(folder / "metrics.csv")),
        "transitions": Reader("transitions", lambda folder: Transitions.load(folder / "transitions.npz")),
        "checkpoint of pretraining": Reader("pretraining", lambda folder: read_pretraining(folder / "last.ckpt")),
        "checkpoint of training": Reader("training", lambda folder: read_training(folder / "last.ckpt")),
        "MHD": Reader("mhd", load_mhd),
        "MOSEI pickle": Reader("mosei-pickle", partial(load_sentiment, "mosei")),
        "MOSEI caches": Reader("mosei-caches", partial(load_sentiment, "mosei")),
        "MOSEI converted": Reader("mosei-converted", partial(load_sentiment, "mosei")),
        "cached digits": Reader("digits", lambda folder: store.read(next(folder.iterdir())), remade=True),
        "cached controller": Reader("controller", _table, remade=True, share=0.5),
        "resume": Reader("resume", _resume, "out/pretrain/p/run.json", share=0.5),
        "report": Reader("evaluated", _report, "out/evaluate/e/**/*", share=0.5),
    }


def examples(folder: Path) -> None:
    """Make the valid examples, each in a folder of its own."""
    references = References(folder / "runs")
    known = {work.name: work for work in works()}
    for name, kept in (("data-mosei", "mosei"), ("data-mhd-offline", "digits"), ("train-sac", "out")):
        references.of(known[name])
        shutil.copytree(folder / "runs" / "try" / kept, folder / "made" / kept)
    base, made = folder / "runs" / "base" / "out", folder / "made"
    trained = made / "out" / "train" / "sac"
    finished(in_child(partial(command, *_EVALUATE, str(trained)), folder / "evaluated"), _EVALUATE)
    evaluated = folder / "evaluated" / "out" / "evaluate" / "e"
    pairs: dict[Path, str] = {
        base / "pretrain/p/representation": "representation",
        trained / "agent": "agent",
        base / "pretrain/p/run.json": "run/run.json",
        evaluated / "results": "results",
        base / "classify/c/jobs/gmc-0/result.json": "job/result.json",
        trained / "metrics.csv": "curve/metrics.csv",
        base / "pretrain/p/checkpoints/last.ckpt": "pretraining/last.ckpt",
        trained / "checkpoints/last.ckpt": "training/last.ckpt",
        made / "mosei/mosei.safetensors": "mosei-converted/mosei.safetensors",
        made / "digits": "digits",
        base / "pretrain/p": "resume/out/pretrain/p",
    }
    for source, place in pairs.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    _data(folder)


def _data(folder: Path) -> None:
    """Examples of data sets and caches."""
    write_sentiment(folder / "mosei-pickle" / "mosei_data.pkl")
    splits = np.load(folder / "mosei-pickle" / "mosei_data.pkl", allow_pickle=True)
    for name in ("mosei-caches", "mhd", "transitions", "controller"):
        (folder / name).mkdir()
    for part, arrays in splits.items():
        stored = {name: torch.from_numpy(value) for name, value in arrays.items() if name != "id"}
        torch.save(stored, folder / "mosei-caches" / f"mosei_{part}_a.dt")
    scale = {"min": np.float32(-80), "max": np.float32(20)}
    digits = [
        torch.arange(4) % 10,
        torch.rand(4, 1, 28, 28),
        torch.rand(4, 200),
        torch.rand(4, 4, 32, 32),
        scale,
        scale,
    ]
    for name in ("mhd_train.pt", "mhd_test.pt"):
        torch.save(tuple(digits), folder / "mhd" / name)
    collect(world(DEFAULT_WORLD), 16, "coverage", 0).save(folder / "transitions" / "transitions.npz")
    mesh = StateMesh.rebuilt(*COARSEST, [])
    values = np.zeros(mesh.rows.shape, np.float32)
    optimal._write_table(folder / "controller" / "table.npz", "settings", mesh, values)


def _act(folder: Path) -> Any:
    """Load an agent and act; an action that is not finite is none."""
    agent = Agent.load(folder)
    observation = {name: np.zeros(modality.shape, modality.dtype) for name, modality in agent.modalities.items()}
    action = agent.act(observation)
    assert np.isfinite(action).all(), f"the action is {action}"
    return action


def _table(folder: Path) -> Any:
    return optimal._read_table(folder / "table.npz", "settings", 0)


def _resume(folder: Path) -> Any:
    """Go on with a run; exit code 1 or 2 is a refusal."""
    return _command(folder, "pretrain", "--preset", "smoke", "--name", "p", "--resume")


def _report(folder: Path) -> Any:
    return _command(folder, "report", "out/evaluate/e", "--out", "report")


def _command(folder: Path, *arguments: str) -> None:
    os.chdir(folder)
    code = command(*arguments)
    if code:
        raise SystemExit(code)
