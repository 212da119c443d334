"""`python -m bench.reliability [CAMPAIGN ...]`: try to break the program, and record what held."""

import argparse
import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anysense.common.cache import CACHE_VARIABLE
from anysense.common.machine import describe_machine, machine_line
from bench.reliability.records import Book, Campaign, Options
from bench.reliability.table import write_table

CAMPAIGNS = ("kills", "disk", "hostile", "calls", "bits", "soak")
SHOWN = 300
"""Characters that are printed of a note; the record holds more."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run campaigns, or write the table of what was run; 1 if a try did not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument(
        "campaigns", nargs="*", metavar="CAMPAIGN", help=f"{', '.join(CAMPAIGNS)} (default: all), table"
    )
    parser.add_argument("--quick", action="store_true", help="a handful of tries of each group")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
    parser.add_argument("--out", type=Path, default=Path("out/reliability"), help="folder of the records")
    parser.add_argument("--only", nargs="+", default=[], metavar="TRY", help="names of tries to do again")
    parser.add_argument("--again", action="store_true", help="begin anew instead of going on with what was recorded")
    parser.add_argument("--keep", type=Path, help="new folder for what is tried; by default it is removed")
    given = parser.parse_args(arguments)
    unknown = set(given.campaigns) - {*CAMPAIGNS, "table"}
    if unknown:
        parser.error(f"unknown campaign {', '.join(sorted(unknown))}; choose from {', '.join(CAMPAIGNS)}, table")
    wanted = [name for name in CAMPAIGNS if name in given.campaigns or not given.campaigns]
    failed = sum(_run(name, given) for name in wanted)
    if "table" in given.campaigns or not given.campaigns:
        print(f"Written: {write_table(given.out)}")
    return int(failed > 0)


def _run(name: str, given: argparse.Namespace) -> int:
    """Run one campaign; the number of tries that did not hold."""
    campaign: Campaign = importlib.import_module(f"bench.reliability.{name}").CAMPAIGN
    path = given.out / f"{name}{'-quick' if given.quick else ''}.jsonl"
    if given.again:
        path.unlink(missing_ok=True)
    book = Book(path, _about(name, campaign, given))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        os.environ.update(
            {CACHE_VARIABLE: str(folder / "cache"), "MPLBACKEND": "Agg", **dict.fromkeys(ONE_THREAD, "1")}
        )
        failed = book.run(campaign.cases(Options(folder / name, given.seed, given.quick)), given.only)
    for line in failed:
        print(f"{name} {line['try']} did not hold: {line['note'][:SHOWN]}", file=sys.stderr)
    tries = sum(line["count"] for line in book.tries)
    print(f"{name}: {tries - len(failed)} of {tries} held; {time.perf_counter() - start:.0f} s", flush=True)
    return len(failed)


def _about(name: str, campaign: Campaign, given: argparse.Namespace) -> dict[str, Any]:
    options = f"--seed {given.seed}{' --quick' if given.quick else ''}"
    return {
        "campaign": name,
        "title": campaign.title,
        "settings": campaign.settings,
        "command": f"python -m bench.reliability {name} {options}",
        "seed": given.seed,
        "machine": machine_line(describe_machine()),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
