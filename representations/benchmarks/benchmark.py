"""What a benchmark is: a data set with its reader, its modalities, its presets and the methods compared on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.machine import usual_torch
from anysense.common.progress import Progress
from anysense.common.validation import check_seed
from anysense.representations.benchmarks.presets import Presets
from anysense.representations.evaluation.subsets import every_subset

if TYPE_CHECKING:
    from anysense.representations.data.samples import Samples, Splits
    from anysense.representations.evaluation.tasks.task import Task
    from anysense.representations.modality import Modality

__all__ = ["Benchmark", "DataRequest", "Progress", "PublishedTable", "random_part"]


@dataclass(frozen=True)
class DataRequest:
    """Which data of a benchmark are wanted."""

    folder: Path | None = None
    """Folder of the downloaded files, `data/` followed by the name of the data set if not given; or of what was made
    from generated data, the cache folder if not given."""
    train: int | None = None
    """Samples to train on, validation included where the data set has no split of its own; all if not given."""
    test: int | None = None
    """Samples to test on; all if not given."""
    data_seed: int = 0
    """Seed of generated data, and of the choice of samples."""

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("train", "test"):
            value = getattr(self, name)
            if value is not None and value < 20:
                raise ValueError(f"`{name}` must be at least 20 samples; got {value}.")
        check_seed("data_seed", self.data_seed)


@dataclass(frozen=True)
class PublishedTable:
    """Values printed in a paper, for comparison; never mixed with measured ones."""

    source: str
    """Paper and table."""
    data: str
    """The data set they were measured on."""
    rows: Mapping[str, Mapping[str, Mapping[str, str]]]
    """Text by input (``complete`` or a modality), then by method as in `Benchmark.methods`, then by column."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of representations with modalities missing."""

    name: str
    """Name on the command line."""
    title: str
    """Name in tables; says so where data are synthetic."""
    task: Task
    presets: Presets
    modalities: Mapping[str, Modality]
    """In the order of the tables."""
    load: Callable[[DataRequest, Progress | None], Splits]
    """Reads or builds the three splits; takes the request and a progress callback (done, total)."""
    methods: Mapping[str, str]
    """Methods compared, by name on the command line; the value is the name in the registry, or that and a preset of its
    settings after a colon, whatever preset the comparison has."""
    data: Mapping[str, DataRequest] = field(default_factory=dict)
    """Which data are taken, by preset."""
    published: PublishedTable | None = None
    split: str = ""
    """How the parts were made, for reports."""
    anchor: str | None = None
    """The modality that `gram-published` has as its anchor, and that the report of retrieval looks for."""

    @property
    def label(self) -> str | None:
        """The modality that is the answer itself, if one is."""
        return self.task.label

    def subsets(self) -> list[tuple[str, ...]]:
        """Every non-empty subset of the modalities: the complete one first, then by size and order."""
        return every_subset(tuple(self.modalities))


@usual_torch()
def random_part(samples: Samples, count: int | None, seed: int, part: str) -> Samples:
    """As many samples as wanted, drawn without replacement; all if ``count`` is None; ValueError if there are fewer."""
    import torch

    if count is None:
        return samples
    if count > len(samples):
        raise ValueError(f"`{part}` must be at most {len(samples)}, what the files hold; got {count}.")
    return samples.select(torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))[:count])
