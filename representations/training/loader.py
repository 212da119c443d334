"""Batches straight from memory: no worker processes, no sample-by-sample collation."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anysense.representations.data.recorded import Recorded, present_of

__all__ = ["BatchLoader", "TrainingBatch", "mixed_seed"]


class TrainingBatch(NamedTuple):
    """What `Representation.loss` takes."""

    observation: Mapping[str, Tensor]
    present: Tensor | None
    target: Tensor | None
    lengths: Mapping[str, Tensor]


class BatchLoader:
    """Raw observations in an order drawn from seed and epoch, so that a resumed run sees the same batches.

    A last batch of a single sample (nothing to contrast it with), or with fewer than two for each process, is added to
    the batch before it.

    Args:
        data: Where to read.
        batch_size: Samples in a batch; only the last one may be smaller, or larger by one.
        seed: Seed of the order.
        modalities: Which modalities to read, in the order of the masks; all recorded ones by default.

    Attributes:
        share: Which process reads, and how many share each batch: P processes get every P-th sample. Set by training.

    Raises:
        ValueError: ``data`` is empty or ``batch_size`` is not positive.
    """

    def __init__(self, data: Recorded, batch_size: int, seed: int, modalities: tuple[str, ...] | None = None) -> None:
        if len(data) == 0:
            raise ValueError("`data` is empty; expected at least one sample.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}.")
        self.data = data
        self.batch_size = batch_size
        self.modalities = data.modalities_recorded() if modalities is None else modalities
        self.seed = seed
        self.epoch = 0
        self.share = (0, 1)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches."""
        whole, rest = divmod(len(self.data), self.batch_size)
        return max(whole + (rest >= self._least), 1)

    def weight(self, number: int) -> float:
        """What a mean over the share of this process counts in batch ``number``.

        The mean over processes of means with these weights is the mean over the batch. 1 if shares are of equal size.
        """
        rank, processes = self.share
        before = self.batch_size * (len(self) - 1)
        size = self.batch_size if number < len(self) - 1 else len(self.data) - before
        return len(range(rank, size, processes)) * processes / size

    def __iter__(self) -> Iterator[TrainingBatch]:
        """One pass: every sample once."""
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        order = torch.randperm(len(self.data), generator=generator, device="cpu")
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) < self._least:
            batches[-2:] = [torch.cat(batches[-2:])]
        rank, processes = self.share
        for indices in (batch[rank::processes] for batch in batches):
            yield TrainingBatch(
                self.data.observation(indices, self.modalities),
                present_of(self.data, indices, self.modalities),
                self.data.target(indices),
                self.data.steps(indices, self.modalities),
            )

    @property
    def _least(self) -> int:
        """Samples of the smallest batch."""
        return 2 * self.share[1]


def mixed_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """One well-mixed 32-bit seed for one epoch of one run (torch's CPU generator ignores the higher bits).

    ``rank`` tells processes that train together apart.
    """
    return int(np.random.SeedSequence([seed, epoch, *([rank] if rank else [])]).generate_state(1)[0])
