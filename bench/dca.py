"""Time and memory of Delaunay Component Analysis.

All points come from one normal cloud, half of them as reference: the slowest case, since few candidates can be left
out.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from anysense.common.machine import peak_memory
from anysense.representations.evaluation.dca import dca
from bench.measure import SMOKE, Bench, Figure, alternate

__all__ = ["Part", "extra_memory", "peak"]

_DIM, _RAYS = 64, 10_000
# For two processor cores, at that many features and rays: by number of points, seconds and bytes.
_MOST_SECONDS = {1000: 5.0, 4000: 120.0}
_MOST_MEMORY = {1000: 1e9}


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Seconds and memory of Delaunay Component Analysis, by number of points."""

    smoke: ClassVar = {**SMOKE, "points": (60,), "dim": 3, "rays": 100}

    repeats: int = 3
    """How often each number of points is measured; the medians are reported."""
    points: tuple[int, ...] = (1000, 4000)
    """Numbers of points, both sets together, to measure."""
    dim: int = _DIM
    """Features of each point."""
    rays: int = _RAYS
    """Rays shot from each point."""

    def measure(self) -> list[Figure]:
        """Measure the seconds of one analysis, and the memory that it adds to a new process."""
        promised = (self.dim, self.rays) == (_DIM, _RAYS)
        sides = {str(count): _analysing(count, self.dim, self.rays, self.seed) for count in self.points}
        rates = alternate(sides, self.repeats, self.seconds)
        figures = []
        for count in self.points:
            times = [1 / rate for rate in rates[str(count)]]
            most = _MOST_SECONDS.get(count) if promised else None
            figures.append(Figure(f"{count} points: time", "s", times, most, at_least=False))
        for count in self.points:
            most = _MOST_MEMORY.get(count) if promised else None
            memory = float(_measured_apart(count, self.dim, self.rays, self.seed))
            figures.append(Figure(f"{count} points: extra memory", "bytes", [memory], most, at_least=False))
        return figures


def extra_memory(points: int, dim: int, rays: int, seed: int) -> int:
    """Bytes by which one analysis raises the peak of this process; for a new process, where that peak is young."""
    before = peak()
    _analysing(points, dim, rays, seed)()
    return peak() - before


def _analysing(points: int, dim: int, rays: int, seed: int) -> Callable[[], int]:
    cloud = np.random.default_rng(seed).normal(size=(points, dim)).astype(np.float32)
    reference, evaluation = np.array_split(cloud, 2)

    def work() -> int:
        dca(reference, evaluation, n_rays=rays)
        return 1

    return work


def _measured_apart(points: int, dim: int, rays: int, seed: int) -> int:
    code = f"from bench.dca import extra_memory as e; print(e({points}, {dim}, {rays}, {seed}))"
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def peak() -> int:
    """Largest resident memory so far; where there is /proc, without what a process inherits from its parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return peak_memory()
