"""The precision that suits a device, and what Lightning should leave alone."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


class OneProcess(LightningEnvironment):
    """A run in this process alone, whatever variables a launcher has left in its environment."""

    creates_processes_externally = False

    def local_rank(self) -> int:
        """0."""
        return 0

    def node_rank(self) -> int:
        """0."""
        return 0

    def teardown(self) -> None:
        """Leaves the environment alone."""


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence notices of Lightning that do not apply here, undo what it does to Ctrl+C, and be its only process."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:  # Hardware lists, tips, "max_epochs reached".
        logger.setLevel(logging.ERROR)
    only: Any = rank_zero.rank_zero_only
    rank, only.rank = only.rank, 0  # read from variables of launchers when it was imported
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
            yield
    finally:
        only.rank = rank
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if main:  # Lightning ignores SIGINT for the rest of the process after the first one.
            signal.signal(signal.SIGINT, handler)
