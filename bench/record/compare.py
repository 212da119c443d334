"""Compare two records of ``python -m bench.record`` value by value; exit code 1 if an unexpected one differs.

A path is written with slashes, for example `networks/gmc/pendulum/smoke/losses/complete/total`. A pattern is matched
against the whole path as in a shell; `*` also matches slashes.
"""

import argparse
import fnmatch
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysense.common.json_files import read_json

_KERNELS = "convolutions, recurrences and attention are computed in torch's own order"
_SOUND = f"{_KERNELS}; weights of MHD's sound are the same random numbers in another layout"
_MASKS = f"{_KERNELS}; dropout of attention draws its masks in another order"
_TRAINED = ("losses/*", "gradients*", "weights after*")
EXCEPTED: Mapping[str, str] = {
    "about/*": "machine and versions",
    "*/intervals/*": "bootstrap intervals are those of scipy.stats",
    "*/probes/*": "probes are those of scikit-learn",
    "*/read_outs/*": "kNN and linear read-outs are those of scikit-learn",
    "*/reference/*": "the optimal controller is better, and with it gaps and shares change",
    **{f"networks/mvae/mhd/paper/{what}": "published MVAE normalises batches subset by subset" for what in _TRAINED},
    **{f"networks/*/pendulum/paper/{what}": _KERNELS for what in ("latents/*image*", *_TRAINED)},
    **{f"networks/*/pendulum/*=convolution/{what}": _KERNELS for what in ("latents/*image*", *_TRAINED)},
    **{f"networks/*/mhd/*/{what}": _SOUND for what in ("weights/*", "latents/*sound*", *_TRAINED)},
    **{f"networks/*/sentiment/*/{what}": _MASKS for what in ("latents/*", *_TRAINED)},
    "commands/pretrain/*-paper/*": _KERNELS,
    "commands/train/ddpg-paper/*": "exploration of published DDPG starts at 0, and its scale follows a frame later",
    "commands/evaluate/ddpg-paper/*": "its agent explored differently",
    **{f"commands/{command}/mosei/*": _MASKS for command in ("classify", "align")},
    **{f"commands/{command}/*": _SOUND for command in ("classify", "align")},
}
"""Patterns of paths that may differ from a record of the first release, with the reason."""

MISSING = "(missing)"
_SHOWN = 12
_WIDTH = 60


@dataclass
class Findings:
    """What a comparison found.

    Attributes:
        compared: Number of values by section.
        allowed: Relative differences and paths by reason.
        unexpected: Lines to print by group of paths.
    """

    compared: Counter[str] = field(default_factory=Counter)
    allowed: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    unexpected: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def pairs(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path and both values of every leaf of two trees of plain values; `MISSING` where one tree has none."""
    below = [_children(tree) for tree in (before, after)]
    if below[0] is None and below[1] is None:
        yield path, before, after
        return
    first, second = (children or {} for children in below)
    for name in first | second:
        old, new = first.get(name, MISSING), second.get(name, MISSING)
        yield from pairs(old, new, f"{path}/{name}" if path else name)


def _children(tree: Any) -> dict[str, Any] | None:
    if isinstance(tree, list):
        return {str(index): entry for index, entry in enumerate(tree)}
    return tree if isinstance(tree, dict) else None


def compared(before: Any, after: Any, only: str, excepted: Mapping[str, str]) -> Findings:
    """Compare all values whose path fits the pattern ``only``."""
    found = Findings()
    for path, old, new in pairs(before, after):
        if not fnmatch.fnmatchcase(path, only):
            continue
        found.compared[path.partition("/")[0]] += 1
        if type(old) is type(new) and old == new:
            continue
        why = next((reason for pattern, reason in excepted.items() if fnmatch.fnmatchcase(path, pattern)), None)
        if why is None:
            found.unexpected["/".join(path.split("/")[:3])].append(f"{path}: {_short(old)} -> {_short(new)}")
        else:
            found.allowed[why].append((distance(old, new), path))
    return found


def distance(before: Any, after: Any) -> float:
    """Difference of two numbers relative to the larger one; infinite where one of them is no number."""
    try:
        old, new = float(before), float(after)
    except (TypeError, ValueError):
        return math.inf
    if math.isnan(old) or math.isnan(new):
        return 0.0 if math.isnan(old) and math.isnan(new) else math.inf
    return 0.0 if old == new else abs(old - new) / max(abs(old), abs(new))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what differs between two records; the exit code is 1 if it is unexpected, 2 without two records."""
    parser = argparse.ArgumentParser(prog="python -m bench.record.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--except", dest="patterns", action="append", default=[], help="path that may differ as well")
    parser.add_argument("--only", default="*", help="pattern of the paths to compare")
    parser.add_argument("--all", action="store_true", help="print every difference instead of the first ones")
    given = parser.parse_args(arguments)
    try:
        before, after = (read_json(path, "records") for path in (given.before, given.after))
    except (OSError, ValueError) as error:
        print(f"`before` and `after` must be records of python -m bench.record: {error}", file=sys.stderr)
        return 2
    found = compared(before, after, given.only, {**EXCEPTED, **dict.fromkeys(given.patterns, "given by --except")})
    _print(found, None if given.all else _SHOWN)
    return int(bool(found.unexpected))


def _print(found: Findings, most: int | None) -> None:
    for group, lines in found.unexpected.items():
        print(f"{group}: {len(lines)} unexpected")
        for line in lines[:most]:
            print(f"  {line}")
        if most is not None and len(lines) > most:
            print(f"  ... and {len(lines) - most} more (--all shows them)")
    for section, count in found.compared.items():
        print(f"{section}: {count} values compared")
    for why, differences in found.allowed.items():
        numbers = [one for one in differences if math.isfinite(one[0])]
        sizes = "none of them numbers" if not numbers else "numbers by at most {:.1e} ({})".format(*max(numbers))
        print(f"{len(differences)} differ as expected: {why}; {sizes}")
    print(f"{sum(map(len, found.unexpected.values()))} differ unexpectedly, all others are equal")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


if __name__ == "__main__":
    sys.exit(main())
