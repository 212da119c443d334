"""The machine: devices, threads and memory, and what a result was made on (without the name of either host or user)."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = [
    "describe_machine",
    "describe_versions",
    "in_bytes",
    "machine_line",
    "memory",
    "peak_memory",
    "processors",
    "resolve_device",
    "thread_limit",
    "usual_torch",
]

_PACKAGES = (
    "anysense",
    "torch",
    "numpy",
    "gymnasium",
    "stable-baselines3",
    "sb3-contrib",
    "lightning",
    "safetensors",
)
_CGROUPS = Path("/sys/fs/cgroup")


def resolve_device(device: str | torch.device) -> torch.device:
    """The device that ``device`` names; ``auto`` is a GPU if there is one. Every public ``device`` is checked here.

    Raises:
        ValueError: Not the CPU or a GPU of this machine that torch calls ``cuda``; the message lists what there is.
    """
    import torch

    available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device == "auto":
        return torch.device(available[1] if len(available) > 1 else "cpu")
    named = "cuda:0" if str(device) == "cuda" else str(device)
    if named not in available:
        raise ValueError(f"`device` must be 'auto', or what this machine has ({', '.join(available)}); got {named!r}.")
    return torch.device(named)


@contextmanager
def usual_torch() -> Iterator[None]:
    """Inside the block (or the function, as a decorator) new tensors are float32 and on the CPU, as torch begins.

    What a program has set by `torch.set_default_dtype` or `torch.set_default_device`, or in ``with torch.device(...)``,
    holds again afterwards.
    """
    import torch

    dtype, elsewhere = torch.get_default_dtype(), torch.get_default_device().type != "cpu"
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu") if elsewhere else nullcontext():
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """Use ``threads`` CPU threads in torch inside the block; None changes nothing."""
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processors() -> int:
    """Number of processors that this process may use: its affinity, and the quota of its control groups."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, *(math.ceil(quota) for quota in _quotas()), usable))


def describe_versions() -> dict[str, str]:
    """Version of Python and of each package that decides about results."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def describe_machine() -> dict[str, str | int]:
    """Processor model, number of usable cores, operating system and, if there is one, the GPU."""
    import torch

    machine: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "cores": processors(),
        "os": f"{platform.system()} {platform.machine()}",
    }
    if torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name(0)
    return machine


def machine_line(machine: dict[str, str | int]) -> str:
    """One line for a report, for example `AMD EPYC, 2 cores, Linux x86_64`."""
    cores = machine["cores"]
    line = f"{machine['cpu']}, {cores} core{'' if cores == 1 else 's'}, {machine['os']}"
    return f"{line}, {machine['gpu']}" if "gpu" in machine else line


def memory() -> int:
    """Memory of this machine, or of the control group that holds this process, in bytes; 0 where nothing tells."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        return min(physical, int((_CGROUPS / "memory.max").read_text()))
    except (OSError, ValueError):
        return physical


def in_bytes(size: int) -> str:
    """A number of bytes to read: 12 MB, 1.3 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ModuleNotFoundError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _quotas() -> Iterator[float]:
    """Processors that the control group of this process and its parents are limited to; version 2, then version 1."""
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, name = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            group = _CGROUPS / controllers / name.lstrip("/")
            for folder in (group, *group.parents):
                if folder.is_relative_to(_CGROUPS):
                    yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    values = " ".join(_lines(folder / "cpu.max")).split() or [
        *_lines(folder / "cpu.cfs_quota_us"),
        *_lines(folder / "cpu.cfs_period_us"),
    ]
    if len(values) == 2 and values[0].isdecimal():  # "max" and -1 stand for no limit
        yield int(values[0]) / int(values[1])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _cpu_model() -> str:
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"
