"""What keys that are held do: actions of a world, continuous or discrete.

Keys are called ``left``, ``right``, ``up``, ``down`` and ``space``. Letters: A numbers of an action.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

__all__ = ["DRIVING", "ChoosingHand", "Hand", "SteeringHand", "hand_of"]

DRIVING = ("left", "right", "up", "down", "space")
"""Keys that drive a world."""
RAMP = 5
"""Steps that a key is held until the action is as large as it can be."""
_PAIRS = (("left", "right"), ("down", "up"))
"""Keys that make a number smaller and larger, of the first and of the second one."""
_COMBINATIONS = (
    *((), ("left",), ("right",), ("up",), ("down",), ("space",), ("left", "up"), ("right", "up"), ("left", "down")),
    *(("right", "down"), ("left", "space"), ("right", "space"), ("up", "space"), ("down", "space")),
)
"""Keys of discrete actions without names, in their order."""
_WORDS = {"left": "left", "right": "right", "up": "up", "down": "down", "fire": "space", "shoot": "space"}
"""Parts of the names of actions, and the keys that they mean."""


class Hand(ABC):
    """Turns the keys that are held into actions."""

    uses_space: bool
    """Whether the space key drives."""

    @abstractmethod
    def action(self, held: Collection[str]) -> Any:
        """The action of the next step while some keys are held."""

    @abstractmethod
    def explained(self) -> list[str]:
        """What the keys do, in lines."""

    def rest(self) -> None:  # noqa: B027 (nothing to forget)
        """Forget what was held: an episode starts, or somebody else has acted."""

    def named(self, action: Any) -> str:
        """An action for people."""
        numbers = " ".join(f"{number:+.2f}" for number in np.ravel(action)[:4])
        return f"{numbers} ..." if np.size(action) > 4 else numbers


class SteeringHand(Hand):
    """Continuous actions: a key that is held moves its number to the end of its range, let go it is at rest at once.

    Args:
        space: Space of actions.
        signs: 1 where right (up) makes the first (second) number larger, -1 where it makes it smaller.
        names: What the numbers are called.
    """

    uses_space = False

    def __init__(self, space: gym.spaces.Box, signs: Sequence[int] = (), names: Sequence[str] = ()) -> None:
        self._space = space
        low, high = (np.asarray(bound, np.float64).ravel() for bound in (space.low, space.high))
        self._low, self._high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)
        self._rest = np.clip(0.0, self._low, self._high)
        self._driven = min(len(self._rest), len(_PAIRS))
        self._signs = [*signs, 1, 1][: self._driven]
        self._names = [*names, "first number", "second number"][: self._driven] if names else []
        self._names = self._names or (["action"] if len(self._rest) == 1 else ["number 1", "number 2"])
        self._held = np.zeros(self._driven, np.int64)

    def action(self, held: Collection[str]) -> Any:
        """Rest, or a share of the way to the end of the range that grows with each step that the key is held."""
        action = self._rest.copy()
        for number in range(self._driven):
            smaller, larger = _PAIRS[number]
            way = self._signs[number] * ((larger in held) - (smaller in held))
            turned = way * self._held[number] < 0
            self._held[number] = 0 if way == 0 else way if turned else self._held[number] + way
            share = min(abs(int(self._held[number])), RAMP) / RAMP
            end = self._high[number] if way > 0 else self._low[number]
            action[number] += share * (end - action[number]) if way else 0.0
        return action.reshape(self._space.shape).astype(self._space.dtype)

    def rest(self) -> None:
        """The next key starts anew."""
        self._held[:] = 0

    def explained(self) -> list[str]:
        """One line for each number that has keys, and one for the others."""
        lines = []
        for number in range(self._driven):
            ends = (self._low[number], self._high[number])[:: self._signs[number]]
            keys = "left / right" if number == 0 else "down / up"
            lines.append(f"{keys}: {self._names[number]} {ends[0]:+g} / {ends[1]:+g}, the longer the stronger")
        others = len(self._rest) - self._driven
        return [*lines, f"the other {others} numbers stay at rest"] if others else lines


class ChoosingHand(Hand):
    """Discrete actions: each is a combination of keys.

    Args:
        space: Space of actions.
        names: What they are called; names such as ``left``, ``shoot_left`` or ``UPFIRE`` tell their keys.
    """

    def __init__(self, space: gym.spaces.Discrete, names: Sequence[str] = ()) -> None:
        self._first, count = int(space.start), int(space.n)
        named = len(names) == count
        self._names = list(names) if named else [str(self._first + number) for number in range(count)]
        keys = [_keys(name) for name in names] if named else []
        if len(set(keys)) < count:
            keys = [frozenset(combination) for combination in _combinations(count)]
        self._keys = dict(zip(keys, range(count), strict=False))
        self._idle = self._keys.get(frozenset(), 0)
        self.uses_space = any("space" in combination for combination in self._keys)

    def action(self, held: Collection[str]) -> Any:
        """The action of these keys, or else of the most of them that mean one."""
        pressed = frozenset(held) & frozenset(DRIVING)
        fitting = [keys for keys in self._keys if keys <= pressed]
        best = max(fitting, key=len, default=None)
        return np.int64(self._first + (self._idle if best is None else self._keys[best]))

    def explained(self) -> list[str]:
        """The keys of each action."""
        parts = [_told("+".join(key for key in DRIVING if key in keys), self._names[number])
                 for keys, number in self._keys.items()]  # fmt: skip
        if frozenset() not in self._keys:
            parts.insert(0, _told("", self._names[self._idle]))
        without = len(self._names) - len(self._keys)
        parts += [f"{without} more actions have no key"] if without else []
        return ["     ".join(parts[start : start + 7]) for start in range(0, len(parts), 7)]

    def named(self, action: Any) -> str:
        """The number, with the name if it has one."""
        number = int(np.asarray(action).ravel()[0])
        name = self._names[number - self._first]
        return name if name == str(number) else f"{number} ({name})"


def hand_of(space: gym.Space[Any], names: Sequence[str] = (), signs: Sequence[int] = ()) -> Hand:
    """The hand for a space of actions; arguments as in `SteeringHand` and `ChoosingHand`.

    Raises:
        ValueError: Actions of this kind have no keys.
    """
    if isinstance(space, gym.spaces.Discrete):
        return ChoosingHand(space, names)
    if isinstance(space, gym.spaces.Box) and np.dtype(space.dtype).kind == "f" and space.shape != ():
        return SteeringHand(space, signs, names)
    raise ValueError(f"`env` must have actions of a Box of numbers or Discrete ones to be driven by keys; got {space}.")


def _keys(name: str) -> frozenset[str]:
    return frozenset(key for word, key in _WORDS.items() if word in name.lower())


def _told(keys: str, action: str) -> str:
    """Keys and what they do; once where both are called the same."""
    return keys if keys == action else f"{keys or 'no key'}: {action}"


def _combinations(count: int) -> Sequence[tuple[str, ...]]:
    """Keys of ``count`` actions whose names say nothing; of two or three, left and right are the outer ones."""
    if count == 2:
        return (("left",), ("right",))
    if count == 3:
        return (("left",), (), ("right",))
    return _COMBINATIONS[:count]
