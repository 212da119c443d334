"""Corruptions of one modality: noise, salt and pepper, a dead sensor, a frozen sensor, delay.

Each has a form for single environments and one for vector environments, and a single number as its level:

| name | level | what is delivered |
|---|---|---|
| `gaussian_noise` | `std`, share of each element's declared range | value plus noise, clipped to the space |
| `salt_and_pepper` | `probability` per element | the lower or the upper bound of the element, with equal chance |
| `dead_sensor` | none | zeros |
| `frozen_sensor` | `probability` per step | what was delivered last; fresh at the start of an episode |
| `delay` | `steps` | the observation of so many steps ago; at first the first one of the episode |

A corruption acts on the observation as the environment hands it over, so each frame of a stack is corrupted anew at
each step. An entry `present` is left alone and absent arrays stay zero; but corrupt first and drop modalities after,
`MissingModalities(GaussianNoise(env, "sound", 0.1), 0.3)`: missing modalities widen the range that the levels refer to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from anysense.common.validation import check_choice
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.sensors.models import (
    DeadSensorModel,
    DelayModel,
    FrozenSensorModel,
    GaussianNoiseModel,
    SaltAndPepperModel,
    check_probability,
    check_std,
    check_steps,
)
from anysense.envs.sensors.wrapper import SensorWrapper, SingleEnvironment, VectorSensorWrapper

# Errors of all wrappers below: ValueError for an unknown modality or a level out of range, TypeError for other spaces.


class GaussianNoise(SensorWrapper):
    """Adds independent normal noise to every element of a modality; the sensor saturates at its bounds."""

    def __init__(self, env: SingleEnvironment, modality: str, std: float) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space.
            modality: Name of a ``Box`` entry with finite bounds.
            std: Standard deviation as a share of the declared range ``high - low`` of each element: 0.1 is 25.5 grey
                levels in an image of 0..255. At least 0.

        Raises:
            ValueError: If the modality is unknown or unbounded, or ``std`` out of range.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        super().__init__(env, partial(GaussianNoiseModel, modality=modality, std=std), modality=modality, std=std)


class VectorGaussianNoise(VectorSensorWrapper):
    """:class:`GaussianNoise` for vector environments."""

    def __init__(self, env: VectorEnvironment, modality: str, std: float) -> None:
        """Wraps ``env``; arguments and errors as in :class:`GaussianNoise`."""
        super().__init__(env, partial(GaussianNoiseModel, modality=modality, std=std))


class SaltAndPepper(SensorWrapper):
    """Sets elements of a modality to their lower or upper bound at random."""

    def __init__(self, env: SingleEnvironment, modality: str, probability: float) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space.
            modality: Name of a ``Box`` entry with finite bounds.
            probability: Chance in [0, 1] of each element, at each step, to be hit; half of the hits go to each bound.

        Raises:
            ValueError: If the modality is unknown or unbounded, or the probability out of range.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        model = partial(SaltAndPepperModel, modality=modality, probability=probability)
        super().__init__(env, model, modality=modality, probability=probability)


class VectorSaltAndPepper(VectorSensorWrapper):
    """:class:`SaltAndPepper` for vector environments."""

    def __init__(self, env: VectorEnvironment, modality: str, probability: float) -> None:
        """Wraps ``env``; arguments and errors as in :class:`SaltAndPepper`."""
        super().__init__(env, partial(SaltAndPepperModel, modality=modality, probability=probability))


class DeadSensor(SensorWrapper):
    """Delivers zeros; the space of the modality is widened so far that zeros lie inside."""

    def __init__(self, env: SingleEnvironment, modality: str) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space.
            modality: Name of a ``Box`` entry.

        Raises:
            ValueError: If the modality is unknown.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        super().__init__(env, partial(DeadSensorModel, modality=modality), modality=modality)


class VectorDeadSensor(VectorSensorWrapper):
    """:class:`DeadSensor` for vector environments."""

    def __init__(self, env: VectorEnvironment, modality: str) -> None:
        """Wraps ``env``; arguments and errors as in :class:`DeadSensor`."""
        super().__init__(env, partial(DeadSensorModel, modality=modality))


class FrozenSensor(SensorWrapper):
    """Repeats at random what it delivered last; with probability 1 the first observation for the whole episode."""

    def __init__(self, env: SingleEnvironment, modality: str, probability: float) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space.
            modality: Name of a ``Box`` entry.
            probability: Chance in [0, 1] of each step to repeat; resets always deliver fresh values.

        Raises:
            ValueError: If the modality is unknown or the probability out of range.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        model = partial(FrozenSensorModel, modality=modality, probability=probability)
        super().__init__(env, model, modality=modality, probability=probability)


class VectorFrozenSensor(VectorSensorWrapper):
    """:class:`FrozenSensor` for vector environments."""

    def __init__(self, env: VectorEnvironment, modality: str, probability: float) -> None:
        """Wraps ``env``; arguments and errors as in :class:`FrozenSensor`."""
        super().__init__(env, partial(FrozenSensorModel, modality=modality, probability=probability))


class Delay(SensorWrapper):
    """Delivers a modality some steps late; until then the first observation of the episode."""

    def __init__(self, env: SingleEnvironment, modality: str, steps: float) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space.
            modality: Name of a ``Box`` entry.
            steps: Whole number of steps, at least 0.

        Raises:
            ValueError: If the modality is unknown or ``steps`` no whole number from 0 on.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        super().__init__(env, partial(DelayModel, modality=modality, steps=steps), modality=modality, steps=steps)


class VectorDelay(VectorSensorWrapper):
    """:class:`Delay` for vector environments."""

    def __init__(self, env: VectorEnvironment, modality: str, steps: float) -> None:
        """Wraps ``env``; arguments and errors as in :class:`Delay`."""
        super().__init__(env, partial(DelayModel, modality=modality, steps=steps))


@dataclass(frozen=True)
class CorruptionKind:
    """One row of the registry: the wrappers, and name and check of the level where they have one."""

    single: type[SensorWrapper]
    vector: type[VectorSensorWrapper]
    level: str | None = None
    check: Callable[[float], float] | None = None


CORRUPTIONS: Mapping[str, CorruptionKind] = MappingProxyType(
    {
        "gaussian_noise": CorruptionKind(GaussianNoise, VectorGaussianNoise, "std", check_std),
        "salt_and_pepper": CorruptionKind(SaltAndPepper, VectorSaltAndPepper, "probability", check_probability),
        "dead_sensor": CorruptionKind(DeadSensor, VectorDeadSensor),
        "frozen_sensor": CorruptionKind(FrozenSensor, VectorFrozenSensor, "probability", check_probability),
        "delay": CorruptionKind(Delay, VectorDelay, "steps", check_steps),
    }
)


def corrupt(env: SingleEnvironment, modality: str, name: str, level: float = 0.0) -> SensorWrapper:
    """Wraps a single environment with a corruption of the registry.

    Args:
        env: Environment with a ``Dict`` observation space.
        modality: Which modality is corrupted.
        name: A name of :data:`CORRUPTIONS`.
        level: Its level; ignored by ``dead_sensor``.

    Raises:
        ValueError: If name or modality is unknown or the level out of range.
    """
    kind = _kind(name)
    return kind.single(env, modality, *_level_arguments(kind, level))  # type: ignore[arg-type]


def corrupt_vector(venv: VectorEnvironment, modality: str, name: str, level: float = 0.0) -> VectorSensorWrapper:
    """Wraps a vector environment with a corruption of the registry; arguments and errors as in :func:`corrupt`."""
    kind = _kind(name)
    return kind.vector(venv, modality, *_level_arguments(kind, level))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Corruption:
    """A corruption of one modality, checked: written ``modality:name:level``, for instance ``image:gaussian_noise:0.1``.

    Raises:
        ValueError: If the name is unknown or the level out of range.
    """

    modality: str
    name: str
    level: float = 0.0

    def __post_init__(self) -> None:
        """Checks name and level; the modality is checked against the environment."""
        kind = _kind(self.name)
        if kind.check is not None:
            kind.check(self.level)

    def __str__(self) -> str:
        """Returns the written form, which :func:`parse_corruption` reads."""
        text = f"{self.modality}:{self.name}"
        return text if _kind(self.name).level is None else f"{text}:{str(self.level).removesuffix('.0')}"


def parse_corruption(text: str) -> Corruption:
    """Reads ``modality:name:level``; ``modality:dead_sensor`` needs no level.

    Raises:
        ValueError: If the text has another form, the name is unknown, or the level is no number or out of range.
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(
            f"`corruption` must be written modality:name:level, as in image:gaussian_noise:0.1; got {text!r}."
        )
    modality, name, *rest = parts
    kind = _kind(name)
    if not rest and kind.level is not None:
        raise ValueError(f"`corruption` {text!r} lacks its {kind.level}; write {modality}:{name}:<{kind.level}>.")
    try:
        level = float(rest[0]) if rest else 0.0
    except ValueError:
        raise ValueError(f"`corruption` {text!r} has the level {rest[0]!r}, expected a number.") from None
    return Corruption(modality, name, level)


def _kind(name: str) -> CorruptionKind:
    return CORRUPTIONS[check_choice("corruption", name, CORRUPTIONS)]


def _level_arguments(kind: CorruptionKind, level: float) -> tuple[float, ...]:
    return () if kind.level is None else (level,)
