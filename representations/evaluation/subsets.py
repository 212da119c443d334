"""Subsets of modalities."""

from collections.abc import Sequence
from itertools import combinations

from anysense.common.validation import check_names

__all__ = ["every_subset"]


def every_subset(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """All non-empty subsets of modalities: the complete one first, then by size and in the given order.

    Raises:
        ValueError: There is none, or one twice.
        TypeError: ``modalities`` is no sequence of names.
    """
    names = check_names("modalities", tuple(modalities) if not isinstance(modalities, str) else modalities, modalities)
    return [subset for size in range(len(names), 0, -1) for subset in combinations(names, size)]
