"""A reflection that leaves a world as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mirror"]

Reflect = Callable[[NDArray[Any]], NDArray[Any]]
"""The mirror image of a batch of arrays, of the same shape and dtype."""


@dataclass(frozen=True)
class Mirror:
    """What a mirror shows of a world that is as likely, and is rewarded, as the world itself.

    If an action is best for an observation, its mirror image is best for the mirror image of the observation.

    Attributes:
        modalities: Mirror images of observations of each modality, from batches (B, *shape).
        action: Mirror images of actions (B, *shape).
    """

    modalities: Mapping[str, Reflect]
    action: Reflect

    def observation(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The mirror image of a batch; other entries, such as ``present``, stay as they are."""
        return {
            name: np.ascontiguousarray(self.modalities[name](array)) if name in self.modalities else array
            for name, array in arrays.items()
        }
