"""Evaluation of representations: latents of any subset of modalities, metrics on them, and tasks.

Alignment (Liang et al., 2022, "Mind the gap", speak of the modality gap), retrieval and read-outs need nothing
but latents, so they apply to every method.
"""

from anysense.representations.evaluation.alignment import mean_cosine, retrieval_accuracy, rms_distance
from anysense.representations.evaluation.encode import draw_missing, encode_subsets, frozen, predict_subsets
from anysense.representations.evaluation.probe import fit_kernel_ridge, fit_ridge, r2_score, root_mean_squared_error
from anysense.representations.evaluation.records import COMPLETE, Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.tasks import TASKS, Task

__all__ = [
    "COMPLETE",
    "TASKS",
    "Column",
    "Record",
    "Task",
    "draw_missing",
    "encode_subsets",
    "every_subset",
    "fit_kernel_ridge",
    "fit_ridge",
    "frozen",
    "mean_cosine",
    "predict_subsets",
    "r2_score",
    "retrieval_accuracy",
    "rms_distance",
    "root_mean_squared_error",
    "subset_name",
]
