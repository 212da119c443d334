"""Benchmarks by name. A benchmark is one line in the table, and is imported when it is first asked for."""

import importlib

from anysense.common.errors import unknown_name
from anysense.representations.benchmarks.benchmark import Benchmark

__all__ = ["benchmark", "benchmark_names", "register_benchmark"]

_BUILT_IN = {
    "mhd": "anysense.representations.benchmarks.mhd:MHD",
    "mhd-offline": "anysense.representations.benchmarks.mhd:MHD_OFFLINE",
    "mosei": "anysense.representations.benchmarks.sentiment:MOSEI",
    "mosi": "anysense.representations.benchmarks.sentiment:MOSI",
    "mosei-offline": "anysense.representations.benchmarks.sentiment:MOSEI_OFFLINE",
}
_registered: dict[str, Benchmark] = {}


def benchmark_names() -> tuple[str, ...]:
    """Names of all benchmarks."""
    return (*_BUILT_IN, *_registered)


def benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``; an unknown one raises ValueError."""
    if name in _registered:
        return _registered[name]
    if name not in _BUILT_IN:
        raise ValueError(unknown_name("data", name, benchmark_names()))
    module, attribute = _BUILT_IN[name].split(":")
    found: Benchmark = getattr(importlib.import_module(module), attribute)
    return found


def register_benchmark(new: Benchmark) -> None:
    """Make a benchmark of your own known under its name.

    Raises:
        ValueError: The name belongs to a built-in benchmark.
    """
    if new.name in _BUILT_IN:
        raise ValueError(f"`name` {new.name!r} is taken by a built-in benchmark; choose another name.")
    _registered[new.name] = new
