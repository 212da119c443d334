"""Record what every representation computes: weights, latents, losses, gradients, one step of Adam."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.record import api
from bench.record.digests import array_digest, digests, exact, multiset_digest

ROWS = 16
Observation = dict[str, Tensor]

_GRAM = ("pairwise", "modality_anchor", "pairwise_signed", "all_pairs", "hybrid")
_OBJECTIVES = ("iwae_looser", "iwae", "dreg_looser")
_CONTRAST: tuple[dict[str, Any], ...] = ({"centre": False}, {"normalise_mean": True})

CHANGES: Mapping[tuple[str, str], tuple[dict[str, Any], ...]] = {
    ("gmc", "pendulum"): (
        *_CONTRAST,
        {"image_encoder": "convolution"},
        {"sound_normalisation": "min_max"},
        {"loss": "infonce_with_joints_as_negatives", "alignment_weight": 0.5},
    ),
    ("gmc", "mhd"): _CONTRAST,
    ("gram", "pendulum"): (
        *({"variant": name, "alignment_weight": 0.5} for name in _GRAM),
        {"power": 2, "label_smoothing": 0.1},
        {"learn_temperature": True},
    ),
    ("gram", "mhd"): (*_CONTRAST, *({"variant": name, "alignment_weight": 0.5} for name in _GRAM)),
    ("mfm", "mhd"): ({"as_published": True},),
    ("mvae", "pendulum"): ({"image_encoder": "convolution"},),
    ("mvae", "mhd"): ({"decoder_batch_norm": False},),
    ("mmvae", "pendulum"): (
        {"objective": "elbo_simple", "posterior": "gaussian"},
        *({"objective": name, "posterior": kind} for name in _OBJECTIVES for kind in ("gaussian", "laplace")),
    ),
    ("mmvae", "mhd"): ({"ignore_first_class": True}, {"objective": "elbo_simple", "posterior": "gaussian"}),
    ("muse", "pendulum"): ({"top_kl_inert": True},),
    ("muse", "mhd"): ({"subsets": "proper"}, {"top_kl_inert": True}),
    ("nexus", "pendulum"): ({"batch_norm": True}, {"optimal_variance": True}),
    ("nexus", "mhd"): ({"batch_norm": False}, {"optimal_variance": True}),
    ("gmc-supervised", "sentiment"): (*_CONTRAST, {"supervise_modalities": False}),
    ("gram-supervised", "sentiment"): (
        {"supervise_modalities": False},
        *({"variant": name} for name in _GRAM if name != "modality_anchor"),
    ),
}
"""Changes of the preset `default` that are recorded as well, by method and kind of data."""


def record() -> dict[str, Any]:
    """Records by method, kind of data and preset, or preset and changes."""
    found: dict[str, Any] = {}
    batches = {kind: observation(kind) for kind in ("pendulum", "mhd", "generic", "sentiment")}
    for method, kind, name, preset, changes in _cases():
        representation = api.build(method, kind, preset, 0, **changes)
        found.setdefault(method, {}).setdefault(kind, {})[name] = record_one(representation, batches[kind])
    return {"batches": {kind: digests(batch) for kind, batch in batches.items()}, **found}


def _cases() -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    for method, kind, preset in api.network_cases():
        yield method, kind, preset, preset, {}
        if preset == "default":
            for changes in CHANGES.get((method, kind), ()):
                words = ", ".join(f"{key}={value}" for key, value in changes.items())
                yield method, kind, f"default with {words}", preset, changes


def record_one(representation: Any, batch: Observation) -> dict[str, Any]:
    """Everything about one new representation; leaves it trained by one step."""
    masks = random_masks(list(batch))
    found = {
        "parameters": sum(parameter.numel() for parameter in representation.parameters()),
        "weights": _weights(representation),
        "latents": _latents(representation, batch),
    }
    found["losses"] = {
        "eval complete": _losses(representation, batch, None),
        "eval masked": _losses(representation, batch, masks),
    }
    representation.train()
    representation.begin_epoch(3)
    found["losses"]["epoch 3 complete"] = _losses(representation, batch, None)
    representation.begin_epoch(0)
    optimizer = torch.optim.Adam(representation.parameters(), lr=1e-3)
    for name, present in (("complete", None), ("masked", masks)):
        optimizer.zero_grad()
        found["losses"][name] = _losses(representation, batch, present, backward=True)
        gradients = [p.grad for p in representation.parameters() if p.grad is not None]
        found[f"gradients {name}"] = multiset_digest(gradients)
        optimizer.step()
        found[f"weights after {name} step"] = _weights(representation)
    return found


def _weights(representation: Any) -> dict[str, Any]:
    return {
        "parameters": multiset_digest(representation.parameters()),
        "buffers": multiset_digest(representation.buffers()),
    }


def _latents(representation: Any, batch: Observation) -> dict[str, str]:
    """Digests of the latents of every subset of modalities, in eval mode."""
    representation.eval()
    subsets = [subset for size in range(1, len(batch) + 1) for subset in combinations(batch, size)]
    with torch.no_grad():
        return {
            "+".join(sorted(subset)): array_digest(representation.encode({name: batch[name] for name in subset}))
            for subset in subsets
        }


def _losses(
    representation: Any, batch: Observation, present: Mapping[str, Tensor] | None, backward: bool = False
) -> dict[str, str]:
    """All terms of the loss, torch's generator seeded; with ``backward``, gradients as well; targets lie in [-3, 3]."""
    torch.manual_seed(1)
    terms = representation.loss(
        batch, present, torch.linspace(-3.0, 3.0, ROWS) if representation.needs_target else None
    )
    if backward:
        terms["total"].backward()
    return {name: exact(float(value.detach())) for name, value in terms.items()}


def random_masks(names: list[str]) -> dict[str, Tensor]:
    """Which modalities each of the rows has: each with an even chance, at least one; boolean (ROWS,) by name."""
    drawn = np.random.default_rng(3).random((ROWS, len(names))) < 0.5
    drawn[np.arange(ROWS), np.arange(ROWS) % len(names)] |= ~drawn.any(axis=1)
    return {name: torch.from_numpy(drawn[:, column].copy()) for column, name in enumerate(names)}


def observation(kind: str) -> Observation:
    """ROWS complete observations: of the environment for the pendulum, else random values within bounds."""
    if kind == "pendulum":
        return _pendulum_observation()
    rng = np.random.default_rng(2)
    drawn: Observation = {}
    for name, modality in api.modalities_of(kind).items():
        shape = (ROWS, *modality.shape)
        value: np.ndarray[Any, Any]
        if modality.dtype == "uint8":
            value = rng.integers(0, 256, shape, dtype=np.uint8)
        elif name == "label":
            value = np.eye(modality.shape[0], dtype=np.float32)[rng.integers(modality.shape[0], size=ROWS)]
        elif modality.low is None:
            value = rng.standard_normal(shape, dtype=np.float32)
        else:
            low, high = modality.bounds()
            value = rng.uniform(low, high, shape).astype(np.float32)
        if name == "image":  # mostly empty, as pictures of digits are
            value *= rng.random(shape, dtype=np.float32) < 0.2
        drawn[name] = torch.from_numpy(value)
    return drawn


def _pendulum_observation() -> Observation:
    """What ROWS pendulums observe after 20 random steps."""
    env = api.pendulum_vector(ROWS)
    env.reset(seed=11)
    rng = np.random.default_rng(11)
    for _ in range(20):
        values, *_ = env.step(rng.uniform(-2, 2, (ROWS, 1)).astype(np.float32))
    env.close()
    return {name: torch.from_numpy(value) for name, value in values.items()}
