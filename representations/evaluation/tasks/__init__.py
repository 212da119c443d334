"""Tasks that representations are tested on with modalities missing."""

from collections.abc import Mapping

from anysense.representations.evaluation.tasks.classification import Classification, ClassificationSettings
from anysense.representations.evaluation.tasks.sentiment import Sentiment
from anysense.representations.evaluation.tasks.task import Task, TaskSettings

__all__ = ["TASKS", "Classification", "ClassificationSettings", "Sentiment", "Task", "TaskSettings"]

TASKS: Mapping[str, type[Task]] = {"classification": Classification, "sentiment": Sentiment}
"""Kinds of tasks that come with anysense; a benchmark holds an instance of one of these or of its own."""
