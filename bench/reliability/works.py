"""One small run of every command, made to end in about a second, and what an uninterrupted run makes."""

import importlib
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from anysense.runs.cli import main
from bench.reliability.children import Ended, in_child
from bench.reliability.content import content
from bench.reliability.faults import Faults
from bench.reliability.records import Fault

__all__ = ["ALGORITHMS", "Reference", "References", "Work", "command", "finished", "works", "write_sentiment"]

ALGORITHMS = ("ppo", "a2c", "sac", "td3", "ddpg", "tqc")
IMPORTED = (
    *(f"anysense.runs.commands.{name}" for name in ("pretrain", "train", "classify", "compare", "align", "evaluate")),
    *("anysense.runs.commands.data_make", "anysense.agents.training", "anysense.agents.evaluation"),
    *("anysense.representations.training.pretrain", "anysense.representations.evaluation.dca"),
    *("anysense.representations.data.offline", "anysense.representations.evaluation.probe"),
    *("lightning", "stable_baselines3", "sb3_contrib", "torch.utils.tensorboard", "typeguard", "scipy.stats"),
    *("matplotlib.pyplot", "sklearn.kernel_ridge", "sklearn.linear_model", "librosa.feature", "soundfile", "pooch"),
)
"""What the commands import while they work; imported once, before the forks."""
BASE = "base"
"""Folder, beside those of the tries, of the runs that others build on."""
_COUNTED = "writing calls:"
_SMOKE = ("--preset", "smoke", "--threads", "1")
_ONE_JOB = ("--jobs", "1")
_PRETRAIN = ("pretrain", *_SMOKE, "--samples", "64", "--epochs", "3", "--batch-size", "32", "--name", "p")
_CLASSIFY = (
    *("classify", *_SMOKE, "--data", "mhd-offline", "--train", "40", "--test", "20", "--missing-rates", "0.5"),
    *("--epochs", "2", "--methods", "gmc", "mfm", "--name", "c"),
)
_TRAIN = ("--total-steps", "128", "--n-envs", "1", "--eval-every", "32", "--eval-episodes", "1", "--eval-steps", "5")
_MORE: Mapping[str, tuple[str, ...]] = {"ppo": ("--n-steps", "32", "--batch-size", "16")}
_COMPARE = ("--samples", "64", "--epochs", "1", "--steps", "100", "--episodes", "2", "--methods", "gmc", "mvae")


@dataclass(frozen=True)
class Work:
    """One call of the command line.

    Attributes:
        name: Name of the try.
        arguments: What is typed.
        made: What it makes, as seen from where it runs.
        resumable: Whether `--resume` goes on with it; otherwise it is called again.
    """

    name: str
    arguments: tuple[str, ...]
    made: str
    resumable: bool = True

    def again(self, folder: Path) -> tuple[str, ...]:
        """What a user types after a kill: with `--resume` where a run was begun."""
        begun = self.resumable and (folder / self.made / "run.json").exists()
        return (*self.arguments, "--resume") if begun else self.arguments


def works() -> list[Work]:
    """The runs of all commands that write something worth keeping."""
    base = f"../{BASE}/out"
    train = [
        Work(
            f"train-{name}",
            (
                *("train", *_SMOKE, "--algorithm", name, "--representation", f"{base}/pretrain/p", *_TRAIN),
                *(*_MORE.get(name, ()), "--name", name),
            ),
            f"out/train/{name}",
        )
        for name in ALGORITHMS
    ]
    align = ("align", f"{base}/classify/c", *_SMOKE, "--points", "20", "--rays", "20", *_ONE_JOB, "--name", "a")
    compare = ("compare", *_SMOKE, *_COMPARE, *_ONE_JOB, "--name", "m")
    digits = ("data", "mhd-offline", "--train", "40", "--test", "20", "--folder", "digits")
    return [
        Work("pretrain", _PRETRAIN, "out/pretrain/p"),
        *train,
        Work("classify", (*_CLASSIFY, *_ONE_JOB), "out/classify/c"),
        Work("classify-2-jobs", (*_CLASSIFY, "--jobs", "2"), "out/classify/c"),
        Work("compare", compare, "out/compare/m"),
        Work("align", align, "out/align/a"),
        Work("data-mhd-offline", digits, "digits", resumable=False),
        Work("data-mosei", ("data", "mosei", "--folder", "mosei"), "mosei", resumable=False),
    ]


def command(*arguments: str, threads: int = 1) -> int:
    """The command line in this process, which is a forked one; the exit code."""
    torch.set_num_threads(threads)
    return main(arguments)


class Reference(NamedTuple):
    """An uninterrupted run.

    Attributes:
        files: What it makes, as `content` gives it.
        seconds: How long it takes.
        calls: How many calls it makes that write, as `Faults` counts them.
        longest: Size of its longest file, bytes.
        given: Kilobytes of what it reads, in pages of memory.
        needed: Kilobytes of what it makes, in pages of memory.
    """

    files: dict[str, str]
    seconds: float
    calls: int
    longest: int
    given: int
    needed: int


class References:
    """Uninterrupted runs, made when they are first asked for."""

    def __init__(self, folder: Path):
        """`folder` is where tries are made, each in a folder of its own."""
        for name in IMPORTED:
            importlib.import_module(name)
        self.folder = folder
        self._known: dict[str, Reference] = {}

    def of(self, work: Work) -> Reference:
        """An uninterrupted run of a work."""
        if work.name not in self._known:
            self._base()
            folder = self.fresh(work)
            given = kilobytes(folder)
            ended = finished(in_child(partial(_counted, work, folder), folder), work.arguments)
            longest = max(path.stat().st_size for path in (folder / work.made).rglob("*") if path.is_file())
            self._known[work.name] = Reference(
                content(folder / work.made),
                ended.seconds,
                int(ended.output.rpartition(_COUNTED)[2]),
                longest,
                given,
                kilobytes(folder) - given,
            )
        return self._known[work.name]

    def fresh(self, work: Work) -> Path:
        """An empty folder for a run of a work, with what it reads."""
        folder = self.folder / "try"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.fill(work)
        return folder

    def fill(self, work: Work) -> None:
        """Put what a work reads into the folder of the tries."""
        if work.made == "mosei":
            write_sentiment(self.folder / "try" / "mosei" / "mosei_data.pkl")

    def _base(self) -> None:
        if not (self.folder / BASE).is_dir():
            for arguments in (_PRETRAIN, (*_CLASSIFY, *_ONE_JOB)):
                finished(in_child(partial(command, *arguments), self.folder / BASE), arguments)


def kilobytes(folder: Path) -> int:
    """What a folder takes in pages of memory."""
    return 4 + sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*"))


def _counted(work: Work, folder: Path) -> int:
    """Do a work and print how many calls wrote."""
    faults = Faults(folder, 0)
    code = command(*work.arguments)
    print(_COUNTED, faults.calls)
    return code


def finished(ended: Ended, arguments: tuple[str, ...]) -> Ended:
    """What ended, if it ended well; Fault with its output if not."""
    if ended.code:
        raise Fault(f"anysense {' '.join(arguments)} ended with {ended.code}:\n{ended.output}")
    return ended


def write_sentiment(path: Path) -> None:
    """Processed features of a few made-up segments, in the published form."""
    rng = np.random.default_rng(0)
    sizes = {"vision": 35, "audio": 74, "text": 300}
    splits = {
        part: {
            **{name: rng.standard_normal((rows, 50, size)).astype(np.float32) for name, size in sizes.items()},
            "labels": rng.uniform(-3, 3, (rows, 1, 1)).astype(np.float32),
            "id": np.array([[f"{part}{row}".encode(), b"0", b"1"] for row in range(rows)]),
        }
        for part, rows in (("train", 12), ("valid", 6), ("test", 6))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(splits))
