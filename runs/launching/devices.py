"""Which job gets which device of this machine."""

from collections.abc import Sequence

__all__ = ["Devices", "cuda_devices", "devices_of"]


class Devices:
    """Gives each job that starts the device that has the fewest; jobs give it back when they end.

    Args:
        names: The devices, in the order in which they are given.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._jobs = dict.fromkeys(names, 0)

    def take(self) -> str:
        """The device of a job that starts: the first of those with the fewest jobs."""
        name = min(self._jobs, key=self._jobs.__getitem__)
        self._jobs[name] += 1
        return name

    def give_back(self, name: str) -> None:
        """A job on the device has ended."""
        self._jobs[name] -= 1


def devices_of(device: str, gpus: int) -> tuple[list[str], int | None]:
    """The devices of jobs on a machine with so many GPUs, and how many jobs there may be at a time (None: any number).

    ``auto`` and ``cuda`` are all GPUs with one job each, ``auto`` the CPU where there is none; a device with a number
    is shared by all jobs.
    """
    if device == "cuda" or (device == "auto" and gpus):
        return [f"cuda:{number}" for number in range(gpus)], gpus
    return ["cpu" if device == "auto" else device], None


def cuda_devices() -> int:
    """Number of GPUs that torch sees."""
    import torch

    return torch.cuda.device_count()
