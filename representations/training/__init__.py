"""Pretraining of representations, with Lightning."""

from anysense.representations.evaluation.validation import measure
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training.loader import BatchLoader
from anysense.representations.training.pretrain import PretrainResult, pretrain

__all__ = ["BatchLoader", "PretrainResult", "PretrainSettings", "measure", "pretrain"]
