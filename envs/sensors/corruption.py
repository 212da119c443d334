"""Corruptions by name, their written form ``modality:name:level``, and the wrappers that apply them.

A corruption acts on the observation as the environment hands it over, so each frame of a stack is corrupted anew at
each step. An entry `present` is left alone and absent arrays stay zero; but corrupt first and drop modalities after,
``MissingModalities(Corrupt(env, "sound:gaussian_noise:0.1"), 0.3)``: missing modalities widen the range that the levels
refer to.
"""

from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from anysense.common.registry import Registry
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.random_streams import RandomStreams
from anysense.envs.sensors.models import CorruptionModel
from anysense.envs.sensors.wrapper import SensorWrapper, SingleEnvironment, VectorSensorWrapper

__all__ = ["CORRUPTIONS", "Corrupt", "Corruption", "VectorCorrupt", "parse_corruption"]


def _check_model(found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, CorruptionModel)):
        raise TypeError(f"a corruption must be a subclass of anysense.envs.CorruptionModel; got {found!r}.")


CORRUPTIONS: Registry[type[CorruptionModel]] = Registry(
    "corruption",
    "anysense.corruptions",
    {
        "gaussian_noise": "anysense.envs.sensors.models:GaussianNoise",
        "salt_and_pepper": "anysense.envs.sensors.models:SaltAndPepper",
        "dead_sensor": "anysense.envs.sensors.models:DeadSensor",
        "frozen_sensor": "anysense.envs.sensors.models:FrozenSensor",
        "delay": "anysense.envs.sensors.models:Delay",
    },
    _check_model,
)
"""Models of corruptions by name."""


@dataclass(frozen=True)
class Corruption:
    """A corruption of one modality, checked; written ``modality:name:level``, as in ``image:gaussian_noise:0.1``.

    Args:
        modality: Which modality; checked against the environment.
        name: A name of `CORRUPTIONS`.
        level: How strong; None where the corruption takes no level.

    Raises:
        ValueError: If the name is unknown, or the level out of range, lacking, or given where none is taken.
    """

    modality: str
    name: str
    level: float | None = None

    def __post_init__(self) -> None:
        """Checks name and level."""
        kind, plain = CORRUPTIONS.get(self.name), f"{self.modality}:{self.name}"
        if kind.level is None and self.level is not None:
            raise ValueError(f"`corruption` {self.name!r} takes no level, got {self.level!r}; write {plain}.")
        if kind.level is not None:
            if self.level is None:
                raise ValueError(f"`corruption` {plain!r} lacks its {kind.level}; write {plain}:<{kind.level}>.")
            try:
                kind.check(self.level)
            except ValueError as error:
                raise ValueError(f"`corruption` {plain}:{self.level}: {error}") from None

    def __str__(self) -> str:
        """Returns the written form, which :func:`parse_corruption` reads."""
        level = "" if self.level is None else f":{str(self.level).removesuffix('.0')}"
        return f"{self.modality}:{self.name}{level}"

    def model(self, observation_space: spaces.Dict, streams: RandomStreams) -> CorruptionModel:
        """Makes the model for an observation space; errors as in `CorruptionModel`."""
        return CORRUPTIONS.get(self.name)(observation_space, streams, self.modality, self.level or 0.0)


def parse_corruption(corruption: str | Corruption) -> Corruption:
    """Reads ``modality:name:level``; ``modality:dead_sensor`` has no level.

    Raises:
        ValueError: If the text has another form, or as in :class:`Corruption`.
        TypeError: If it is no text.
    """
    if isinstance(corruption, Corruption):
        return corruption
    if not isinstance(corruption, str):
        raise TypeError(f"`corruption` must be a text such as image:gaussian_noise:0.1, got {corruption!r}.")
    parts = [part.strip() for part in corruption.split(":")]
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(
            f"`corruption` must be written modality:name:level, as in image:gaussian_noise:0.1; got {corruption!r}."
        )
    modality, name, *rest = parts
    try:
        level = float(rest[0]) if rest else None
    except ValueError:
        raise ValueError(f"`corruption` {corruption!r} has the level {rest[0]!r}, expected a number.") from None
    return Corruption(modality, name, level)


class Corrupt(SensorWrapper):
    """Corrupts one modality of a single environment."""

    def __init__(self, env: SingleEnvironment, corruption: Corruption | str) -> None:
        """Wraps ``env``, whose observation space is a ``Dict``.

        Raises:
            ValueError: If modality or corruption is unknown, the level out of range, or the modality unbounded where
                its range is needed.
            TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
        """
        corruption = parse_corruption(corruption)
        super().__init__(env, corruption.model, corruption=str(corruption))


class VectorCorrupt(VectorSensorWrapper):
    """Corrupts one modality of a vector environment; row ``i`` like :class:`Corrupt` with seed ``seed + i``."""

    def __init__(self, env: VectorEnvironment, corruption: Corruption | str) -> None:
        """Wraps ``env``; arguments and errors as in :class:`Corrupt`."""
        super().__init__(env, parse_corruption(corruption).model)
