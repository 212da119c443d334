"""What a frozen representation is good for: downstream tasks with modalities missing."""

from anysense.representations.downstream.classification import ClassificationSettings, evaluate_classification
from anysense.representations.downstream.latents import draw_missing, encode_samples
from anysense.representations.downstream.sentiment import evaluate_sentiment

__all__ = [
    "ClassificationSettings",
    "draw_missing",
    "encode_samples",
    "evaluate_classification",
    "evaluate_sentiment",
]
