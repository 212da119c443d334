"""What a Ray cluster is asked for."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from anysense.runs.worlds import parsed

__all__ = ["ADDRESS", "RayOptions"]

ADDRESS = "RAY_ADDRESS"
"""Variable that says where the head of a cluster is."""


@dataclass(frozen=True)
class RayOptions:
    """What is asked of a cluster for each job."""

    address: str | None = None
    """``host:port`` of the head, ``auto`` for the cluster of this machine; a new one on this machine if not given."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What a job needs, by the names that Ray has for it."""

    @classmethod
    def of(cls, given: Sequence[str], device: str, threads: int | None) -> "RayOptions":
        """From key=value pairs; what is not given comes from the environment, the device and the threads.

        Raises:
            ValueError: A pair is not of that form, or a value is not possible.
        """
        values = parsed(given, "ray-option")
        address = str(values.pop("address", os.environ.get(ADDRESS) or "")) or None
        if address is not None and "://" in address:
            raise ValueError(
                f"`{ADDRESS}` {address} is the address of a Ray client; expected that of the head node as host:port, "
                "such as 10.0.0.1:6379, on a machine that belongs to the cluster (`ray start --address=...`)."
            )
        usual = {"cpus": threads or 1, "gpus": 1 if device == "cuda" else 0}
        names = {"cpus": "CPU", "gpus": "GPU"}
        return cls(address, {names.get(key, key): _amount(key, value) for key, value in {**usual, **values}.items()})

    def places(self, available: Mapping[str, float]) -> int:
        """How many jobs a node with these resources does at a time."""
        return min(int(available.get(name, 0.0) / amount + 1e-9) for name, amount in self.resources.items() if amount)

    def remote(self) -> dict[str, Any]:
        """The same as options of a remote function."""
        rest = {name: amount for name, amount in self.resources.items() if name not in ("CPU", "GPU", "memory")}
        own = {"num_cpus": self.resources["CPU"], "num_gpus": self.resources["GPU"], "resources": rest}
        return own | ({"memory": self.resources["memory"]} if "memory" in self.resources else {})


def _amount(name: str, value: Any) -> float:
    if name == "memory" and isinstance(value, str) and value.upper().endswith("GB"):
        with suppress(ValueError):
            value = float(value[:-2]) * 1e9
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        form = "a size such as memory=4GB" if name == "memory" else f"a number such as {name}=1"
        raise ValueError(f"`ray-option` {name} expected {form}, got {value!r}.")
    return float(value)
