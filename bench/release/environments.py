"""Empty virtual environments: made, filled with packages, and used as a person at a shell would.

uv is used where it is on the PATH, because it is quick; otherwise venv and pip, which come with Python.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anysense.common.progress import say

__all__ = ["Environment", "fast_installer"]

_OUTSIDE = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MYPYPATH")
"""Variables by which packages of elsewhere could get in."""


def fast_installer() -> str | None:
    """uv, where there is one."""
    return shutil.which("uv")


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder."""

    folder: Path
    uv: str | None

    @classmethod
    def make(cls, folder: Path, python: str = sys.executable, uv: str | None = None) -> "Environment":
        """Make an empty one; a `RuntimeError` says what was printed where that fails.

        Args:
            folder: Where; must not exist.
            python: The interpreter.
            uv: The program uv, with which it shall be made and filled; venv and pip by default.
        """
        command = [uv, "venv", "--quiet", "--python", python] if uv else [python, "-m", "venv"]
        _run([*command, str(folder)], None)
        return cls(folder, uv)

    @property
    def programs(self) -> Path:
        """Folder of the programs."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.programs / "python")

    def pip(self, command: str, *arguments: str) -> float:
        """Call a command of pip, such as `install`; seconds that it took."""
        pip = [self.uv, "pip", command, "--python", self.python] if self.uv else [self.python, "-m", "pip", command]
        return _run([*pip, "--quiet", *arguments], None)

    def run(self, arguments: Sequence[str], folder: Path) -> float:
        """Call a program of the environment in a folder; seconds that it took. Its output is shown."""
        return _run([str(self.programs / arguments[0]), *arguments[1:]], folder)


def _run(command: Sequence[str], folder: Path | None) -> float:
    outside = {name: value for name, value in os.environ.items() if name not in _OUTSIDE}
    named = " ".join([Path(command[0]).name, *command[1:]])
    say(f"$ {named}")
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=outside, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(f"`{named}` ended with {done.returncode}; what it printed says why.")
    return time.perf_counter() - start
