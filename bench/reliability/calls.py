"""Wrong calls of public functions: each raises an error that names the argument, at once and without a crash."""

import resource
import traceback
from collections.abc import Iterator
from functools import partial
from typing import Any

from anysense.common.validation import check_names
from bench.reliability.children import in_child
from bench.reliability.functions import FUNCTIONS, Call, prepare
from bench.reliability.hostile import BYTES, address_space
from bench.reliability.records import Campaign, Case, Fault, Options

__all__ = ["CAMPAIGN"]

SECONDS = 20.0
REFUSED, ACCEPTED = 3, 0
FEW = 40


def cases(options: Options) -> Iterator[Case]:
    """Every argument of every function with every value that is wrong for its kind."""
    examples = prepare(options.folder)
    wrong = [
        Case(f"{name}/{argument}={_short(value)}", partial(_call, options, call, examples, argument, value))
        for name, call in FUNCTIONS.items()
        for argument, kind in call.kinds.items()
        for value in WRONG[kind]
    ]
    check_names("cases", [case.name for case in wrong], [case.name for case in wrong])
    yield from wrong[:: len(wrong) // FEW] if options.quick else wrong


def _call(options: Options, call: Call, examples: Any, argument: str, value: Any) -> int:
    limits = {resource.RLIMIT_AS: address_space() + BYTES}
    work = partial(_refused, call, examples, argument, value)
    ended = in_child(work, options.folder / "call", seconds=SECONDS, limits=limits)
    if ended.code != REFUSED or not ended.in_time:
        how = "is accepted" if ended.code == ACCEPTED else f"ends with {ended.code}"
        raise Fault(f"`{argument}` = {_short(value)} {how}:\n{ended.output}")
    return 1


def _refused(call: Call, examples: Any, argument: str, value: Any) -> int:
    """Make one call; REFUSED if the error is of a built-in kind that fits and names the argument."""
    try:
        print("gave", _short(call.make(examples, {argument: value})))
    except (ValueError, TypeError, LookupError, OSError) as error:
        print(f"{type(error).__name__}: {error}")
        if f"`{argument}" in str(error) or call.named in str(error):
            return REFUSED
        traceback.print_exc()
        return 4
    return ACCEPTED


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:50]}... {len(text)}"


_NUMBERS: tuple[Any, ...] = (float("nan"), float("inf"), float("-inf"), "x", None, [], {}, 1j)
_SEEDS: tuple[Any, ...] = (float("nan"), "x", [], -1, 1.5)
_SHARES: tuple[Any, ...] = (-0.1, 1.1, 10**400, True, "0.5")
WRONG: dict[str, tuple[Any, ...]] = {
    "count": (*_NUMBERS, -1, 0, 1.5, True, 10**30, "1", (1,)),
    "optional count": (float("nan"), float("inf"), "x", [], -1, 0, 1.5, True, "1"),
    "seed": _SEEDS,
    "bounded seed": (*_SEEDS, 2**200),
    "share": (*_NUMBERS, *_SHARES),
    "shares": (*(value for value in _NUMBERS if value != {}), *_SHARES),
    "name": ("", "x", 5, float("nan"), [], b"image", "../x", "x" * 10_000, True),
    "names": ("image", 5, [5], ["x"], ["image", "image"], [None], {}, object, ["x" * 10_000]),
    "flag": ("True", 2, -1, float("nan"), [], "no"),
    "path": ("missing", "", "x" * 300, "\x00", 5, []),
    "observation": (None, 5, [], {}, {"x": [1.0]}, {"sound": "x"}, {"sound": None}, {"sound": [float("nan")] * 12}),
    "device": ("", "x", "cuda", "cuda:99", "mps", "tpu", "meta", 5),
}
"""Values that are wrong for an argument of each kind."""


CAMPAIGN = Campaign(
    "Wrong calls of public functions: other types, NaN, infinities, negative and huge numbers, unknown names, missing "
    "paths. Each raises an error that names the argument; none crashes, hangs or takes 2 GB",
    f"{len(FUNCTIONS)} functions; at most {SECONDS:g} s",
    cases,
)
