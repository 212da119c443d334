"""The tests with every Python from 3.11 to 3.14 that is on this machine."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from anysense.common.progress import duration
from bench.release.environments import Environment, fast_installer

__all__ = ["VERSIONS", "find_interpreter", "main"]

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
TESTS = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--ignore", "tests/cluster", "--quiet")
"""What pytest is called with, besides the arguments of the caller."""


def main(arguments: Sequence[str]) -> None:
    """Install anysense for each interpreter into a new environment and run the tests there.

    Raises:
        RuntimeError: Tests failed, or no interpreter was found.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.release interpreters",
        description=f"{__doc__} All other arguments are those of pytest, such as the folders of a few tests.",
    )
    parser.add_argument("--python", action="append", metavar="VERSION", help="a version to try, such as 3.12; several")
    given, tests = parser.parse_known_args(arguments)
    versions = given.python or VERSIONS
    found = {version: find_interpreter(version) for version in versions}
    absent = [version for version, python in found.items() if python is None]
    if absent:
        print(f"not on this machine: Python {', '.join(absent)}", flush=True)
    results = {version: _outcome(version, python, tests) for version, python in found.items() if python is not None}
    for version, outcome in results.items():
        print(f"Python {version}: {outcome}")
    if not results:
        raise RuntimeError(f"No Python of {', '.join(versions)} was found; put one on the PATH, or install uv.")
    if any(not outcome.startswith("passed") for outcome in results.values()):
        raise RuntimeError("Tests failed, or could not be installed for; see above.")


def find_interpreter(version: str) -> str | None:
    """An interpreter of a version such as ``3.12``: this one, one that uv knows of, or one on the PATH that starts."""
    uv = fast_installer()
    known = [uv, "python", "find", "--quiet", "--no-python-downloads", "--system", version] if uv else []
    place = subprocess.run(known, capture_output=True, text=True, check=False).stdout.strip() if known else ""
    for candidate in (sys.executable, place, f"python{version}"):
        if candidate and _version(candidate) == version:
            return candidate
    return None


def _version(python: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _outcome(version: str, python: str, tests: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory(prefix=f"anysense-{version}-") as temporary:
        try:
            environment = Environment.make(Path(temporary) / "environment", python, fast_installer())
            environment.pip("install", "-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[dev]")
        except RuntimeError as error:
            return f"could not be installed for ({error})"
        try:
            seconds = environment.run(["python", "-m", "pytest", "-p", "no:cacheprovider", *TESTS, *tests], ROOT)
        except RuntimeError as error:
            return f"failed ({error})"
    return f"passed in {duration(seconds)}"
