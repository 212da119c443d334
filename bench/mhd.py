"""`anysense bench mhd`: training GMC on the digits of `mhd-offline`, and what other methods do batched, against loops.

Both sides of the training have the published architecture and settings, the same data, batch size, threads and
optimiser (Adam). Ours is what `anysense classify` does: a whole epoch with Lightning's work around the steps, without
the measurements after the epoch. Perceptual dropout and the doubly reparametrised objective are measured with forward
and backward pass; networks around them are left out or linear, so that they themselves are what is measured.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anysense.representations.data import Samples
from anysense.representations.data.offline.build import load_mhd_offline
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.methods.mmvae import MMVAE, MMVAESettings
from anysense.representations.methods.nexus import mean_message, perceptual_dropout
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import PerModality, register_networks
from anysense.representations.networks.generic_decoders import GenericDecoder
from anysense.representations.networks.trunk import Trunk
from anysense.representations.registry import build, make_settings
from anysense.representations.training import PretrainSettings, pretrain
from anysense.representations.training.machine import resolve_precision
from anysense.representations.training.pretrain_settings import Precision
from bench.measure import Figure, alternate, ratio, speed
from bench.mhd_reference import plain_training
from bench.rows_reference import plain_dreg, plain_mean_message

__all__ = ["bench_mhd", "linear_mmvae"]

_TEMPERATURE, _LEARNING_RATE = 0.1, 1e-3
_MODALITIES, _ROWS, _MESSAGE, _DROP_RATE = 4, 64, 512, 0.2
_FEATURES, _LATENT, _DRAWS = 8, 64, 10
_SMALLEST_TEST = 10


def bench_mhd(
    repeats: int, seconds: float, seed: int, samples: int, batch_size: int, device: str, precision: Precision
) -> list[Figure]:
    """Measure each pair of sides in turn; training for at least one epoch, and `seconds`, per side and repeat."""
    data, _ = load_mhd_offline(samples, max(_SMALLEST_TEST, samples // 5), seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            *_training(data, repeats, seconds, seed, batch_size, device, precision),
            *_pair("messages of Nexus, dropped and averaged", _dropout_sides(), repeats, seconds),
            *_pair("DReG objective of MMVAE", _objective_sides(seed), repeats, seconds),
        ]


def _training(
    data: Samples, repeats: int, seconds: float, seed: int, batch_size: int, device: str, precision: Precision
) -> list[Figure]:
    settings = PretrainSettings(
        epochs=1,
        batch_size=batch_size,
        learning_rate=_LEARNING_RATE,
        schedule="constant",
        keep="last",
        precision=precision,
        device=device,
        seed=seed,
    )
    plain = plain_training(data, batch_size, _TEMPERATURE, _LEARNING_RATE, seed)
    next(plain)
    _epoch(data.select(range(min(len(data), 4 * batch_size))), settings)
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repeats):
        rates["ours"].append(_epoch(data, settings))
        rates["plain"].append(_plain_rate(plain, len(data), seconds))
    used = resolve_precision(precision, torch.device(device))
    return [
        speed(f"GMC on mhd-offline, an epoch, {used} on {device}", rates["ours"], "samples"),
        speed("plain float32 loop on cpu", rates["plain"], "samples"),
        ratio("GMC against the plain loop", rates["ours"], rates["plain"], target=1.8),
    ]


def _epoch(data: Samples, settings: PretrainSettings) -> float:
    """Samples per second of one epoch."""
    representation = build("gmc", MHD_MODALITIES, make_settings("gmc", "paper", benchmark="mhd"), settings.seed)
    few = data.select(range(min(len(data), settings.batch_size)))
    with tempfile.TemporaryDirectory() as folder:
        return pretrain(representation, data, few, settings, Path(folder)).history[-1]["samples_per_second"]


def _plain_rate(steps: Iterator[int], samples: int, seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while done < samples or time.perf_counter() - start < seconds:
        done += next(steps)
    return done / (time.perf_counter() - start)


def _pair(name: str, sides: Mapping[str, Callable[[], int]], repeats: int, seconds: float) -> list[Figure]:
    rates = alternate(sides, repeats, seconds)
    return [
        speed(name, rates["batched"], "rows"),
        speed(f"{name}, row by row", rates["rows"], "rows"),
        ratio(f"{name}, against row by row", rates["batched"], rates["rows"], target=10),
    ]


def _dropout_sides() -> dict[str, Callable[[], int]]:
    messages = torch.randn(_MODALITIES, _ROWS, _MESSAGE, requires_grad=True)
    present = torch.ones(_MODALITIES, _ROWS, dtype=torch.bool)

    def batched() -> int:
        kept = perceptual_dropout(present, _DROP_RATE, torch.rand(2 + _MODALITIES, _ROWS))
        return _backward(mean_message(messages, kept).square().sum(), [messages])

    def rows() -> int:
        return _backward(plain_mean_message(messages.unbind(), _DROP_RATE).square().sum(), [messages])

    return {"batched": batched, "rows": rows}


def _objective_sides(seed: int) -> dict[str, Callable[[], int]]:
    model = linear_mmvae(seed, _FEATURES, _LATENT, _DRAWS)
    observation = {name: torch.rand(_ROWS, _FEATURES) for name in model.modalities}
    weights = list(model.parameters())

    def noise() -> Tensor:
        return torch.stack([torch.randn(_DRAWS, _ROWS, _LATENT) for _ in model.modalities])

    def batched() -> int:
        return _backward(model.loss(observation, validate=False)["total"], weights)

    def rows() -> int:
        return _backward(plain_dreg(model, observation, noise()), weights)

    before = torch.get_rng_state()
    value = model.loss(observation)["total"].item()
    torch.set_rng_state(before)
    twin = plain_dreg(model, observation, noise()).item()
    if not math.isclose(value, twin, rel_tol=1e-4):
        raise ArithmeticError(f"The batched objective is {value}, the one row by row {twin}; they must be equal.")
    return {"batched": batched, "rows": rows}


def _backward(loss: Tensor, weights: Sequence[Tensor]) -> int:
    torch.autograd.grad(loss, weights)
    return _ROWS


def linear_mmvae(seed: int, features: int, latent_dim: int, samples: int) -> MMVAE:
    """MMVAE with the objective ``dreg_looser`` and linear networks for four modalities, vectors of `features` numbers.

    In training mode.
    """
    modalities = {name: Modality(name, (features,), "float32", 0.0, 1.0) for name in "abcd"}
    family = PerModality(dict.fromkeys(modalities, _RawTrunk), dict.fromkeys(modalities, _LinearDecoder))
    register_networks("bench-linear", family)
    settings = MMVAESettings(
        networks="bench-linear",
        latent_dim=latent_dim,
        reconstruction_weights=(),
        objective="dreg_looser",
        expert_samples=samples,
    )
    model = build("mmvae", modalities, settings, seed)
    assert isinstance(model, MMVAE)
    return model.train()


class _RawTrunk(Trunk):
    """Nothing but the vector; the heads on top are linear."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.feature_dim = modality.shape[0]

    def forward(self, value: Tensor) -> Tensor:
        """The vector."""
        return value


class _LinearDecoder(GenericDecoder):
    """One linear layer."""

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__(modality)
        self.linear = nn.Linear(latent_dim, modality.shape[0])

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, *shape)."""
        outputs: Tensor = self.linear(latent)
        return outputs
