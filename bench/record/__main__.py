"""Record the numbers that the program computes, so that another version can be shown to compute the same bits.

Everything has a fixed seed and runs on one thread of the CPU; two records of one version on one machine are equal.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anysense.common.cache import CACHE_VARIABLE
from anysense.common.files import write_json
from anysense.common.json_files import read_json
from bench.record import commands, environment, networks

SECTIONS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "networks": lambda folder: networks.record(),
    "environment": lambda folder: environment.record(),
    "data": lambda folder: environment.record_data(),
    "commands": commands.record,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the chosen sections into a JSON file, which is written after each; its other sections stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.record", description=__doc__)
    parser.add_argument("record", type=Path, help="JSON file to write")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="sections to record")
    parser.add_argument("--keep", type=Path, help="new folder for what the commands write; by default it is removed")
    given = parser.parse_args(arguments)
    known: dict[str, Any] = read_json(given.record) if given.record.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        known["about"] = about()
        for name in given.only:
            known[name] = _timed(name, folder.resolve())
            write_json(given.record, known)
    return 0


def about() -> dict[str, str]:
    """What the bits depend on besides the program."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def _timed(name: str, folder: Path) -> dict[str, Any]:
    """One section, with one thread and a cache of its own."""
    torch.set_num_threads(1)
    os.environ[CACHE_VARIABLE] = str(folder / "cache")
    start = time.perf_counter()
    found = SECTIONS[name](folder)
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
