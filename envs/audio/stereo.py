"""Two channels for people from any number of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["mixing"]


def mixing(receivers: Sequence[str], loudest: float) -> npt.NDArray[np.float32]:
    """Weights (2, receivers) of what receivers hear in the left and in the right channel, by their names.

    ``left_...`` is heard on the left, ``right_...`` on the right, others on both sides at half the volume; where that
    leaves a side without sound, everything is heard on both.

    Args:
        receivers: Names of the receivers.
        loudest: Largest amplitude of a receiver; the sums then stay within -1 and 1.
    """
    left = np.array([{"left": 1.0, "right": 0.0}.get(name.partition("_")[0], 0.5) for name in receivers])
    sides = np.stack([left, 1.0 - left])
    if not sides.any(axis=1).all():
        sides = np.full_like(sides, 0.5)
    weights: npt.NDArray[np.float32] = (sides / (sides.sum(axis=1).max() * loudest)).astype(np.float32)
    return weights
