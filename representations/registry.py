"""A representation by names: of its method, of its networks, and of the presets that say how they are set."""

from collections.abc import Mapping
from typing import Any

import torch

from anysense.common.machine import usual_torch
from anysense.common.validation import check_integer
from anysense.representations.benchmarks.catalogue import presets
from anysense.representations.contract import Representation
from anysense.representations.data.bounds import with_bounds
from anysense.representations.data.recorded import Recorded
from anysense.representations.methods.catalogue import METHODS
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.settings import MethodSettings

__all__ = ["METHODS", "build", "make_networks", "make_settings"]


def make_settings(
    method: str, preset: str = "default", *, benchmark: str = "generic", **overrides: Any
) -> MethodSettings:
    """Settings of a method as a benchmark presets them, with some replaced.

    Raises:
        ValueError: Unknown method, benchmark, preset or setting, or a value out of range.
        TypeError: A value of the wrong type.
    """
    return presets(benchmark).method_settings(method, preset, **overrides)


def make_networks(
    method: str, preset: str = "default", *, benchmark: str = "generic", **overrides: Any
) -> Networks | None:
    """The family of networks that a benchmark presets for a method, some of its settings replaced.

    `anysense.representations.networks.catalogue.networks` gives a family by its own name.

    Returns:
        The family; None for a method that uses none.

    Raises:
        ValueError: Unknown method, benchmark, preset or setting, a value out of range, or settings for a method that
            uses no networks.
        TypeError: A value of the wrong type.
    """
    return presets(benchmark).networks(method, preset, **overrides)


@usual_torch()
def build(
    method: str,
    modalities: Mapping[str, Modality],
    settings: MethodSettings | None = None,
    networks: Networks | None = None,
    seed: int = 0,
    data: Recorded | None = None,
) -> Representation:
    """A new representation on the CPU, in train mode, with weights drawn from ``seed``; no global generator changes.

    Args:
        method: Name of the method.
        modalities: Its modalities, for example from `modalities_from_space`.
        settings: Settings of the method; by default what the benchmark ``generic`` presets.
        networks: Family of networks; by default what the benchmark ``generic`` presets.
        seed: Seed of the initial weights.
        data: Training data, for generative methods: float modalities without bounds get those of the data, see
            `with_bounds`. They are stored with the representation.

    Raises:
        ValueError: Unknown method, a seed below 0 or of more than 64 bits, modalities that method or networks cannot
            take, or networks for a method that uses none.
        TypeError: What is no `Modality`, settings of another method, or networks that are no instance of `Networks`.
    """
    kind = METHODS.get(method)
    if kind.method != method:
        raise ValueError(
            f"{kind.__name__} is registered as {method!r} but its `method` is {kind.method!r}; use one name."
        )
    if not isinstance(modalities, Mapping) or not all(isinstance(it, Modality) for it in modalities.values()):
        raise TypeError(
            f"`modalities` must map names to Modality, as `modalities_from_space` does; got {modalities!r}."
        )
    seed = check_integer("seed", seed, 0, 2**64 - 1)
    settings = make_settings(method) if settings is None else settings
    networks = make_networks(method) if networks is None else networks
    if isinstance(networks, Networks):  # anything else is refused where the method is made
        modalities = {name: networks.described(modality) for name, modality in modalities.items()}
    if data is not None and kind.generative and isinstance(networks, Networks) and networks.bounds_from_data:
        modalities = with_bounds(modalities, data)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return kind(modalities, settings, networks)
