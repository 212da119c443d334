"""Recorded transitions of the pendulum and how to collect them."""

from anysense.representations.data.collect import COLLECT_PRESETS, POLICIES, CollectSettings, Policy, collect
from anysense.representations.data.samples import Recorded, Samples, Splits
from anysense.representations.data.transitions import Transitions

__all__ = [
    "COLLECT_PRESETS",
    "POLICIES",
    "CollectSettings",
    "Policy",
    "Recorded",
    "Samples",
    "Splits",
    "Transitions",
    "collect",
]
