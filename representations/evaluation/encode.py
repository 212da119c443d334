"""Latents of whole data sets, with any modalities missing. The representation is frozen: eval mode, no gradient.

Letters: N samples, M modalities of the representation, in its order.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from anysense.common.machine import usual_torch
from anysense.common.validation import check_choice, check_probability
from anysense.representations.arrays import Array, mask_of
from anysense.representations.contract import Representation, SupervisedRepresentation
from anysense.representations.data.recorded import Indices, Recorded, checked_indices, present_of

__all__ = ["draw_missing", "encode_subsets", "frozen", "predict_subsets"]

BATCH_SIZE = 512

Subset = tuple[str, ...]


@contextmanager
def frozen(representation: Representation) -> Iterator[None]:
    """Eval mode without gradients inside the block: batch statistics stay as they are, nothing is dropped out."""
    was_training = representation.training
    representation.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        representation.train(was_training)


def encode_subsets(
    representation: Representation,
    data: Recorded,
    subsets: Iterable[Subset],
    present: Array | None = None,
    indices: Indices | None = None,
    batch_size: int = BATCH_SIZE,
) -> dict[Subset, Tensor]:
    """Latents, float32 (N, latent_dim) on the CPU by subset, of samples of which only those modalities are given.

    Each batch of the data is read once. ``present``, boolean (M, N), says which modalities each sample keeps (all that
    the data have by default), ``indices`` (N,) which samples are encoded, in this order (all by default).

    Raises:
        TypeError: ``present`` is no mask.
        ValueError: Unknown modality, ``present`` of another shape or with other numbers than 0 and 1, a sample
            without any modality, or ``batch_size`` below 1.
    """
    return _over_batches(representation, representation.encode, data, subsets, present, indices, batch_size)


def predict_subsets(
    representation: SupervisedRepresentation, data: Recorded, subsets: Iterable[Subset], present: Array | None = None
) -> dict[Subset, Tensor]:
    """Predicted targets float32 (N,) on the CPU, by subset; otherwise like `encode_subsets`."""
    return _over_batches(representation, representation.predict, data, subsets, present, None, BATCH_SIZE)


@usual_torch()
def _over_batches(
    representation: Representation,
    function: Callable[..., Tensor],
    data: Recorded,
    subsets: Iterable[Subset],
    present: Array | None,
    indices: Indices | None,
    batch_size: int,
) -> dict[Subset, Tensor]:
    names, wanted = tuple(representation.modalities), list(subsets)
    for name in (name for subset in wanted for name in subset):
        check_choice("modalities", name, names)
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    rows = checked_indices(torch.arange(len(data)) if indices is None else indices, len(data))
    available = _available(data, rows, names, present)
    read = [name for name in names if any(name in subset for subset in wanted)]
    parts: dict[Subset, list[Tensor]] = {subset: [] for subset in wanted}
    with frozen(representation):
        for start in range(0, len(rows), batch_size):
            batch = slice(start, start + batch_size)
            values = data.observation(rows[batch], read).items()
            observation = {name: value.to(representation.device) for name, value in values}
            lengths = data.steps(rows[batch], read)
            for subset in wanted:
                given = torch.tensor([name in subset for name in names])[:, None]
                mask = None if available is None else (available[:, batch] & given).to(representation.device)
                found = function({name: observation[name] for name in subset}, mask, lengths=lengths)
                parts[subset].append(found.float().cpu())
    return {subset: torch.cat(found) for subset, found in parts.items()}


def _available(data: Recorded, rows: Tensor, names: Subset, present: Array | None) -> Tensor | None:
    """What the samples have and shall keep, (M, N); None for everything."""
    recorded = present_of(data, rows, names)
    if present is None:
        return recorded
    kept = mask_of("`present`", present, (len(names), len(rows)), "modalities by samples").cpu()
    return kept if recorded is None else kept & recorded


@usual_torch()
def draw_missing(modalities: int, samples: int, rate: float, seed: int) -> Tensor:
    """Which modalities each sample keeps when every one goes missing with chance ``rate``: (modalities, samples).

    A sample that would lose everything keeps one modality, drawn uniformly. ValueError for a rate outside [0, 1].
    """
    check_probability("rate", rate)
    if modalities < 1:
        raise ValueError(f"`modalities` must be at least 1; got {modalities}.")
    generator = torch.Generator().manual_seed(int(seed))
    kept = torch.rand(modalities, samples, generator=generator) >= rate
    spared = torch.randint(modalities, (samples,), generator=generator)
    kept[spared, torch.arange(samples)] |= ~kept.any(dim=0)
    return kept
