"""Training and evaluation of supervised GMC on sequences of the sizes of CMU-MOSEI.

Both sides have the published architecture, the same data, batch size, threads, precision and optimiser, and a step is
the same work: loss, gradient, clipping, Adam. Ours takes its batches from memory; the plain side reads row by row.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from anysense.representations import Modality, build, make_networks, make_settings
from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.data import Samples
from anysense.representations.evaluation.subsets import every_subset
from bench.measure import SMOKE, Bench, Figure, alternate, ratio, speed
from bench.plain import PlainSentiment, Rows, plain_training

__all__ = ["FEATURES", "Part", "sequences"]

STEPS = 50
FEATURES = {"text": 300, "audio": 74, "vision": 35}
_EVALUATION_ROWS, _EVALUATION_SECONDS, _TRAINING_ROWS = 64, 30.0, 1536


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Training and evaluation of supervised GMC on sequences as in CMU-MOSEI, against a plain float32 loop."""

    smoke: ClassVar = {**SMOKE, "samples": 24, "batch_size": 4}

    samples: int = 4643
    """Samples to predict from every subset of modalities, as many as in the test split of CMU-MOSEI."""
    batch_size: int = 24
    """Batch size of both sides in training."""

    def measure(self) -> list[Figure]:
        """Measure training on both sides in turn, and the predictions from every subset of modalities."""
        data = sequences(min(self.samples, _TRAINING_ROWS), self.seed)
        settings = make_settings("gmc-supervised", "paper", benchmark="mosei")
        networks = make_networks("gmc-supervised", "paper", benchmark="mosei")
        representation = build("gmc-supervised", data.modalities, settings, networks, self.seed).to(self.device)
        assert isinstance(representation, SupervisedRepresentation)
        assert data.targets is not None
        ours = _training(representation, data, self.batch_size, self.seed)
        rows = Rows(*data.values.values(), data.targets[:, None])
        make_plain = partial(PlainSentiment, FEATURES)
        plain = plain_training(make_plain, rows, self.batch_size, 0.3, self.seed, supervised=True)
        rates = alternate({"ours": lambda: next(ours), "plain": lambda: next(plain)}, self.repeats, self.seconds)
        tested = sequences(self.samples, self.seed + 1)
        times = [_evaluation_seconds(representation, tested) for _ in range(self.repeats)]
        title = f"predictions of {self.samples} samples from all 7 subsets of modalities"
        return [
            speed(f"supervised GMC, batches of {self.batch_size} on {self.device}", rates["ours"], "samples"),
            speed("plain float32 loop on cpu", rates["plain"], "samples"),
            ratio("supervised GMC against the plain loop", rates["ours"], rates["plain"], target=2),
            Figure(title, "s", times, target=_EVALUATION_SECONDS, at_least=False),
        ]


def sequences(count: int, seed: int) -> Samples:
    """Noise of the shapes and dtypes of CMU-MOSEI; the first frames of half of the samples are padding."""
    rng = np.random.default_rng(seed)
    modalities = {name: Modality(name, (STEPS, size), "float32") for name, size in FEATURES.items()}
    padding = rng.integers(0, STEPS // 2, count) * (np.arange(count) % 2)
    filled = torch.from_numpy(np.arange(STEPS) >= padding[:, None])[..., None]
    values = {
        name: torch.from_numpy(rng.standard_normal((count, *modality.shape), dtype=np.float32)) * filled
        for name, modality in modalities.items()
    }
    return Samples(modalities, values, torch.from_numpy(rng.uniform(-3.0, 3.0, count).astype(np.float32)))


def _training(representation: SupervisedRepresentation, data: Samples, batch_size: int, seed: int) -> Iterator[int]:
    """Train without end; yields the number of samples after each step."""
    device, shuffling = representation.device, torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(representation.parameters(), lr=1e-3, fused=True)
    representation.train()
    while True:
        for rows in torch.split(torch.randperm(len(data), generator=shuffling), batch_size):
            observation = {name: value.to(device) for name, value in data.observation(rows).items()}
            target = data.target(rows)
            assert target is not None
            loss = representation.loss(observation, target=target.to(device), validate=False)["total"]
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(representation.parameters(), 0.8)
            optimizer.step()
            yield len(rows)


@torch.inference_mode()
def _evaluation_seconds(representation: SupervisedRepresentation, data: Samples) -> float:
    representation.eval()
    start = time.perf_counter()
    for modalities in every_subset(tuple(FEATURES)):
        for rows in torch.split(torch.arange(len(data)), _EVALUATION_ROWS):
            observation = data.observation(rows, modalities)
            representation.predict({name: it.to(representation.device) for name, it in observation.items()}).cpu()
    return time.perf_counter() - start
