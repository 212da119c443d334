"""What the machine offers, and what Lightning should leave alone."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_BF16_FLAG = "amx_bf16"
"""CPU flag from which bf16 pays; with the instructions of avx512_bf16 alone the pendulum's networks gained nothing."""


def resolve_device(device: str) -> torch.device:
    """The device that ``device`` names; ``auto`` is a GPU if there is one.

    Raises:
        ValueError: Unknown, or not on this machine.
    """
    available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device == "auto":
        return torch.device(available[1] if len(available) > 1 else "cpu")
    named = "cuda:0" if device == "cuda" else device
    if named not in available:
        raise ValueError(f"`device` must be 'auto' or one of {', '.join(available)} on this machine; got {device!r}.")
    return torch.device(named)


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


@contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """Use ``threads`` CPU threads in torch inside the block; None changes nothing."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Seeding and drawing from torch's global generators inside leaves no trace; GPU kernels are repeatable."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        yield


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence notices of Lightning that do not apply here, and undo what it does to Ctrl+C."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:  # Hardware lists, tips, "max_epochs reached".
        logger.setLevel(logging.ERROR)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        with warnings.catch_warnings():
            # A GPU may be left idle on purpose (`device="cpu"`).
            warnings.filterwarnings("ignore", message="GPU available but not used")
            # Lightning 2.6 with torch 2.13; nothing that its caller could do differently.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if main:  # Lightning ignores SIGINT for the rest of the process after the first one.
            signal.signal(signal.SIGINT, handler)
