"""`anysense bench mosei`: training and evaluation of supervised GMC on sequences of the sizes of CMU-MOSEI.

Both sides have the published architecture, the same data, batch size, threads, precision and optimiser, and a step is
the same work: loss, gradient, clipping, Adam. Ours takes its batches from memory; the plain side reads row by row.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from anysense.representations.contract import Modality
from anysense.representations.data.samples import Samples
from anysense.representations.methods.supervised_gmc import SupervisedGMC
from anysense.representations.registry import build, make_settings
from bench.measure import Figure, alternate, ratio, speed
from bench.mult_reference import plain_training

__all__ = ["FEATURES", "bench_mosei", "sequences"]

STEPS = 50
FEATURES = {"text": 300, "audio": 74, "vision": 35}
_EVALUATION_ROWS, _EVALUATION_SECONDS, _TRAINING_ROWS = 64, 30.0, 1536


def bench_mosei(repeats: int, seconds: float, seed: int, samples: int, batch_size: int, device: str) -> list[Figure]:
    """Measure training on both sides in turn, and the predictions from every subset of modalities.

    Args:
        repeats: How often each side is measured.
        seconds: Shortest time that a side trains per repeat.
        seed: Seed of data and weights.
        samples: Samples to predict; 4 643 as in the test split of CMU-MOSEI.
        batch_size: Batch size of both sides in training.
        device: Where ours runs; the plain side runs on the processor.
    """
    data = sequences(min(samples, _TRAINING_ROWS), seed)
    representation = build(
        "gmc-supervised", data.modalities, make_settings("gmc-supervised", "paper", benchmark="sentiment")
    )
    assert isinstance(representation, SupervisedGMC)
    ours = _training(representation.to(device), data, batch_size, seed)
    arrays = {name: value.numpy() for name, value in data.values.items()}
    assert data.targets is not None
    plain = plain_training(arrays, data.targets.numpy(), batch_size, seed)
    rates = alternate({"ours": lambda: next(ours), "plain": lambda: next(plain)}, repeats, seconds)
    evaluation = sequences(samples, seed + 1)
    durations = [_evaluation_seconds(representation, evaluation) for _ in range(repeats)]
    return [
        speed(f"supervised GMC, training, batches of {batch_size} on {device}", rates["ours"], "samples"),
        speed("plain float32 loop on cpu", rates["plain"], "samples"),
        ratio("supervised GMC against the plain loop", rates["ours"], rates["plain"], target=2),
        Figure(
            f"predictions of {samples} samples from all 7 subsets of modalities",
            "s",
            durations,
            target=_EVALUATION_SECONDS,
            at_least=False,
        ),
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


def _training(representation: SupervisedGMC, data: Samples, batch_size: int, seed: int) -> Iterator[int]:
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


def _evaluation_seconds(representation: SupervisedGMC, data: Samples) -> float:
    representation.eval()
    start = time.perf_counter()
    for count in range(1, len(FEATURES) + 1):
        for modalities in itertools.combinations(FEATURES, count):
            _predictions(representation, data, modalities)
    return time.perf_counter() - start


@torch.inference_mode()
def _predictions(representation: SupervisedGMC, data: Samples, modalities: tuple[str, ...]) -> Tensor:
    predict: Callable[..., Tensor] = representation.predict
    parts = []
    for rows in torch.split(torch.arange(len(data)), _EVALUATION_ROWS):
        observation = data.observation(rows, modalities)
        parts.append(predict({name: value.to(representation.device) for name, value in observation.items()}).cpu())
    return torch.cat(parts)
