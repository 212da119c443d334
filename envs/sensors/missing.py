"""Senses that go missing, for an episode or for a step, and an observation entry that says which are present."""

from collections.abc import Mapping
from functools import partial
from typing import Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.sensors.random_streams import RandomStreams
from anysense.envs.sensors.wrapper import (
    PRESENT,
    Observation,
    Rows,
    SensorModel,
    SensorWrapper,
    SingleEnvironment,
    VectorSensorWrapper,
    present_senses,
    sense_box,
    with_zero,
)
from anysense.envs.validation import check_choice

__all__ = ["PRESENT", "MissingSenses", "VectorMissingSenses", "present_senses"]

Probability = float | Mapping[str, float]
Per = Literal["episode", "step"]


class MissingSenses(SensorWrapper):
    """Drops senses of a single environment at random and says which are present.

    Every sense goes missing with its own probability, independently of the others, drawn anew at each reset
    (``per="episode"``) or at each reset and step (``per="step"``). The array of an absent sense is filled with zeros,
    and its space is widened so far that zeros lie inside. The new entry ``present`` is ``MultiBinary(n)``, int8, 1 for
    present, over the ``n`` senses in sorted order (:func:`present_senses`).

    With ``keep_one`` a draw in which every sense went missing gives one back, each with the same chance among the
    senses whose probability is below 1 (among all of them where there is none such).

    Corruptions belong inside: ``MissingSenses(GaussianNoise(env, ...), ...)``.
    """

    def __init__(
        self, env: SingleEnvironment, probability: Probability, per: Per = "episode", keep_one: bool = True
    ) -> None:
        """Wraps ``env``.

        Args:
            env: Environment with a ``Dict`` observation space of ``Box`` senses.
            probability: Chance in [0, 1] that a sense is missing; one number for all senses or a mapping by name, in
                which senses left out never go missing.
            per: How long a draw lasts: ``"episode"`` or ``"step"``.
            keep_one: Whether at least one sense always stays.

        Raises:
            TypeError: If the observation space is not as described.
            ValueError: If a probability is outside [0, 1], a sense or ``per`` is unknown, or ``present`` exists.
        """
        factory = partial(_MissingModel, probability=probability, per=per, keep_one=keep_one)
        super().__init__(env, factory, probability=probability, per=per, keep_one=keep_one)


class VectorMissingSenses(VectorSensorWrapper):
    """Drops senses of a vector environment at random; each row like :class:`MissingSenses` with seed ``seed + index``.

    ``present`` is int8 ``(num_envs, n)``. In each autoreset mode, a row is drawn anew exactly when its sub-environment
    resets.
    """

    def __init__(
        self, env: VectorEnvironment, probability: Probability, per: Per = "episode", keep_one: bool = True
    ) -> None:
        """Wraps ``env``; arguments and errors as in :class:`MissingSenses`."""
        super().__init__(env, partial(_MissingModel, probability=probability, per=per, keep_one=keep_one))


class _MissingModel(SensorModel):
    def __init__(
        self, observation_space: spaces.Dict, streams: RandomStreams, probability: Probability, per: Per, keep_one: bool
    ) -> None:
        if PRESENT in observation_space.spaces:
            raise ValueError(f"The observation has an entry `{PRESENT}` already; drop senses with one wrapper only.")
        check_choice("per", per, get_args(Per))
        senses = present_senses(observation_space)
        boxes = {sense: with_zero(sense_box(observation_space, sense)) for sense in senses}
        super().__init__(spaces.Dict({**boxes, PRESENT: spaces.MultiBinary(len(senses))}), streams, reads=senses)
        self._probability = _probabilities(probability, senses)
        self._per_step = per == "step"
        self._keep_one = keep_one
        self.memory[PRESENT] = np.ones((len(streams), len(senses)), np.int8)

    def begin(self, batch: Observation, rows: Rows) -> Observation:
        self.memory[PRESENT][rows] = self._draw(rows)
        return self._blank(batch, rows)

    def step(self, batch: Observation, rows: Rows) -> Observation:
        if self._per_step:
            self.memory[PRESENT][rows] = self._draw(rows)
        return self._blank(batch, rows)

    def _draw(self, rows: Rows) -> NDArray[np.bool_]:
        """Draws which senses are present: bool ``(len(rows), n)``."""
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
        result: Observation = {PRESENT: present}
        for column, sense in enumerate(self.reads):
            absent = present[:, column] == 0
            array = batch[sense]
            if absent.any():
                array = array.copy()
                array[absent] = 0
            result[sense] = array
        return result


def _probabilities(probability: Probability, senses: tuple[str, ...]) -> NDArray[np.float64]:
    """Checks the probabilities and returns them in the order of ``senses``: float64 ``(n,)``."""
    by_sense = probability if isinstance(probability, Mapping) else dict.fromkeys(senses, probability)
    for sense, value in by_sense.items():
        check_choice("probability", sense, senses)
        if not 0 <= value <= 1:
            raise ValueError(f"`probability` of sense {sense!r} must lie in [0, 1], got {value!r}.")
    return np.array([by_sense.get(sense, 0.0) for sense in senses], np.float64)
