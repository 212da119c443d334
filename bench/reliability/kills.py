"""SIGKILL at random moments of runs of every command; the resumed run must make what an uninterrupted one makes."""

import zlib
from collections.abc import Iterator
from functools import partial

import numpy as np

from bench.reliability.children import in_child
from bench.reliability.content import content, differences
from bench.reliability.records import Campaign, Case, Fault, Options
from bench.reliability.works import References, Work, command, finished, works

__all__ = ["CAMPAIGN"]

RUNS = 10
"""Runs of each work that are killed."""
SLOW = {"classify-2-jobs": 3}
"""Fewer runs of what takes long."""
CHANCE_OF_ANOTHER = 0.4
"""Chance that a resumed run is killed too."""


def cases(options: Options) -> Iterator[Case]:
    """Every work, killed and resumed."""
    references = References(options.folder)
    for number in range(2 if options.quick else RUNS):
        for work in works():
            if work.name in SLOW and number >= SLOW[work.name]:
                continue
            name = f"{work.name}/{number}"
            yield Case(name, partial(_killed, references, work, name, options.seed))


def _killed(references: References, work: Work, name: str, seed: int) -> int:
    """Kill a run, and perhaps its continuation; give the number of kills."""
    reference = references.of(work)
    whole = reference.seconds
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    wanted, kills = 1 + int(rng.random() < CHANCE_OF_ANOTHER), 0
    folder, moments = references.fresh(work), []
    while kills < wanted:
        moments.append(float(rng.uniform(0, whole)))
        ended = in_child(partial(command, *work.again(folder)), folder, kill_after=moments[-1])
        if ended.code == -9:
            kills += 1
        else:  # it ended sooner than the moment came
            finished(ended, work.arguments)
            whole, folder, kills = min(whole, ended.seconds), references.fresh(work), 0
    arguments = work.again(folder)
    ended = in_child(partial(command, *arguments), folder)
    told = f"after kills at {moments} s of {whole:.2f} s, anysense {' '.join(arguments)}"
    if ended.code:
        raise Fault(f"{told} ended with {ended.code}:\n{ended.output}")
    other = differences(reference.files, content(folder / work.made))
    if other:
        raise Fault(f"{told} made something else: {'; '.join(other)}\n{ended.output}")
    return kills


CAMPAIGN = Campaign(
    "SIGKILL at random moments of pretrain, train (six algorithms), classify, compare, align and data; each run is "
    "resumed, sometimes killed again, and makes the same files to the bit as an uninterrupted one",
    f"{RUNS} runs of each work; chance of a second kill {CHANCE_OF_ANOTHER:g}",
    cases,
)
