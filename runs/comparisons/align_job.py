"""Geometry of the latents of one trained representation: DCA against the complete latents, and points to draw."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysense.common.files import write_bytes
from anysense.common.machine import peak_memory
from anysense.representations.benchmarks import DataRequest, benchmark
from anysense.representations.contract import Representation
from anysense.representations.data.samples import Samples
from anysense.representations.evaluation.dca import DCAResult, dca, dca_score
from anysense.representations.evaluation.encode import encode_subsets
from anysense.representations.evaluation.records import COMPLETE, Record, subset_name
from anysense.representations.evaluation.umap import umap_embedding
from anysense.representations.files import load_representation

__all__ = ["POINTS_FILE", "AlignJob", "against", "align_one"]

POINTS_FILE = "embedding.npz"


@dataclasses.dataclass(frozen=True)
class AlignJob:
    """What one job needs to know; sent to another process."""

    data: str
    request: DataRequest
    representation: Path
    points: int
    points_seed: int
    rays: int
    min_cluster_size: int
    draw: bool
    """Whether to embed the points with UMAP."""
    device: str
    threads: int


def align_one(job: AlignJob, folder: Path) -> dict[str, Any]:
    """Analyse one representation. Gives plain values: records of each pair of sets."""
    torch.set_num_threads(job.threads)
    representation = load_representation(job.representation, job.device)
    test = benchmark(job.data).load(job.request, None).test
    order = torch.from_numpy(np.random.default_rng(job.points_seed).permutation(len(test)))
    chosen = test.select(order[: job.points])  # Drawn without replacement, the same for every representation.
    latents = _latents(representation, chosen)
    records = []
    for reference, evaluation, first, second in _pairs(latents, benchmark(job.data).label):
        found = dca(first.numpy(), second.numpy(), n_rays=job.rays, min_cluster_size=job.min_cluster_size)
        scores = _scores(found).items()
        records += [Record(evaluation, metric, value, against(reference)) for metric, value in scores]
    if job.draw:
        _embed(latents, chosen, folder)
    return {"records": [record.to_json() for record in records], "peak_memory": peak_memory()}


def against(reference: str) -> str:
    """Condition of a record whose evaluation set is compared with the set ``reference``."""
    return f"against {reference}"


def _latents(representation: Representation, samples: Samples) -> dict[str, Tensor]:
    """Latents of the complete samples and of each modality alone, by name."""
    names = tuple(representation.modalities)
    found = encode_subsets(representation, samples, [names, *((name,) for name in names)])
    return {subset_name(subset, len(names)): latents for subset, latents in found.items()}


def _pairs(latents: dict[str, Tensor], label: str | None) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    """Pairs (R, E) as published.

    Complete against each modality, modalities against the label or the first one, and the halves of the complete set
    against each other. Latents of the label are few different ones: each counts once.
    """
    sets = {name: _unique(value) if name == label else value for name, value in latents.items()}
    names = [name for name in latents if name != COMPLETE]
    for name in names:
        yield COMPLETE, name, sets[COMPLETE], sets[name]
    for first, second in [(n, label) for n in names if n != label] if label else [(names[0], n) for n in names[1:]]:
        yield first, second, sets[first], sets[second]
    half = len(sets[COMPLETE]) // 2
    yield COMPLETE, COMPLETE, sets[COMPLETE][:half], sets[COMPLETE][half:]


def _unique(latents: Tensor) -> Tensor:
    """Different rows, to 4 decimals."""
    different: Tensor = torch.unique((latents * 1e4).round(), dim=0)
    return different / 1e4


def _scores(found: DCAResult) -> dict[str, float]:
    return {
        "precision": found.precision,
        "recall": found.recall,
        "network_consistency": found.network_consistency,
        "network_quality": found.network_quality,
        "score_raw": dca_score(found, quality="raw"),
        "score_normalised": dca_score(found, quality="normalised"),
        "score_without_quality": dca_score(found, quality="none"),
        "clusters": float(found.n_clusters),
        "noise": found.noise_share,
    }


def _embed(latents: dict[str, Tensor], samples: Samples, folder: Path) -> None:
    """One UMAP of all sets together, kept for the picture."""
    content = io.BytesIO()
    arrays = umap_embedding({name: value.numpy() for name, value in latents.items()}, seed=0)
    targets = np.zeros(len(samples)) if samples.targets is None else samples.targets.numpy()
    np.savez(content, **arrays, targets=targets)  # type: ignore[arg-type]
    write_bytes(folder / POINTS_FILE, content.getvalue())
