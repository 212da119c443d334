"""What a result was made on: versions and machine, without the name of either host or user."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe_machine", "describe_versions", "machine_line", "peak_memory"]

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


def describe_versions() -> dict[str, str]:
    """Version of Python and of each package that decides about results."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def describe_machine() -> dict[str, str | int]:
    """Processor model, number of usable cores, operating system and, if there is one, the GPU."""
    import torch

    machine: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
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


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"
