"""Long use in one process: neither memory nor open files nor threads may grow."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gymnasium

import anysense.envs  # noqa: F401 (registers the ids)
from bench.reliability.children import in_child
from bench.reliability.records import Campaign, Case, Fault, Options
from bench.reliability.works import References, command, works

__all__ = ["CAMPAIGN", "Usage", "growth"]

MINUTES = 2.5
"""Of each environment."""
PENDULUMS = 64
TRAININGS = 20
GROWTH = 0.05
"""Largest growth of memory that counts as none, as a share, from the first quarter on."""
KEYS = ("memory", "files", "threads")
Usage = tuple[int, int, int]
"""Resident memory in bytes, open files, threads."""


def cases(options: Options) -> Iterator[Case]:
    """Both environments, and trainings one after the other."""
    references = References(options.folder)
    seconds = 5.0 if options.quick else 60 * MINUTES
    for world in ("anysense/MultimodalPendulum-v0", "anysense/Hyperhot-v0"):
        work = partial(_steps, world, seconds, options.seed)
        yield Case(f"steps/{world}", partial(_watched, options.folder, work))
    count = 4 if options.quick else TRAININGS
    yield Case("trainings/pretrain and sac", partial(_watched, options.folder, partial(_trainings, references, count)))


def _watched(folder: Path, work: Callable[[], int]) -> int:
    ended = in_child(work, folder / "soak", seconds=3600)
    if ended.code:
        raise Fault(ended.output)
    return int(ended.output.rpartition("count:")[2])


def _steps(world: str, seconds: float, seed: int) -> int:
    """Random actions until the time is up."""
    env = gymnasium.make_vec(world, num_envs=PENDULUMS)
    env.reset(seed=seed)
    env.action_space.seed(seed)
    start, used, steps = time.perf_counter(), [usage()], 0
    while (elapsed := time.perf_counter() - start) < seconds:
        for _ in range(200):
            env.step(env.action_space.sample())
            steps += PENDULUMS
        if elapsed > len(used) * seconds / 20:
            used.append(usage())
    env.close()
    return _judged(used, steps)


def _trainings(references: References, count: int) -> int:
    """Pretraining and training again and again, as one program would."""
    known = {work.name: work for work in works()}
    used = []
    for number in range(count):
        work = known["pretrain" if number % 2 else "train-sac"]
        references.of(work)
        os.chdir(references.fresh(work))
        if command(*work.arguments):
            return 1
        gc.collect()
        used.append(usage())
    return _judged(used, count)


def _judged(used: list[Usage], count: int) -> int:
    grown = growth(used)
    print(f"{used}\n{grown}\ncount: {count}")
    return int(bool(grown))


def usage() -> Usage:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), threading.active_count()


def growth(used: list[Usage]) -> list[str]:
    """What grew between the second quarter and the last one, by their smallest values."""
    quarter = max(1, len(used) // 4)
    found = []
    for place, name in enumerate(KEYS):
        before = min(one[place] for one in used[quarter : 2 * quarter] or used)
        after = min(one[place] for one in used[-quarter:])
        if after > before * (1 + GROWTH if name == "memory" else 1):
            found.append(f"{name} grew from {before} to {after}")
    return found


CAMPAIGN = Campaign(
    "Long use in one process (random steps of both vector environments; pretraining and training by turns) without "
    "growth of memory, open files or threads. Tries are steps and trainings",
    f"{MINUTES:g} minutes of each environment with {PENDULUMS} copies; {TRAININGS} trainings; memory within "
    f"{GROWTH:.0%}",
    cases,
)
