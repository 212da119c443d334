"""One random stream per sub-environment, so that a member of a batch draws what it would draw alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Keeps these streams apart from those that an environment derives from the same seed.
_DOMAIN = 0x73656E73
_WORD = (1 << 64) - 1


class RandomStreams:
    """Independent generators, one per sub-environment.

    Stream ``i`` depends on its own seed and on ``key`` alone, never on the other streams. Without a seed
    the streams start from entropy of the operating system.
    """

    def __init__(self, count: int, key: int = 0) -> None:
        """Creates ``count`` unseeded streams.

        Args:
            count: Number of streams.
            key: Tells apart several sets of streams that are given the same seeds.
        """
        self._key = key
        self._generators = [np.random.default_rng() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._generators)

    def seed(self, rows: NDArray[np.intp], seeds: int | Sequence[int | None] | None) -> None:
        """Starts the streams of ``rows`` anew.

        Args:
            rows: Indices of the streams.
            seeds: ``None`` changes nothing; an integer ``s`` seeds stream ``i`` with ``s + i``; a sequence holds
                one seed per stream of the whole set, ``None`` for those that go on.

        Raises:
            ValueError: If the sequence has another length than the set.
        """
        if seeds is None:
            return
        if isinstance(seeds, int | np.integer):
            seeds = [int(seeds) + index for index in range(len(self))]
        if len(seeds) != len(self):
            raise ValueError(f"`seed` holds {len(seeds)} seeds, expected one for each of {len(self)} environments.")
        for row in rows:
            seed = seeds[row]
            if seed is not None:
                sequence = np.random.SeedSequence(seed, spawn_key=(_DOMAIN, self._key))
                self._generators[row] = np.random.Generator(np.random.PCG64(sequence))

    def uniform(
        self, rows: NDArray[np.intp], shape: tuple[int, ...], dtype: DTypeLike = np.float64
    ) -> NDArray[np.floating]:
        """Draws from U[0, 1): array ``(len(rows), *shape)``, float64 or float32, row by row from its own stream."""
        values = np.empty((len(rows), *shape), dtype)
        for index, row in enumerate(rows):
            self._generators[row].random(dtype=dtype, out=values[index : index + 1])
        return values

    def normal(
        self, rows: NDArray[np.intp], shape: tuple[int, ...], dtype: DTypeLike = np.float64
    ) -> NDArray[np.floating]:
        """Draws from N(0, 1): array ``(len(rows), *shape)``, float64 or float32, row by row from its own stream."""
        values = np.empty((len(rows), *shape), dtype)
        for index, row in enumerate(rows):
            self._generators[row].standard_normal(dtype=dtype, out=values[index : index + 1])
        return values

    def state(self) -> NDArray[np.uint64]:
        """Returns the exact state of all streams: uint64 ``(count, 6)``."""
        return np.array([_pack(generator) for generator in self._generators], np.uint64).reshape(len(self), 6)

    def load_state(self, state: NDArray[np.uint64]) -> None:
        """Restores what :meth:`state` returned.

        Raises:
            ValueError: If the state is of another number of streams.
        """
        state = np.asarray(state)
        if state.shape != (len(self), 6):
            raise ValueError(
                f"`streams` has shape {state.shape}, expected {(len(self), 6)}: "
                "the state was saved with another number of environments."
            )
        self._generators = [_unpack([int(word) for word in words]) for words in state]


def _pack(generator: np.random.Generator) -> list[int]:
    state = generator.bit_generator.state
    position, increment = state["state"]["state"], state["state"]["inc"]
    return [
        position >> 64,
        position & _WORD,
        increment >> 64,
        increment & _WORD,
        state["has_uint32"],
        state["uinteger"],
    ]


def _unpack(words: list[int]) -> np.random.Generator:
    generator = np.random.PCG64(0)
    generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]},
        "has_uint32": words[4],
        "uinteger": words[5],
    }
    return np.random.Generator(generator)
