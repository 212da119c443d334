"""One cell of a comparison: train one method with one seed on a benchmark, freeze it, test it on every subset."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from pathlib import Path
from typing import Any

from anysense.common.machine import peak_memory
from anysense.representations.benchmarks import DataRequest, benchmark
from anysense.representations.contract import Representation, Settings, SupervisedRepresentation
from anysense.representations.data.samples import Splits
from anysense.representations.evaluation.classification import ClassificationSettings, evaluate_classification
from anysense.representations.evaluation.sentiment_task import evaluate_sentiment
from anysense.representations.registry import build
from anysense.representations.training import PretrainSettings, pretrain

__all__ = ["ClassifyJob", "classify_one", "without_nan"]


@dataclasses.dataclass(frozen=True)
class ClassifyJob:
    """What one job needs to know; sent to another process."""

    data: str
    request: DataRequest
    method: str
    """Name in the registry."""
    settings: Settings
    training: PretrainSettings
    evaluation: ClassificationSettings
    subsets: tuple[tuple[str, ...], ...]
    seed: int


def classify_one(job: ClassifyJob, folder: Path) -> dict[str, Any]:
    """Train, or go on training, in `folder`; then evaluate. Gives plain values: scores, times, sizes."""
    import torch

    torch.set_num_threads(job.training.threads or 1)
    splits = benchmark(job.data).load(job.request, None)
    representation = build(job.method, benchmark(job.data).modalities, job.settings, job.seed)
    begun = (folder / "checkpoints").is_dir()
    result = pretrain(representation, splits.train, splits.validation, job.training, folder, resume=begun)
    start = time.perf_counter()
    scores = without_nan(_evaluate(result.representation.to(job.training.device), splits, job))
    return {
        **scores,
        "latent_dim": representation.latent_dim,
        "parameters": sum(parameter.numel() for parameter in representation.parameters()),
        "epochs": len(result.history),
        "samples_per_second": statistics.median(row["samples_per_second"] for row in result.history),
        "training_seconds": sum(row["train_seconds"] for row in result.history),
        "evaluation_seconds": time.perf_counter() - start,
        "peak_memory": peak_memory(),
    }


def _evaluate(representation: Representation, splits: Splits, job: ClassifyJob) -> dict[str, Any]:
    if isinstance(representation, SupervisedRepresentation):
        return evaluate_sentiment(representation, splits, job.subsets, job.evaluation.missing_rates, job.seed)
    label = benchmark(job.data).label
    return evaluate_classification(representation, splits, job.subsets, job.evaluation, job.seed, label)


def without_nan(value: Any) -> Any:
    """JSON has no NaN: undefined scores become null."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
