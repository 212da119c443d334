"""The same bits whatever threads, hash seed, folder and load: runs in fresh processes, compared with a first one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.reliability.content import content, differences
from bench.reliability.records import Campaign, Case, Fault, Options
from bench.reliability.works import References, Work, works

__all__ = ["CAMPAIGN"]

REPEATED = ("pretrain", "train-ppo", "train-sac", "classify", "compare", "data-mhd-offline")
SECONDS = 600
BUSY = 3
"""Other busy processes during the repeats under load."""
CONDITIONS: Mapping[str, tuple[str, ...]] = {"hash seed": REPEATED, "load": REPEATED, "folder": REPEATED}


def cases(options: Options) -> Iterator[Case]:
    """Every work under every condition."""
    references = References(options.folder)
    known = {work.name: work for work in works()}
    for condition, names in CONDITIONS.items():
        for name in names[:1] if options.quick else names:
            yield Case(f"{condition}/{name}", partial(_repeated, references, known[name], condition))
    yield Case("threads/train-sac", partial(_repeated, references, known["train-sac"], "variables"))


def _repeated(references: References, work: Work, condition: str) -> int:
    """Run a work in a fresh process under a condition and compare it with an undisturbed one."""
    expected = references.of(work).files
    folder = references.fresh(work)
    changed: dict[str, str] = {}
    with ExitStack() as stack:
        match condition:
            case "hash seed":
                changed["PYTHONHASHSEED"] = "12345"
            case "load":
                for _ in range(BUSY):
                    stack.callback(_busy())
            case "variables":
                changed |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
            case "folder":
                folder = _moved(references, work)
        _run(folder, work, changed)
    other = differences(expected, content(folder / work.made))
    if other:
        raise Fault(f"{condition}: {work.name} made something else: {'; '.join(other)}")
    return 1


def _moved(references: References, work: Work) -> Path:
    """An empty folder with another name and depth, from where the runs that others build on are seen as before."""
    folder = references.folder / "another place, éß" / "deeper"
    folder.mkdir(parents=True, exist_ok=True)
    base = folder.parent / "base"
    if not base.exists():
        base.symlink_to(references.folder / "base")
    return folder


def _run(folder: Path, work: Work, changed: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anysense", *work.arguments],
        cwd=folder, env={**os.environ, **changed}, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Fault(f"anysense {' '.join(work.arguments)} ended with {done.returncode}:\n{done.stderr}")


def _busy() -> Callable[[], None]:
    """Start a process that does nothing but count; gives what ends it."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def end() -> None:
        process.kill()
        process.wait()

    return end


CAMPAIGN = Campaign(
    "The same bits in a fresh process: with another hash seed, from another folder, under load, with variables for two "
    "threads (each run fixes its own number)",
    f"{', '.join(REPEATED)}; load: {BUSY} busy processes",
    cases,
)
