"""Settings of tasks and of the read-outs of frozen latents."""

from dataclasses import dataclass

from anysense.common.validation import check_probability
from anysense.representations.settings import Settings

__all__ = ["RETRIEVAL_BLOCK", "RETRIEVAL_TOPS", "ClassificationSettings", "ClassifierSettings", "TaskSettings"]

RETRIEVAL_BLOCK = 256
"""Among how many samples retrieval searches; values for other numbers cannot be compared."""
RETRIEVAL_TOPS = (1, 5, 10)
"""Among how many of the best candidates the right one is looked for."""


@dataclass(frozen=True)
class TaskSettings(Settings):
    """How a representation is tested."""

    missing_rates: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Chances that a modality is missing, each a point of the robustness curve."""

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        for rate in self.missing_rates:
            check_probability("missing_rates", rate)


@dataclass(frozen=True)
class ClassifierSettings(Settings):
    """How the classifier is trained."""

    classifier_epochs: int = 20
    """Passes of the classifier over the latents; published: 100."""
    classifier_batch_size: int = 64
    """Latents in one step of the classifier."""
    classifier_learning_rate: float = 1e-3
    """Step size of Adam for the classifier."""
    classifier_widths: tuple[int, ...] = (256, 128)
    """Widths of the hidden layers of the classifier."""

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        self.require_positive(
            "classifier_epochs", "classifier_batch_size", "classifier_learning_rate", "classifier_widths"
        )


@dataclass(frozen=True)
class ClassificationSettings(ClassifierSettings, TaskSettings):
    """How a representation is tested on classification."""

    neighbours: int = 5
    """Neighbours that vote in the kNN read-out."""

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        if self.neighbours < 1:
            raise ValueError(f"`neighbours` must be at least 1; got {self.neighbours}.")
