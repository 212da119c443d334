"""Metrics of a representation: pure functions of latents.

Alignment (Liang et al., 2022, "Mind the gap", speak of the modality gap), retrieval and read-outs need nothing
but latents, so they apply to every method.
"""

from anysense.representations.evaluation.alignment import mean_cosine, rms_distance
from anysense.representations.evaluation.probe import (
    PENDULUM_TARGETS,
    KernelProbe,
    RidgeProbe,
    fit_kernel_ridge,
    fit_ridge,
    pendulum_targets,
    r2_score,
    root_mean_squared_error,
)
from anysense.representations.evaluation.retrieval import retrieval_accuracy
from anysense.representations.evaluation.volume_metrics import (
    collinearity,
    matched_volume,
    mean_pairwise_cosine,
    mismatched_volume,
    nearest_class,
    volume_median_rank,
    volume_retrieval_accuracy,
)

__all__ = [
    "PENDULUM_TARGETS",
    "KernelProbe",
    "RidgeProbe",
    "collinearity",
    "fit_kernel_ridge",
    "fit_ridge",
    "matched_volume",
    "mean_cosine",
    "mean_pairwise_cosine",
    "mismatched_volume",
    "nearest_class",
    "pendulum_targets",
    "r2_score",
    "retrieval_accuracy",
    "rms_distance",
    "root_mean_squared_error",
    "volume_median_rank",
    "volume_retrieval_accuracy",
]
