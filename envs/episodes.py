"""Episodes of a collection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysense.envs.autoreset import VectorEnvironment

__all__ = ["Episodes"]


@dataclass(frozen=True)
class Episodes:
    """Episodes of one kind in a collection.

    Attributes:
        samples: Transitions to record in all of them together.
        steps: Recorded transitions of each episode; shorter where the environment ends it.
        skip: Steps before the recorded ones.
        start: Draws the reset options of ``count`` environments: ``start(rng, count)``; the usual starts if None.
        act: Chooses the actions of all environments: ``act(env, rng)``; uniformly random ones if None.
    """

    samples: int
    steps: int
    skip: int = 0
    start: Callable[[np.random.Generator, int], dict[str, Any]] | None = None
    act: Callable[[VectorEnvironment, np.random.Generator], NDArray[Any]] | None = None
