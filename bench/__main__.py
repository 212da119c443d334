"""`python -m bench PART`: measure speed and memory, side by side with a reference in the same run."""

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from anysense.common.errors import unknown_name
from anysense.common.files import write_json
from anysense.common.machine import describe_machine, describe_versions, machine_line, peak_memory, thread_limit
from anysense.common.progress import say
from anysense.runs.cli import guarded
from anysense.runs.tables import Table, print_table
from bench.measure import Bench, Figure

__all__ = ["PARTS", "main"]

PARTS = ("help", "env", "encode", "pretrain", "train", "mhd", "mosei", "dca", "retrieval", "kernels", "launch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one part; returns the exit code, as `anysense.runs.cli.main` does."""
    return guarded(_measure, list(sys.argv[1:] if arguments is None else arguments))


def _measure(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        parts = "\n".join(f"  {name:<10}{(_part(name).__doc__ or '').splitlines()[0]}" for name in PARTS)
        print(f"usage: python -m bench PART [OPTIONS]\n\nMeasure speed and memory.\n\nparts:\n{parts}")
        return
    name, rest = arguments[0], arguments[1:]
    if name not in PARTS:
        raise ValueError(unknown_name("bench", name, PARTS))
    smoke = _part(name).smoke if {"smoke", "--preset=smoke"} & set(rest) else {}
    part = tyro.cli(_part(name), args=rest, default=_part(name)(**smoke), prog=f"python -m bench {name}")
    say(f"Measuring {name}: {part.repeats} repeats of at least {part.seconds:g} s per side ...")
    with thread_limit(part.threads):
        figures = part.measure()
    path = _write(part.out / f"{name}.json", name, part, figures)
    rows = [(figure.name, _number(figure.median), figure.unit, _target(figure)) for figure in figures]
    title = f"python -m bench {name} ({machine_line(describe_machine())})"
    print_table(title, Table(("figure", "median", "unit", "target"), rows))
    print(f"Peak memory {peak_memory() / 1e6:,.0f} MB. Written to {path}")


def _part(name: str) -> type[Bench]:
    part: type[Bench] = importlib.import_module(f"bench.{name}").Part
    return part


def _write(path: Path, name: str, part: Bench, figures: Sequence[Figure]) -> Path:
    settings: dict[str, Any] = {**dataclasses.asdict(part), "out": str(part.out)}
    return write_json(
        path,
        {
            "part": name,
            "settings": settings,
            "machine": describe_machine(),
            "versions": describe_versions(),
            "figures": [dataclasses.asdict(it) | {"median": it.median, "reached": it.reached} for it in figures],
            "peak_memory": peak_memory(),
        },
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {_number(figure.target)} {'reached' if figure.reached else 'missed'}"


if __name__ == "__main__":
    sys.exit(main())
