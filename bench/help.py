"""Processor time of each command's help, against importing torch, which none of them may need."""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from anysense.runs.cli import COMMANDS
from anysense.runs.commands.data import PARTS as DATA_PARTS
from bench.measure import SMOKE, Bench, Figure

__all__ = ["Part"]

LIMIT = 0.5
"""Seconds that help may take."""


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Processor seconds of the help of every command, in a fresh process each, against importing torch."""

    smoke: ClassVar = {**SMOKE, "commands": ("report",)}

    commands: tuple[str, ...] = tuple(COMMANDS)
    """The commands whose help is measured; of `data` that of its parts too."""

    def measure(self) -> list[Figure]:
        """Measure all commands once per round, so that a slow minute of the machine hits all of them."""
        named = [[name] for name in self.commands]
        named += [["data", part] for part in DATA_PARTS if "data" in self.commands]
        sides = {"import torch": ["-c", "import torch"], "python -c pass": ["-c", "pass"]}
        sides |= {" ".join(words): ["-m", "anysense", *words, "--help"] for words in named}
        sides |= {"--completion bash": ["-m", "anysense", "--completion", "bash"]}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for arguments in sides.values():
            _seconds(arguments)
        for _ in range(self.repeats):
            for name, arguments in sides.items():
                seconds[name].append(_seconds(arguments))
        found = [Figure(f"{name}, help", "s", values, LIMIT, at_least=False) for name, values in seconds.items()]
        found[:2] = [Figure(name, "s", seconds[name]) for name in list(sides)[:2]]
        slowest = max(list(sides)[2:], key=lambda name: statistics.median(seconds[name]))
        shares = [a / b for a, b in zip(seconds[slowest], seconds["import torch"], strict=True)]
        return [*found, Figure(f"slowest ({slowest}) against importing torch", "times", shares)]


def _seconds(arguments: Sequence[str]) -> float:
    """Processor time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
