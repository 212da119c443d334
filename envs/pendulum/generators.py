"""One random generator for each pendulum of a vector environment."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding

__all__ = ["Generators", "Seeds"]

Seeds = int | Sequence[int | None] | None


class Generators:
    """``count`` independent generators; until they are seeded they start from entropy of the operating system.

    Attributes:
        seeds: The seed of each; -1 where the generator was restored.
    """

    def __init__(self, count: int) -> None:
        pairs = [seeding.np_random() for _ in range(count)]
        self._generators = [generator for generator, _ in pairs]
        self.seeds = [int(seed) for _, seed in pairs]

    def __getitem__(self, row: int) -> np.random.Generator:
        return self._generators[row]

    def __iter__(self) -> Iterator[np.random.Generator]:
        return iter(self._generators)

    def __len__(self) -> int:
        return len(self._generators)

    def seed(self, seed: Seeds, rows: npt.NDArray[np.intp]) -> None:
        """Start the generators of ``rows`` anew: with ``seed`` + row, or with their entries of a sequence.

        Raises:
            ValueError: A sequence has another length than there are generators.
        """
        if seed is None:
            return
        seeds = [int(seed) + row for row in range(len(self))] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != len(self):
            raise ValueError(f"`seed` must be one number or a sequence of {len(self)}, got {len(seeds)} entries.")
        for row in rows:
            if seeds[row] is not None:
                self._generators[row], self.seeds[row] = seeding.np_random(seeds[row])

    def states(self) -> list[Mapping[str, Any]]:
        """Exact states, as plain values."""
        return [generator.bit_generator.state for generator in self._generators]

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what `states` returned."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = dict(state)
        self.seeds = [-1] * len(self)
