"""One training by several processes of this machine: each reads its share of every batch, one of them writes.

They are started here, watched, and all ended when one of them ends early, so that none waits for one that is gone.
"""

import multiprocessing.connection
import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NoReturn

import torch
from lightning.pytorch.strategies import DDPStrategy, Strategy

from anysense.common.machine import processors
from anysense.common.processes import EndedError, end_all, ending, start
from anysense.representations.training.machine import Place

__all__ = ["check_devices", "strategy_of", "threads_of", "train_together"]

MINUTES_TO_MEET = 30.0
"""How long a process waits for the others, such as for one that measures after an epoch."""

SECONDS_TO_TELL = 2.0
"""How long the others are heard when one has failed: it may only have seen that another was gone."""
LEVEL = "TORCH_CPP_LOG_LEVEL"

Work = Callable[[Place], None]
Running = dict[Connection, tuple[int, SpawnProcess]]
"""Rank and process, by the connection that tells how it ends."""


def check_devices(devices: int, device: torch.device, batch_size: int) -> None:
    """Raise ValueError unless so many processes can share a training on a device.

    Each GPU has one; any number shares the CPU.
    """
    if devices < 1:
        raise ValueError(f"`devices` must be at least 1, got {devices}.")
    if devices == 1:
        return
    there = torch.cuda.device_count()
    if device.type == "cuda" and (device.index not in (None, 0) or devices > there):
        raise ValueError(
            f"`devices` {devices} takes the first {devices} GPUs; this machine has {there}, and `device` is {device}. "
            "Leave the number out of `device`, take fewer, or train on the CPU with `device` cpu."
        )
    if batch_size < 2 * devices:
        raise ValueError(
            f"`batch_size` {batch_size} is what all {devices} devices do in one step, at least 2 samples each; "
            f"expected at least {2 * devices}."
        )


def strategy_of(place: Place) -> Strategy | str:
    """What Lightning does with the gradients of the processes."""
    if place.processes == 1:
        return "auto"
    # Not every batch has every modality, so not every weight has a gradient in every process.
    return DDPStrategy(find_unused_parameters=True, timeout=timedelta(minutes=MINUTES_TO_MEET))


def threads_of(threads: int | None, devices: int) -> int:
    """CPU threads of each process."""
    return threads or max(1, processors() // devices)


def train_together(work: Work, devices: int) -> None:
    """Let ``work`` run in so many processes, each with its place, until all have ended.

    Raises:
        RuntimeError: One of them was killed. Errors of the work are passed on. The others are ended in both cases.
    """
    sent, port = pickle.dumps(work), _free_port()
    running: Running = {}
    try:
        for rank in range(devices):
            with _without_notices():
                receiver, process = start(_do, sent, Place(rank, devices, port))
            running[receiver] = rank, process
        while running:
            failed = _errors(running, None)
            if failed:
                _fail(failed | _errors(running, SECONDS_TO_TELL), devices)
    finally:
        end_all([process for _, process in running.values()])


def _do(sent: bytes, place: Place) -> None:
    """In one of the processes; the weights came as a copy, not as memory that all of them share."""
    work: Work = pickle.loads(sent)
    work(place)


@contextmanager
def _without_notices() -> Iterator[None]:
    """Let a process that starts keep quiet about weights that might have no gradient, but do; torch asks once."""
    before = os.environ.get(LEVEL)
    os.environ.setdefault(LEVEL, "ERROR")
    try:
        yield
    finally:
        if before is None:
            del os.environ[LEVEL]


def _errors(running: Running, timeout: float | None) -> dict[int, Exception]:
    """Wait for processes that end, and take them out; the errors of those that failed."""
    ended = [(*running.pop(receiver), receiver) for receiver in _wait(running, timeout)]
    errors = {rank: ending(receiver, process) for rank, process, receiver in ended}
    return {rank: error for rank, error in errors.items() if error is not None}


def _wait(running: Running, timeout: float | None) -> list[Connection]:
    return [one for one in multiprocessing.connection.wait(running, timeout) if isinstance(one, Connection)]


def _fail(errors: dict[int, Exception], devices: int) -> NoReturn:
    """Raise the error that came first: that a process was killed, of which the others only saw that it was gone."""
    for rank, error in errors.items():
        if isinstance(error, EndedError):
            raise RuntimeError(f"Process {rank + 1} of the {devices} that train together {error}.") from None
    raise next(iter(errors.values()))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
