"""Global random generators, for libraries that draw from them: forked, saved and restored."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["forked_generators", "generator_states", "own_randomness", "restore_generators"]


@contextmanager
def forked_generators() -> Iterator[None]:
    """Whatever happens to the global generators of Python, numpy and torch inside is undone at the end."""
    states = generator_states()
    try:
        yield
    finally:
        restore_generators(states)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Seeding and drawing from torch's global generators inside leaves no trace; GPU kernels are repeatable."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        yield


def generator_states() -> dict[str, Any]:
    """States of the global generators: nested dictionaries, lists, tuples, arrays and tensors."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(states: Mapping[str, Any]) -> None:
    """Set the global generators to what `generator_states` returned; CUDA only where it has as many devices."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
