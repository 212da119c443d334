"""Data sets to compare representations on, with modalities missing, and the presets of each kind of data."""

from anysense.representations.benchmarks.benchmark import Benchmark, DataRequest, PublishedTable
from anysense.representations.benchmarks.catalogue import BENCHMARKS, benchmark, benchmark_names, presets
from anysense.representations.benchmarks.presets import PRESET_NAMES, Presets

__all__ = [
    "BENCHMARKS",
    "PRESET_NAMES",
    "Benchmark",
    "DataRequest",
    "Presets",
    "PublishedTable",
    "benchmark",
    "benchmark_names",
    "presets",
]
