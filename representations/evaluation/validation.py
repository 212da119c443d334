"""Measure a representation on recorded data."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.common.randomness import own_randomness
from anysense.representations.contract import Representation
from anysense.representations.data.samples import Recorded
from anysense.representations.data.transitions import Transitions
from anysense.representations.evaluation import (
    PENDULUM_TARGETS,
    KernelProbe,
    RidgeProbe,
    fit_kernel_ridge,
    fit_ridge,
    mean_cosine,
    pendulum_targets,
    r2_score,
    retrieval_accuracy,
    rms_distance,
    root_mean_squared_error,
)

COMPLETE = "complete"
RETRIEVAL_BLOCK = 256
"""Among how many samples retrieval searches; values for other numbers cannot be compared."""
PROBE_SAMPLES = 2048
"""Training samples that the read-out is fitted on."""


def measure(
    representation: Representation, validation: Recorded, train: Recorded, batch_size: int = 256, seed: int = 0
) -> dict[str, float]:
    """Loss, alignment, retrieval and, for transitions of the pendulum, read-out of the state, by name.

    ``validation/<term>``: terms of the loss, mean over batches. ``alignment/<modality>_cosine`` and ``_rms``: distance
    from each modality's latent to the joint one. ``retrieval/<modality>``: top-1 accuracy among 256 samples.
    ``probe/<subset>_<target>_r2`` and ``_rmse``: the state (cos theta, sin theta, omega in rad/s) read by a linear map
    that was fitted on *complete* training latents, from the latents of each subset: what an agent trained on complete
    observations would face when a modality goes missing. ``kernel_probe/...``: the same with a smooth non-linear map; it
    tells whether the state is there at all, the linear one how straight it lies. Samples some of which lack a modality
    are measured by the loss alone.

    Args:
        representation: What to measure; its mode and gradients are left as they are.
        validation: Held-out samples.
        train: Samples of training, from which the read-out learns.
        batch_size: Samples per batch of the loss.
        seed: Seed of the (fixed) order and choice of samples.

    Returns:
        Plain numbers; a short last batch is left out when there is a full one.
    """
    was_training = representation.training
    representation.eval()
    try:
        with torch.no_grad(), own_randomness(representation.device):
            torch.manual_seed(seed)  # The loss of a generative method draws: the same for every epoch.
            seen = _Seen.of(representation, validation, batch_size, seed, with_loss=True)
            values = seen.losses | _alignment(seen.latents) | _retrieval(seen.latents)
            if not isinstance(train, Transitions):
                return values
            fitted = _Seen.of(representation, train, batch_size, seed, with_loss=False, most=PROBE_SAMPLES)
            known, targets = fitted.latents[COMPLETE], pendulum_targets(fitted.state)
            probes: dict[str, RidgeProbe | KernelProbe] = {
                "probe": fit_ridge(known, targets),
                "kernel_probe": fit_kernel_ridge(known, targets),
            }
            for name, probe in probes.items():
                values |= _read_out(name, probe, seen)
            return values
    finally:
        representation.train(was_training)


@dataclass
class _Seen:
    """What a representation made of some samples: latents by subset (of complete data), states and mean losses."""

    latents: dict[str, Tensor]
    state: Tensor
    losses: dict[str, float]

    @classmethod
    def of(
        cls,
        representation: Representation,
        data: Recorded,
        batch_size: int,
        seed: int,
        *,
        with_loss: bool,
        most: int | None = None,
    ) -> "_Seen":
        """Run the representation over up to ``most`` samples in a fixed random order."""
        latents, losses, states = defaultdict(list), defaultdict(list), []
        subsets = _subsets(representation) if with_loss else {COMPLETE: tuple(representation.modalities)}
        for indices in _blocks(len(data), batch_size, seed, most):
            observation = _moved(data.observation(indices, representation.modalities), representation.device)
            present = _present(data, indices, representation)
            if with_loss:
                target = data.target(indices)
                moved = None if target is None else target.to(representation.device)
                for name, value in representation.loss(observation, present, moved).items():
                    losses[f"validation/{name}"].append(float(value))
            if not present:
                for subset, names in subsets.items():
                    encoded = representation.encode({name: observation[name] for name in names})
                    latents[subset].append(encoded.float().cpu())
            if isinstance(data, Transitions):
                states.append(data.state(indices))
        return cls(
            latents={name: torch.cat(parts) for name, parts in latents.items()},
            state=torch.cat(states) if states else torch.empty(0, 2),
            losses={name: sum(values) / len(values) for name, values in losses.items()},
        )


def _present(data: Recorded, indices: Tensor, representation: Representation) -> dict[str, Tensor]:
    """Masks of the modalities that the representation reads."""
    masks = data.present(indices) or {}
    return {name: mask.to(representation.device) for name, mask in masks.items() if name in representation.modalities}


def _moved(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in tensors.items()}


def _subsets(representation: Representation) -> dict[str, tuple[str, ...]]:
    names = tuple(representation.modalities)
    single = {name: (name,) for name in names} if len(names) > 1 else {}
    return {COMPLETE: names, **single}


def _blocks(samples: int, size: int, seed: int, most: int | None) -> Iterator[Tensor]:
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))[:most]
    for block in torch.split(order, size):
        if len(block) == size or len(order) < size:
            yield block


def _alignment(latents: Mapping[str, Tensor]) -> dict[str, float]:
    values = {}
    for name in filter(COMPLETE.__ne__, latents):
        values[f"alignment/{name}_cosine"] = float(mean_cosine(latents[name], latents[COMPLETE]))
        values[f"alignment/{name}_rms"] = float(rms_distance(latents[name], latents[COMPLETE]))
    return values


def _retrieval(latents: Mapping[str, Tensor]) -> dict[str, float]:
    if COMPLETE not in latents:
        return {}
    joint = latents[COMPLETE]
    block = min(RETRIEVAL_BLOCK, len(joint))
    starts = range(0, len(joint) - block + 1, block)
    values = {}
    for name in filter(COMPLETE.__ne__, latents):
        found = [retrieval_accuracy(latents[name][at : at + block], joint[at : at + block]) for at in starts]
        values[f"retrieval/{name}"] = float(torch.stack(found).mean())
    return values


def _read_out(kind: str, probe: RidgeProbe | KernelProbe, seen: _Seen) -> dict[str, float]:
    targets, values = pendulum_targets(seen.state), {}
    for subset, latents in seen.latents.items():
        predictions = probe.predict(latents)
        scores, errors = r2_score(predictions, targets), root_mean_squared_error(predictions, targets)
        for target, score, error in zip(PENDULUM_TARGETS, scores.tolist(), errors.tolist(), strict=True):
            values[f"{kind}/{subset}_{target}_r2"] = score
            values[f"{kind}/{subset}_{target}_rmse"] = error
    return values
