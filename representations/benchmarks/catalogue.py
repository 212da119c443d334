"""Benchmarks by name: data sets, and presets of data that is no data set. Imported when first asked for."""

from typing import Any

from anysense.common.errors import unknown_name
from anysense.common.registry import Registry
from anysense.representations.benchmarks.benchmark import Benchmark
from anysense.representations.benchmarks.presets import Presets

__all__ = ["BENCHMARKS", "benchmark", "benchmark_names", "presets"]

DATA_SETS = {
    "digits": "anysense.representations.benchmarks.digits:DIGITS",
    "digits-speakers": "anysense.representations.benchmarks.digits:DIGITS_SPEAKERS",
    "mfeat": "anysense.representations.benchmarks.digits:MFEAT",
    "mhd": "anysense.representations.benchmarks.mhd:MHD",
    "mhd-offline": "anysense.representations.benchmarks.mhd:MHD_OFFLINE",
    "mosei": "anysense.representations.benchmarks.sentiment:MOSEI",
    "mosi": "anysense.representations.benchmarks.sentiment:MOSI",
    "mosei-offline": "anysense.representations.benchmarks.sentiment:MOSEI_OFFLINE",
}
OTHERS = {
    "generic": "anysense.representations.benchmarks.generic:GENERIC",
    "pendulum": "anysense.representations.benchmarks.pendulum:PENDULUM",
    "hyperhot": "anysense.representations.benchmarks.hyperhot:HYPERHOT",
}


def _check_benchmark(found: Any) -> None:
    if not isinstance(found, Benchmark | Presets):
        raise TypeError(f"a benchmark must be an instance of Benchmark or Presets; got {found!r}.")


BENCHMARKS: Registry[Benchmark | Presets] = Registry(
    "benchmark", "anysense.benchmarks", DATA_SETS | OTHERS, _check_benchmark
)
"""Data sets (`Benchmark`), and presets of worlds and of any data (`Presets`), by name."""


def presets(name: str) -> Presets:
    """The presets of a benchmark; an unknown one raises ValueError."""
    found = BENCHMARKS.get(name)
    return found.presets if isinstance(found, Benchmark) else found


def benchmark_names() -> tuple[str, ...]:
    """Names of all data sets; a benchmark of another package that cannot be imported counts as one."""
    return tuple(name for name in BENCHMARKS.names() if name in DATA_SETS or (name not in OTHERS and _is_data(name)))


def benchmark(name: str) -> Benchmark:
    """The data set called ``name``; ValueError for an unknown one, or for mere presets."""
    found = BENCHMARKS.get(name, "data") if name in BENCHMARKS else None
    if not isinstance(found, Benchmark):
        raise ValueError(unknown_name("data", name, benchmark_names()))
    return found


def _is_data(name: str) -> bool:
    try:
        return isinstance(BENCHMARKS.get(name), Benchmark)
    except (ImportError, ValueError):
        return True
