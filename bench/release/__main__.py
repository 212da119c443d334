"""`python -m bench.release PART`: check a release in environments of its own."""

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from anysense.common.errors import unknown_name
from anysense.runs.cli import guarded

__all__ = ["PARTS", "main"]

PARTS = ("wheel", "newcomer", "interpreters", "lowest")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one part; returns the exit code, as `anysense.runs.cli.main` does."""
    return guarded(_check, list(sys.argv[1:] if arguments is None else arguments))


def _check(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        parts = "\n".join(f"  {name:<14}{(_module(name).__doc__ or '').splitlines()[0]}" for name in PARTS)
        print(f"usage: python -m bench.release PART [ARGUMENTS]\n\n{__doc__}\n\nparts:\n{parts}")
        return
    if arguments[0] not in PARTS:
        raise ValueError(unknown_name("part", arguments[0], PARTS))
    _module(arguments[0]).main(arguments[1:])


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"bench.release.{name}")


if __name__ == "__main__":
    sys.exit(main())
