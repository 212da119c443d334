"""Faults of environments that somebody else wrote: found where they happen, told by entry, expectation and finding."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, VectorWrapper

from anysense.envs.sensors.model import PRESENT, present_modalities

__all__ = ["CheckedEnv", "EnvironmentFaultError", "Workers"]

Result = tuple[Any, dict[str, Any]]


class EnvironmentFaultError(RuntimeError):
    """An environment fails, ends its process, or gives what its spaces do not allow."""


class CheckedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Compares everything that an environment gives with its spaces (EnvironmentFaultError)."""

    def __init__(self, env: gym.Env[Any, Any], env_id: str) -> None:
        """Wraps ``env``, which messages call ``env_id``; its observation space is a ``Dict``."""
        super().__init__(env)
        self._id = env_id
        self._columns = {name: column for column, name in enumerate(present_modalities(env.observation_space))}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Result:
        """Resets the environment."""
        with self._explained("reset"):
            observation, info = self.env.reset(seed=seed, options=options)
        return self._checked(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment."""
        with self._explained("step"):
            observation, reward, terminated, truncated, info = self.env.step(action)
        number = np.asarray(reward)
        if number.shape != () or number.dtype.kind not in "biuf" or not np.isfinite(number):
            raise self._fault(f"the reward must be a finite number, got {reward!r}")
        return self._checked(observation), reward, terminated, truncated, info

    @contextmanager
    def _explained(self, call: str) -> Iterator[None]:
        try:
            yield
        except (EnvironmentFaultError, Warning):
            raise
        except Exception as error:
            raise self._fault(f"`{call}` failed with {type(error).__name__}: {str(error).rstrip('.')}") from error

    def _checked(self, observation: Any) -> Any:
        declared = self.env.observation_space
        assert isinstance(declared, spaces.Dict)
        if not isinstance(observation, Mapping):
            raise self._fault(f"the observation must be a dictionary, got {type(observation).__name__}")
        for name, space in declared.spaces.items():
            if name not in observation:
                raise self._fault(f"the observation must hold {name!r}, it holds {sorted(observation)}")
            value = np.asarray(observation[name])
            if value.shape != space.shape:
                raise self._fault(f"{name!r} must have shape {space.shape} as declared, got {value.shape}")
            if space.dtype is not None and not np.can_cast(value.dtype, space.dtype, "same_kind"):
                raise self._fault(f"{name!r} must have dtype {space.dtype} as declared, got {value.dtype}")
            if value.dtype.kind == "f" and not np.isfinite(value).all() and self._is_present(name, observation):
                raise self._fault(f"{name!r} has NaN or infinity")
        return observation

    def _is_present(self, name: str, observation: Mapping[str, Any]) -> bool:
        flags = observation.get(PRESENT)
        return flags is None or bool(np.asarray(flags)[self._columns[name]])

    def _fault(self, what: str) -> EnvironmentFaultError:
        return EnvironmentFaultError(f"`env` {self._id}: {what}. Repair the environment.")


class Workers(VectorWrapper[Any, Any, Any, Any, Any]):
    """Environments in processes of their own, started afresh; a process that ends is an EnvironmentFaultError."""

    def __init__(self, env_fns: Any, env_id: str, **arguments: Any) -> None:
        """Starts one process for each function of ``env_fns``; other arguments are those of ``AsyncVectorEnv``."""
        self._id, self._broken = env_id, False
        with self._watched("started"):
            super().__init__(AsyncVectorEnv(env_fns, context="spawn", **arguments))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Result:
        """Resets the environments."""
        with self._watched("was reset"):
            return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Steps the environments."""
        with self._watched("made a step"):
            return self.env.step(actions)

    def close(self, **arguments: Any) -> None:
        """Ends the processes; those of a broken set without waiting for an answer."""
        if not self._broken:
            self.env.close(**arguments)

    @contextmanager
    def _watched(self, doing: str) -> Iterator[None]:
        level = gym.logger.min_level
        gym.logger.min_level = gym.logger.ERROR + 1  # It would print the traceback of the worker besides the error.
        try:
            yield
        except EnvironmentFaultError:
            self._end()
            raise
        except (EOFError, ConnectionError) as error:
            raise EnvironmentFaultError(
                f"`env` {self._id}: a process of its own ended while it {doing}{self._end()}. `--vector sync` may show "
                "why; in a program of your own, what starts it belongs under `if __name__ == '__main__':`."
            ) from error
        except BaseException:
            self._end()
            raise
        finally:
            gym.logger.min_level = level

    def _end(self) -> str:
        """Ends all processes at once; in words, the exit codes of those that had ended before."""
        found: Any = self.__dict__.get("env")
        if found is None or self._broken:
            return ""
        self._broken = found.closed = True
        for process in found.processes:
            process.join(timeout=0.2)
        codes = sorted({process.exitcode for process in found.processes} - {None, 0})
        for process in found.processes:
            process.kill()
            process.join()
        for pipe in filter(None, found.parent_pipes):
            pipe.close()
        return f" (exit code {', '.join(map(str, codes))})" if codes else ""
