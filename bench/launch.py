"""Jobs on Ray against processes of this machine, and what a driver costs per job.

Each job is a process that computes for some seconds on one thread, as the shortest jobs of a comparison do; an empty
one returns at once. Ray is started before the clock, as a cluster runs before a comparison is; joining it and
starting its workers is part of the time, and a figure of its own, for it weighs on a few short jobs.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from anysense.common.machine import processors
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import Launcher, run_jobs
from anysense.runs.launching.local import Local
from anysense.runs.launching.ray_cluster import QUIET, RayCluster
from anysense.runs.launching.ray_options import RayOptions
from bench.measure import SMOKE, Bench, Figure

__all__ = ["Part", "compute"]

RATE = 0.9
"""Of the jobs that processes of this machine do in the same time, Ray should do as many."""


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Jobs per second by Ray and by local processes on the same cores, and seconds of the driver per empty job."""

    smoke: ClassVar = {**SMOKE, "jobs": 2, "empty": 2, "additions": 1000}

    repeats: int = 3
    """How often each side is measured; the medians are reported."""
    jobs: int = 16
    """Equal jobs that compute."""
    additions: int = 160_000_000
    """What each of them computes; about 3 seconds."""
    empty: int = 1000
    """Jobs that do nothing; each is a process all the same. They are done once by each side."""

    def measure(self) -> list[Figure]:
        """Let the sides take turns; the driver's cost is the processor time of this process, threads included."""
        cores = max(processors(), 2)  # One job at a time would work in this process, which starts none then.
        with _cluster(cores) as address:
            options = RayOptions.of((f"address={address}",), "cpu", 1)
            sides: dict[str, Launcher] = {"local": Local(cores), "Ray": RayCluster(options, cores, "cpu")}
            rates: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(self.repeats):
                for name, launcher in sides.items():
                    wall, _ = _seconds(launcher, self.jobs, self.additions)
                    rates[name].append(self.jobs / wall)
            starts = [_seconds(sides["Ray"], 1, 0)[0] for _ in range(self.repeats)]
            costs = {name: _seconds(launcher, self.empty, 0) for name, launcher in sides.items()}
        shares = [ray / local for ray, local in zip(rates["Ray"], rates["local"], strict=True)]
        found = [Figure(f"{self.jobs} jobs on {cores} cores, {name}", "jobs/s", rates[name]) for name in sides]
        found.append(Figure("Ray against local", "times", shares, RATE))
        found.append(Figure("one empty job, Ray, joining included", "s", starts))
        for name, (wall, own) in costs.items():
            found.append(Figure(f"driver, {self.empty} empty jobs, {name}", "ms/job", [1000 * own / self.empty]))
            found.append(Figure(f"all, {self.empty} empty jobs, {name}", "ms/job", [1000 * wall / self.empty]))
        return found


def compute(additions: int, folder: Path, device: str) -> dict[str, Any]:
    """The work of a job."""
    return {"value": sum(range(additions))}


def _seconds(launcher: Launcher, count: int, additions: int) -> tuple[float, float]:
    """Wall time of so many jobs, and processor time of this process."""
    folder = Path(tempfile.mkdtemp(prefix="anysense-bench-"))
    jobs = [Job(f"job {number}", folder / "jobs" / str(number), compute, additions) for number in range(count)]
    wall, own = time.perf_counter(), time.process_time()
    try:
        run_jobs(jobs, launcher, "bench")
        return time.perf_counter() - wall, time.process_time() - own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster(cores: int) -> Iterator[str]:
    """A Ray cluster of this machine; its address."""
    import os

    from ray.cluster_utils import Cluster

    os.environ.update(QUIET)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "include_dashboard": False})
    try:
        yield cluster.address
    finally:
        cluster.shutdown()
