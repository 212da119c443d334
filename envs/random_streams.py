"""One random stream per environment of a vector, so that each draws what it would draw alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anysense.common.validation import check_integer

__all__ = ["RandomStreams", "Seeds", "plain_seeds"]

Seeds = int | Sequence[int | None] | NDArray[np.integer] | None
_WORD = (1 << 64) - 1


def plain_seeds(seeds: Any) -> Any:
    """Seeds as Gymnasium's own environments take them: Python's integers for those of numpy, a list for an array.

    Raises:
        ValueError: A seed is no whole number of at least 0.
    """
    if isinstance(seeds, list | tuple) or (isinstance(seeds, np.ndarray) and seeds.ndim > 0):
        return [None if seed is None else check_integer("seed", seed, 0) for seed in seeds]
    return None if seeds is None else check_integer("seed", seeds, 0)


class RandomStreams:
    """``count`` independent PCG64 generators; until they are seeded they start from entropy of the operating system.

    Args:
        count: Number of streams.
        start: Makes a generator from a seed, or from entropy if it is None.

    Attributes:
        seeds: The seed of each; -1 where the stream was restored.
    """

    def __init__(self, count: int, start: Callable[[int | None], np.random.Generator]) -> None:
        self._start = start
        self._generators = [start(None) for _ in range(count)]
        self.seeds = [_seed_of(generator) for generator in self._generators]

    def __len__(self) -> int:
        return len(self._generators)

    def __getitem__(self, row: int) -> np.random.Generator:
        return self._generators[row]

    def seed(self, seeds: Any, rows: NDArray[np.intp]) -> None:
        """Starts the streams of ``rows`` anew: a number s seeds stream i with s + i; None changes nothing.

        A sequence holds one seed per stream of the whole set, None for those that go on.

        Raises:
            ValueError: A seed is no whole number of at least 0, or a sequence has another length than the set.
        """
        if seeds is None:
            return
        plain = plain_seeds(seeds)
        checked = plain if isinstance(plain, list) else [plain + row for row in range(len(self))]
        if len(checked) != len(self):
            raise ValueError(f"`seed` must be one number or a sequence of {len(self)}, got {len(checked)} entries.")
        for row in rows:
            seed = checked[row]
            if seed is not None:
                self._generators[row], self.seeds[row] = self._start(seed), seed

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
        """Draws from N(0, 1); otherwise as `uniform`."""
        values = np.empty((len(rows), *shape), dtype)
        for index, row in enumerate(rows):
            self._generators[row].standard_normal(dtype=dtype, out=values[index : index + 1])
        return values

    def state(self) -> NDArray[np.uint64]:
        """Returns the exact state of all streams: uint64 ``(count, 6)``."""
        return np.array([_pack(generator.bit_generator.state) for generator in self._generators], np.uint64)

    def load_state(self, state: Any) -> None:
        """Restores what `state` returned.

        Raises:
            ValueError: It has another dtype, or is of another number of streams.
        """
        if not isinstance(state, np.ndarray) or state.shape != (len(self), 6) or state.dtype != np.uint64:
            raise ValueError(
                f"the random streams in `state` must be uint64 of shape {(len(self), 6)}, got {state!r}; load it into "
                "as many environments as were saved."
            )
        for generator, row in zip(self._generators, state.tolist(), strict=True):
            generator.bit_generator.state = _unpack(row)
        self.seeds = [-1] * len(self)


def _seed_of(generator: np.random.Generator) -> int:
    return int(generator.bit_generator.seed_seq.entropy)  # type: ignore[attr-defined]


def _pack(state: Any) -> list[int]:
    position, increment = state["state"]["state"], state["state"]["inc"]
    words = [position >> 64, position & _WORD, increment >> 64, increment & _WORD]
    return [*words, state["has_uint32"], state["uinteger"]]


def _unpack(words: list[int]) -> dict[str, Any]:
    return {
        "bit_generator": "PCG64",
        "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]},
        "has_uint32": words[4],
        "uinteger": words[5],
    }
