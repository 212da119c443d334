"""Benchmarks of representations with modalities missing."""

from anysense.representations.benchmarks.benchmark import Benchmark, DataRequest, PublishedTable
from anysense.representations.benchmarks.catalogue import benchmark, benchmark_names, register_benchmark

__all__ = ["Benchmark", "DataRequest", "PublishedTable", "benchmark", "benchmark_names", "register_benchmark"]
