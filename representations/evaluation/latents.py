"""Latents of whole data sets, with any modalities missing. The representation is frozen: eval mode, no gradient."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.contract import Representation, SupervisedRepresentation
from anysense.representations.data.samples import Samples

__all__ = ["draw_missing", "encode_samples", "frozen", "predict_samples"]

BATCH_SIZE = 512


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


def encode_samples(
    representation: Representation,
    samples: Samples,
    modalities: Iterable[str] | None = None,
    present: Mapping[str, Tensor] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Tensor:
    """Latents float32 (N, latent_dim) on the CPU.

    Args:
        representation: Used as it is, in eval mode.
        samples: N samples.
        modalities: Modalities that are given; all by default.
        present: Which of the given ones each sample has, boolean (N,) by name; all that `samples` have by default.
        batch_size: Samples per pass.

    Raises:
        TypeError: A mask is not boolean.
        ValueError: Unknown modality, one in ``present`` that is not given, a mask of another shape, a sample without
            any modality, or ``batch_size`` below 1.
    """
    encode = representation.encode
    return _over_batches(representation, samples, modalities, present, batch_size, encode)


def predict_samples(
    representation: SupervisedRepresentation,
    samples: Samples,
    modalities: Iterable[str] | None = None,
    present: Mapping[str, Tensor] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Tensor:
    """Predicted targets float32 (N,) on the CPU; otherwise like `encode_samples`."""
    return _over_batches(representation, samples, modalities, present, batch_size, representation.predict)


def _over_batches(
    representation: Representation,
    samples: Samples,
    modalities: Iterable[str] | None,
    present: Mapping[str, Tensor] | None,
    batch_size: int,
    function: Callable[..., Tensor],
) -> Tensor:
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    names = tuple(representation.modalities if modalities is None else modalities)
    given = _joined(samples, names, present or {})
    parts = []
    with frozen(representation):
        for start in range(0, len(samples), batch_size):
            rows = torch.arange(start, min(start + batch_size, len(samples)))
            observation = {
                name: value.to(representation.device) for name, value in samples.observation(rows, names).items()
            }
            masks = {name: mask[rows].to(representation.device) for name, mask in given.items()}
            parts.append(function(observation, masks or None).float().cpu())
    return torch.cat(parts)


def _joined(samples: Samples, names: tuple[str, ...], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks (N,) of the given modalities: what the samples have and is wanted."""
    masks = {name: mask for name, mask in samples.masks.items() if name in names}
    for name, mask in present.items():
        if name not in names:
            raise ValueError(unknown_name("present", name, names))
        if mask.dtype != torch.bool:
            raise TypeError(f"`present[{name!r}]` must be boolean; got {mask.dtype}. Convert it with .bool().")
        if tuple(mask.shape) != (len(samples),):
            raise ValueError(
                f"`present[{name!r}]` must have shape ({len(samples)},), one per sample; got {tuple(mask.shape)}."
            )
        masks[name] = mask.cpu() & masks[name] if name in masks else mask.cpu()
    return masks


def draw_missing(names: Iterable[str], count: int, rate: float, seed: int) -> dict[str, Tensor]:
    """Which modalities each of ``count`` samples keeps when every one goes missing independently with ``rate``.

    A sample that would lose everything keeps one modality, drawn uniformly.

    Returns:
        Boolean (count,) by name.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or there are no names.
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"`rate` must lie between 0 and 1; got {rate}.")
    names, generator = tuple(names), torch.Generator().manual_seed(seed)
    if not names:
        raise ValueError("`names` is empty; expected at least one modality.")
    kept = torch.rand(len(names), count, generator=generator) >= rate
    spared = torch.randint(len(names), (count,), generator=generator)
    kept[spared, torch.arange(count)] |= ~kept.any(dim=0)
    return dict(zip(names, kept, strict=True))
