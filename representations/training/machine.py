"""The precision that suits a device, and what Lightning should leave alone."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities import rank_zero

_BF16_FLAG = "amx_bf16"
"""CPU flag from which bf16 pays; with the instructions of avx512_bf16 alone the pendulum's networks gained nothing."""


def resolve_precision(precision: str, device: torch.device) -> str:
    """``32`` or ``bf16``; ``auto`` is bf16 on GPUs and CPUs with matrix units for it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    return "bf16" if _cpu_has_bf16() else "32"


def _cpu_has_bf16() -> bool:
    try:
        return _BF16_FLAG in Path("/proc/cpuinfo").read_text()
    except OSError:  # Not Linux: nothing to gain there is known.
        return False


@dataclass(frozen=True)
class Place:
    """Which of the processes that train together this one is."""

    rank: int = 0
    processes: int = 1
    port: int = 0
    """Where the first one listens, if there are several."""

    @property
    def first(self) -> bool:
        """Whether it is the one that measures and writes."""
        return self.rank == 0


class OwnProcesses(LightningEnvironment):
    """A run in this process, or in those of `Place`, whatever variables a launcher has left in its environment."""

    creates_processes_externally = False

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.creates_processes_externally = place.processes > 1

    @property
    def main_address(self) -> str:
        """This machine."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Where the first process listens."""
        return self.place.port

    def world_size(self) -> int:
        """Number of processes."""
        return self.place.processes

    def global_rank(self) -> int:
        """Number of this process."""
        return self.place.rank

    def local_rank(self) -> int:
        """Number of this process on this machine, which has all of them."""
        return self.place.rank

    def node_rank(self) -> int:
        """0."""
        return 0

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def teardown(self) -> None:
        """Leaves the environment alone."""


@contextmanager
def quiet_lightning(rank: int = 0) -> Iterator[None]:
    """Silence notices of Lightning that do not apply here, undo what it does to Ctrl+C, and be its process ``rank``."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:  # Hardware lists, tips, "max_epochs reached".
        logger.setLevel(logging.ERROR)
    only: Any = rank_zero.rank_zero_only
    before, only.rank = only.rank, rank  # read from variables of launchers when it was imported
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        with warnings.catch_warnings():
            # A GPU may be left idle on purpose (`device="cpu"`).
            warnings.filterwarnings("ignore", message="GPU available but not used")
            # On a machine of a SLURM cluster; a training is one process, which `srun` would not change.
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            # Lightning 2.6 with torch 2.13; nothing that its caller could do differently.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            # Lightning 2.6 with torch 2.13 again, where rows of several processes are gathered.
            warnings.filterwarnings("ignore", message="torch.distributed.nn.functional.all_gather is deprecated")
            # Every process logs the same values.
            warnings.filterwarnings("ignore", message="It is recommended to use `self.log")
            yield
    finally:
        only.rank = before
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if main:  # Lightning ignores SIGINT for the rest of the process after the first one.
            signal.signal(signal.SIGINT, handler)
