"""The conventions of ``gymnasium.vector`` environments about ends of episodes and about exact states."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

VectorEnvironment = VectorEnv[Any, Any, Any]


def autoreset_mode(venv: VectorEnvironment) -> AutoresetMode:
    """Returns the autoreset mode that a vector environment declares (ValueError if it declares none)."""
    mode = venv.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise ValueError(
            f'`metadata["autoreset_mode"]` of {venv} is {mode!r}, expected a `gymnasium.vector.AutoresetMode`. '
            "Set it to what the environment does when an episode ends."
        )
    return mode


def final_observation(info: Mapping[str, Any], index: int) -> Any:
    """Returns the last observation of the episode of environment ``index`` that ended in a SAME_STEP step.

    Reads both forms in use: an object array with one observation per environment and one batched mapping of arrays;
    without either it is a ValueError.
    """
    final = info.get("final_obs")
    if isinstance(final, Mapping):
        return {name: array[index] for name, array in final.items()}
    observation = None if final is None else final[index]
    if observation is None:
        raise ValueError(
            f'`info["final_obs"]` holds nothing for environment {index}, whose episode has ended: '
            "an environment with autoreset_mode=SAME_STEP must hand over its last observation there."
        )
    return observation


def check_reset_mask(options: Any, count: int) -> NDArray[np.bool_]:
    """Return the mask of the environments to reset, ``options["reset_mask"]``, as a copy; None means all.

    Raises:
        TypeError: The options are no mapping, or the mask is not a numpy array of bool.
        ValueError: It has another shape than ``(count,)`` or marks none.
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"`options` must be a dictionary or None, got {options!r}.")
    mask = (options or {}).get("reset_mask")
    if mask is None:
        return np.ones(count, dtype=np.bool_)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(
            f"`options['reset_mask']` must be a numpy array of bool, got {getattr(mask, 'dtype', type(mask))}."
        )
    if mask.shape != (count,):
        raise ValueError(f"`options['reset_mask']` must have shape ({count},), got {mask.shape}.")
    if not mask.any():
        raise ValueError("`options['reset_mask']` must mark at least one environment, got all False.")
    return mask.copy()


def inner_state_method(env: Any, name: str) -> Callable[..., Any]:
    """Returns the method ``state_dict`` or ``load_state_dict`` of a wrapped environment (TypeError if it has none)."""
    method = getattr(env, name, None)
    if not callable(method):
        raise TypeError(f"{env} has no `{name}()`, so its exact state cannot be saved or restored.")
    return method  # type: ignore[no-any-return]
