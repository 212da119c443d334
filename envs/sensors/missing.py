"""Modalities that go missing, for an episode or for a step, and an observation entry that says which are present."""

from collections.abc import Mapping
from functools import partial
from typing import Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from anysense.common.validation import check_choice, check_flag, check_probability
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.random_streams import RandomStreams
from anysense.envs.sensors.model import (
    PRESENT,
    Observation,
    Rows,
    SensorModel,
    modality_box,
    present_flags,
    present_modalities,
    with_zero,
)
from anysense.envs.sensors.wrapper import SensorWrapper, SingleEnvironment, VectorSensorWrapper

__all__ = ["PRESENT", "MissingModalities", "VectorMissingModalities", "present_modalities"]

Probability = float | Mapping[str, float]
Per = Literal["episode", "step"]


class MissingModalities(SensorWrapper):
    """Drops modalities of a single environment at random and says which are present.

    Every modality goes missing with its own probability, independently of the others, drawn anew at each reset
    (``per="episode"``) or at each reset and step (``per="step"``). The array of an absent modality is filled with
    zeros, and its space is widened so far that zeros lie inside. The new entry ``present`` is ``MultiBinary(n)``, int8,
    1 for present, over the ``n`` modalities in sorted order (:func:`present_modalities`).

    With ``keep_one`` a draw in which every modality went missing gives one back, each with the same chance among the
    modalities whose probability is below 1 (among all of them where there is none such).

    An entry ``present`` that the environment has already is respected: what it says is absent stays absent, even if
    none is left. With ``keep_one`` nothing is dropped where that would take the last one.

    Corruptions belong inside: ``MissingModalities(Corrupt(env, ...), ...)``.
    """

    def __init__(
        self, env: SingleEnvironment, probability: Probability, per: Per = "episode", keep_one: bool = True
    ) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space of ``Box`` modalities.
            probability: Chance in [0, 1] that a modality is missing; one number for all modalities or a mapping by
                name, in which modalities left out never go missing.
            per: How long a draw lasts: ``"episode"`` or ``"step"``.
            keep_one: Whether at least one modality always stays.

        Raises:
            TypeError: If the observation space is not as described.
            ValueError: If a probability is outside [0, 1], or a modality or ``per`` is unknown.
        """
        factory = partial(_MissingModel, probability=probability, per=per, keep_one=keep_one)
        super().__init__(env, factory, probability=probability, per=per, keep_one=keep_one)


class VectorMissingModalities(VectorSensorWrapper):
    """Drops modalities of a vector environment at random.

    Row ``i`` behaves like :class:`MissingModalities` with seed ``seed + i``. ``present`` is int8 ``(num_envs, n)``. In
    each autoreset mode, a row is drawn anew exactly when its sub-environment resets.
    """

    def __init__(
        self, env: VectorEnvironment, probability: Probability, per: Per = "episode", keep_one: bool = True
    ) -> None:
        """Wraps ``env``; arguments and errors as in :class:`MissingModalities`."""
        super().__init__(env, partial(_MissingModel, probability=probability, per=per, keep_one=keep_one))


class _MissingModel(SensorModel):
    def __init__(
        self, observation_space: spaces.Dict, streams: RandomStreams, probability: Probability, per: Per, keep_one: bool
    ) -> None:
        check_choice("per", per, get_args(Per))
        modalities = present_modalities(observation_space)
        boxes = {modality: with_zero(modality_box(observation_space, modality)) for modality in modalities}
        told = (PRESENT,) if PRESENT in observation_space.spaces else ()
        space = spaces.Dict({**boxes, PRESENT: spaces.MultiBinary(len(modalities))})
        super().__init__(space, streams, reads=(*modalities, *told))
        self._modalities, self._told = modalities, bool(told)
        self._probability = _probabilities(probability, modalities)
        self._per_step = per == "step"
        self._keep_one = check_flag("keep_one", keep_one)
        self.remember(PRESENT, (len(modalities),), np.dtype(np.int8), 0, 1)

    def begin(self, batch: Observation, rows: Rows) -> Observation:
        self.memory[PRESENT][rows] = self._draw(rows)
        return self._blank(batch, rows)

    def step(self, batch: Observation, rows: Rows) -> Observation:
        if self._per_step:
            self.memory[PRESENT][rows] = self._draw(rows)
        return self._blank(batch, rows)

    def _draw(self, rows: Rows) -> NDArray[np.bool_]:
        """Draws which modalities are present: bool ``(len(rows), n)``."""
        count = len(self._probability)
        draws = self.streams.uniform(rows, (count + 1,))
        present = draws[:, :count] >= self._probability
        if self._keep_one:
            eligible = np.flatnonzero(self._probability < 1)
            if not eligible.size:
                eligible = np.arange(count)
            empty = np.flatnonzero(~present.any(axis=1))
            chosen = eligible[(draws[empty, count] * len(eligible)).astype(np.intp)]
            present[empty, chosen] = True
        return present

    def _blank(self, batch: Observation, rows: Rows) -> Observation:
        present = self.memory[PRESENT][rows]
        if self._told:
            told = present_flags(batch).astype(np.int8)
            both = present & told
            present = np.where(both.any(axis=1, keepdims=True), both, told) if self._keep_one else both
        result: Observation = {PRESENT: present}
        for column, modality in enumerate(self._modalities):
            absent = present[:, column] == 0
            array = batch[modality]
            if absent.any():
                array = array.copy()
                array[absent] = 0
            result[modality] = array
        return result


def _probabilities(probability: Probability, modalities: tuple[str, ...]) -> NDArray[np.float64]:
    """Checks the probabilities and returns them in the order of ``modalities``: float64 ``(n,)``."""
    by_modality = probability if isinstance(probability, Mapping) else dict.fromkeys(modalities, probability)
    for modality, value in by_modality.items():
        check_choice("probability", modality, modalities)
        check_probability(f"probability of modality {modality!r}", value)
    return np.array([by_modality.get(modality, 0.0) for modality in modalities], np.float64)
