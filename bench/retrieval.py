"""Time and memory of ranking all candidates for each query.

By default 10 000 samples of six modalities: the volumes of five latents and a sixth, and cosines, both ways.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from anysense.representations.evaluation.retrieval_scores import scores
from bench.dca import peak
from bench.measure import SMOKE, Bench, Figure, alternate

__all__ = ["Part", "extra_memory"]

_SAMPLES, _MODALITIES, _DIM = 10_000, 6, 64
_MOST_MEMORY = 1e9


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Seconds and memory of ranking all candidates for all queries, by volume and by cosine."""

    smoke: ClassVar = {**SMOKE, "samples": 50, "dim": 8}

    repeats: int = 1
    """How often the time is measured; the median is reported."""
    samples: int = _SAMPLES
    """Queries, and candidates."""
    modalities: int = _MODALITIES
    """Modalities: the last one is looked for, given all others, and the other way round."""
    dim: int = _DIM
    """Numbers of each latent."""

    def measure(self) -> list[Figure]:
        """Measure the seconds of all four rankings, and the memory that they add to a new process."""
        sizes = (self.samples, self.modalities, self.dim)
        rates = alternate({"all": _ranking(*sizes, self.seed)}, self.repeats, self.seconds)["all"]
        most = _MOST_MEMORY if sizes == (_SAMPLES, _MODALITIES, _DIM) else None
        code = f"from bench.retrieval import extra_memory as e; print(e{(*sizes, self.seed)})"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        name = f"{self.samples} candidates, {self.modalities} modalities"
        return [
            Figure(f"{name}: time", "s", [1 / rate for rate in rates]),
            Figure(f"{name}: extra memory", "bytes", [float(done.stdout)], most, at_least=False),
        ]


def extra_memory(samples: int, modalities: int, dim: int, seed: int) -> int:
    """Bytes by which the rankings raise the peak of this process; for a new process, where that peak is young."""
    work = _ranking(samples, modalities, dim, seed)
    before = peak()
    work()
    return peak() - before


def _ranking(samples: int, modalities: int, dim: int, seed: int) -> Callable[[], int]:
    names, generator = [str(number) for number in range(modalities)], torch.Generator().manual_seed(seed)
    latents = {(name,): torch.randn(samples, dim, generator=generator) for name in names}
    given = tuple(names[:-1])
    latents[given] = torch.randn(samples, dim, generator=generator)

    def work() -> int:
        scores(latents, given, names[-1])
        return 1

    return work
