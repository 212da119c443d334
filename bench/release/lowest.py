"""A selection of the tests with the lowest version of every package that pyproject.toml allows."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from anysense.common.progress import duration
from bench.release.environments import Environment, fast_installer

__all__ = ["TESTS", "main"]

ROOT = Path(__file__).parents[2]
PYTHON = "3.11"
"""The lowest version of Python."""
TESTS = (
    "tests/common",
    *(f"tests/envs/{name}" for name in ("pendulum/test_pendulum.py", "test_sb3_adapter.py", "sensors")),
    "tests/envs/audio/test_recording.py",
    *(f"tests/representations/{name}.py" for name in ("test_files", "test_gmc")),
    *(f"tests/representations/training/{name}.py" for name in ("test_pretrain", "test_pretrain_resume")),
    *(f"tests/representations/evaluation/{name}.py" for name in ("test_dca", "test_embedding")),
    *(f"tests/agents/{name}.py" for name in ("test_training", "test_frozen", "test_exported")),
    *(
        f"tests/runs/{name}.py"
        for name in ("test_cli", "test_demo", "test_evaluate_command", "test_figures", "test_page")
    ),
)
"""Every package is used by one of them."""


def main(arguments: Sequence[str]) -> None:
    """Install the lowest versions into a new environment, and run the selection there.

    Raises:
        ModuleNotFoundError: uv, which can install the lowest versions, is not there.
        RuntimeError: Something cannot be installed, or tests failed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.release lowest", description=f"{__doc__} All arguments are those of pytest."
    )
    _, tests = parser.parse_known_args(arguments)
    uv = fast_installer()
    if uv is None:
        raise ModuleNotFoundError("The lowest versions are installed by uv, which is not on the PATH: pip install uv")
    with tempfile.TemporaryDirectory(prefix="anysense-lowest-") as temporary:
        environment = Environment.make(Path(temporary) / "environment", PYTHON, uv)
        environment.pip("install", "--resolution", "lowest-direct", "-e", f"{ROOT}[dev]")
        options = ("-p", "no:cacheprovider", "-W", "default", "--quiet")  # old versions may warn of what is newer
        seconds = environment.run(["python", "-m", "pytest", *options, *TESTS, *tests], ROOT)
    print(f"The lowest versions pass {len(TESTS)} groups of tests in {duration(seconds)}.")
