"""Tasks that representations are tested on with modalities missing."""

from anysense.representations.evaluation.tasks.classification import Classification, ClassificationSettings
from anysense.representations.evaluation.tasks.retrieval import Retrieval
from anysense.representations.evaluation.tasks.sentiment import Sentiment
from anysense.representations.evaluation.tasks.task import Task, TaskSettings

__all__ = ["Classification", "ClassificationSettings", "Retrieval", "Sentiment", "Task", "TaskSettings"]
