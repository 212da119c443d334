"""Rows of all processes that train one representation together, with gradients.

Letters: P processes, B rows of one process, which may differ between processes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Gather", "rows_of_all"]

Gather = Callable[[Tensor], Tensor]
"""A tensor of equal shape in every process to all of them stacked, (P, *shape), in the order of the processes. The
gradient that arrives at what a process gave is the sum of those of all processes."""


def rows_of_all(rows: Tensor, gather: Gather) -> Tensor:
    """Rows (B, ...) of each process, B at least 0, to those of all processes, in the order of the processes.

    Each process computes the same loss of them, so with summed gradients each gets P times its share of the gradient;
    the mean over processes that DistributedDataParallel takes is then the gradient of the loss of one process that had
    all rows.
    """
    counts = gather(torch.tensor(len(rows), device=rows.device)).tolist()
    padding = rows.new_zeros(max(counts) - len(rows), *rows.shape[1:])
    every = gather(torch.cat([rows, padding]))
    return torch.cat([one[:count] for one, count in zip(every, counts, strict=True)])
