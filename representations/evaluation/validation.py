"""Measure a representation on recorded data."""

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from anysense.common.machine import usual_torch
from anysense.common.randomness import own_randomness
from anysense.representations.contract import Representation
from anysense.representations.data.recorded import Recorded, present_of
from anysense.representations.evaluation.alignment import mean_cosine, retrieval_in_blocks, rms_distance
from anysense.representations.evaluation.encode import encode_subsets, frozen
from anysense.representations.evaluation.probe import (
    Probe,
    fit_kernel_ridge,
    fit_ridge,
    r2_score,
    root_mean_squared_error,
)
from anysense.representations.evaluation.records import COMPLETE

__all__ = ["measure"]

PROBE_SAMPLES = 2048
"""Training samples that the read-outs are fitted on."""


@usual_torch()
def measure(
    representation: Representation, validation: Recorded, train: Recorded, batch_size: int = 256, seed: int = 0
) -> dict[str, float]:
    """Loss, alignment, retrieval and, where the data have quantities to read out, read-outs of them, by name.

    ``validation/<term>``: terms of the loss, mean over batches. ``alignment/<modality>_cosine`` and ``_rms``: distance
    from each modality's latent to the joint one. ``retrieval/<modality>``: top-1 accuracy among 256 samples.
    ``probe/<subset>_<target>_r2`` and ``_rmse``: the quantities of `Recorded.probe_targets`, read by a linear map that
    was fitted on *complete* training latents, from the latents of each subset: what an agent trained on complete
    observations would face when a modality goes missing. ``kernel_probe/...``: the same with a smooth non-linear map,
    which tells whether the quantity is there at all. Data of which some samples lack a modality are measured by the
    loss alone.

    The representation's mode and gradients are left as they are. Read-outs learn from ``train``; order and choice of
    samples are fixed by the seed; a short last batch is left out when there is a full one.
    """
    names = tuple(representation.modalities)
    with frozen(representation), own_randomness(representation.device):
        torch.manual_seed(int(seed))  # The loss of a generative method draws: the same for every epoch.
        rows = _chosen(len(validation), batch_size, seed)
        values = _losses(representation, validation, rows, batch_size)
        if not _complete(validation, names):
            return values
        single = {name: (name,) for name in names} if len(names) > 1 else {}
        subsets = {COMPLETE: names, **single}
        found = encode_subsets(representation, validation, subsets.values(), indices=rows, batch_size=batch_size)
        latents = {name: found[subset] for name, subset in subsets.items()}
        values |= _alignment(latents)
        fitted = _chosen(len(train), batch_size, seed, PROBE_SAMPLES)
        known, target = train.probe_targets(fitted), validation.probe_targets(rows)
        if known is None or target is None or not _complete(train, names):
            return values
        complete = encode_subsets(representation, train, [names], indices=fitted, batch_size=batch_size)[names]
        for kind, fit in {"probe": fit_ridge, "kernel_probe": fit_kernel_ridge}.items():
            values |= _read_out(kind, fit(complete, known[1]), latents, *target)
        return values


def _chosen(samples: int, size: int, seed: int, most: int | None = None) -> Tensor:
    """Up to ``most`` samples in a fixed random order, cut to whole batches if there is one."""
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(int(seed)))[:most]
    return order[: len(order) // size * size or len(order)]


def _complete(data: Recorded, names: tuple[str, ...]) -> bool:
    present = present_of(data, range(len(data)), names)
    return present is None or bool(present.all())


def _losses(representation: Representation, data: Recorded, rows: Tensor, batch_size: int) -> dict[str, float]:
    """Mean of each term of the loss over batches."""
    names, device = tuple(representation.modalities), representation.device
    sums: dict[str, list[float]] = defaultdict(list)
    for indices in torch.split(rows, batch_size):
        observation = {name: value.to(device) for name, value in data.observation(indices, names).items()}
        given = (present_of(data, indices, names), data.target(indices))
        present, target = (None if value is None else value.to(device) for value in given)
        for name, value in representation.loss(observation, present, target, data.steps(indices, names)).items():
            sums[f"validation/{name}"].append(float(value))
    return {name: sum(values) / len(values) for name, values in sums.items()}


def _alignment(latents: Mapping[str, Tensor]) -> dict[str, float]:
    joint, single = latents[COMPLETE], {name: value for name, value in latents.items() if name != COMPLETE}
    values = {}
    for name, own in single.items():
        values[f"alignment/{name}_cosine"] = float(mean_cosine(own, joint))
        values[f"alignment/{name}_rms"] = float(rms_distance(own, joint))
    return values | {f"retrieval/{name}": float(retrieval_in_blocks(own, joint)) for name, own in single.items()}


def _read_out(
    kind: str, probe: Probe, latents: Mapping[str, Tensor], names: tuple[str, ...], targets: Tensor
) -> dict[str, float]:
    values = {}
    for subset, own in latents.items():
        predictions = probe.predict(own)
        scores, errors = r2_score(predictions, targets), root_mean_squared_error(predictions, targets)
        for name, score, error in zip(names, scores.tolist(), errors.tolist(), strict=True):
            values[f"{kind}/{subset}_{name}_r2"] = score
            values[f"{kind}/{subset}_{name}_rmse"] = error
    return values
