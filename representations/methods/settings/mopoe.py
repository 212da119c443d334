"""Settings of MoPoE."""

from dataclasses import dataclass
from typing import ClassVar

from anysense.representations.methods.settings.generative import ExpertSettings
from anysense.representations.settings import Names

__all__ = ["MoPoESettings"]


@dataclass(frozen=True)
class MoPoESettings(ExpertSettings):
    """Architecture and loss of MoPoE. The paper has none of our data: all presets are as those of MVAE."""

    like: ClassVar[str] = "mvae"

    prior_expert: bool = False
    """Count N(0, I) as a further expert of every product, as MVAE does; the paper's formula has none."""
    decoded_subsets: int = 4
    """How many subsets of each row, drawn at random, are decoded from a sample of their posterior (1 as published); if
    there are no more than that, all of them are. The mean is the same, and decoders cost as much as there are subsets.
    """

    positive: ClassVar[Names] = ("decoded_subsets",)
