"""What became of the claims of the papers: one page, derived from the result files of comparisons."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from anysense.common.errors import FileFormatError
from anysense.common.json_files import read_json
from anysense.envs.world import DEFAULT_WORLD
from anysense.representations.benchmarks import benchmark, benchmark_names
from anysense.runs.comparisons.cells import seeds_in_words
from anysense.runs.comparisons.claims import CLAIMS, Claim
from anysense.runs.comparisons.comparison import FEWEST_RANKED, Comparison
from anysense.runs.comparisons.done import Done, records_of, seeds_of
from anysense.runs.comparisons.growth import MAX_BYTES, NOT_COMPARED, in_order, read_jobs
from anysense.runs.tables import Table, markdown_table

__all__ = ["Evidence", "evidence_of", "reproduction_page", "result_files", "verdict"]

SMOKE = "smoke"
HOLDS, IN_PART, HOLDS_NOT = "holds", "holds in part", "does not hold here"
NOT_MEASURED, NOT_TESTABLE = "not measured yet", "not testable here"
INTRODUCTION = f"""# Claims and evidence

What the papers claim, and what the comparisons in [results/]({{results}}) say about it. This page is written by
`{{command}}` from their JSON files; no figure and no verdict is typed by hand.

**Rule.** Every claim stands for comparisons of two means over seeds. One counts as won if ours is better by more than
the larger half of the two 95% intervals (0 where there are too few seeds for one); or if, with at least {FEWEST_RANKED}
seeds of each, every seed of ours is better than every one of the other, which happens by chance in 1 of 70 cases, or
fewer. All of them won, in every file: *{HOLDS}*; none: *{HOLDS_NOT}*; otherwise *{IN_PART}*. Without a result file:
*{NOT_MEASURED}*. Without data for it: *{NOT_TESTABLE}*. Published figures were measured by the authors, on the data
that are named, and decide nothing."""


@dataclass(frozen=True)
class Evidence:
    """A result file."""

    path: Path
    command: str
    data: str
    """Name of the data set, or id of the environment."""
    done: Sequence[Done]
    copies: Sequence[Path] = ()
    """Other files that hold some of these jobs; those that only they hold are among ``done``."""

    @property
    def smoke(self) -> bool:
        """Whether it only tries things, so that no figure of it counts."""
        return any(run["settings"].get("preset") == SMOKE for job in self.done for run in job.runs)


def result_files(folder: Path) -> list[Evidence]:
    """The reports of comparisons in a folder; other JSON files are passed over.

    Files that hold the same jobs, because one is a copy of the other or extends it, are one.

    Raises:
        NotADirectoryError: There is no such folder.
        FileNotFoundError: It holds no report.
        ValueError: A report is damaged, or all are of preset smoke.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"`reproduction` {folder} is not a folder; expected that of the reports' JSON files.")
    files = [found for path in sorted(folder.glob("*.json")) for found in _evidence(path)]
    if not files:
        raise FileNotFoundError(
            f"`reproduction`: no result files in `{folder}`; expected JSON files of reports, as --docs of `anysense "
            "classify`, `retrieve`, `align` and `compare` writes them."
        )
    if all(file.smoke for file in files):
        names = ", ".join(file.path.name for file in files)
        raise ValueError(
            f"`reproduction`: all result files in `{folder}` are of preset smoke, which counts not: {names}."
        )
    return _each_once(files)


def _each_once(files: Sequence[Evidence]) -> list[Evidence]:
    """The files, those that share jobs as one, in the place of the largest of them."""
    kept: list[Evidence] = []
    for file in sorted(files, key=lambda one: -len(one.done)):
        place = next((number for number, one in enumerate(kept) if _share_jobs(one, file)), None)
        if place is None:
            kept.append(file)
            continue
        first = kept[place]
        names = seeds_of(first.done)
        more = [job for job in file.done if (job.method, job.seed) not in names]
        kept[place] = replace(first, done=in_order([*first.done, *more]), copies=(*first.copies, file.path))
    return sorted(kept, key=lambda one: one.path)


def _share_jobs(first: Evidence, second: Evidence) -> bool:
    """Whether one has jobs of the other, and all that they both have are the same."""
    if (first.command, first.data) != (second.command, second.data):
        return False
    known = {(job.method, job.seed): _content(job) for job in first.done}
    both = [job for job in second.done if (job.method, job.seed) in known]
    return bool(both) and all(known[job.method, job.seed] == _content(job) for job in both)


def _content(job: Done) -> tuple[Any, ...]:
    """What makes a job the same as another: its settings and its values, not how long it took or where it ran."""
    places = {*NOT_COMPARED, "methods", "seeds", "seed", "run"}
    settings = [{name: value for name, value in run["settings"].items() if name not in places} for run in job.runs]
    records = {json.dumps(record.to_json(), sort_keys=True) for record in job.records if record.method == job.method}
    return json.dumps(settings, sort_keys=True), records


def _evidence(path: Path) -> Iterator[Evidence]:
    content = read_json(path, "the report", max_bytes=MAX_BYTES)
    runs = content.get("runs") if isinstance(content, dict) else None
    wanted = {claim.command for claim in CLAIMS}
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not runs:
        return
    if runs[-1].get("command") not in wanted:
        return
    done = list(read_jobs(path))
    if not done:
        raise FileFormatError(f"`{path}` is damaged: it holds no job. Make the report again.")
    settings: Mapping[str, Any] = done[0].runs[0]["settings"]
    yield Evidence(path, runs[-1]["command"], str(settings.get("data", settings.get("env", DEFAULT_WORLD))), done)


def evidence_of(claim: Claim, files: Sequence[Evidence]) -> list[tuple[Evidence, list[Comparison]]]:
    """The files that say something about a claim, in the order of its data sets, with the comparisons they allow."""
    counted = [file for file in files if not file.smoke]
    ordered = [file for data in claim.data for file in counted if (file.command, file.data) == (claim.command, data)]
    found = [(file, claim.compare(records_of(file.done))) for file in ordered]
    return [(file, comparisons) for file, comparisons in found if comparisons]


def verdict(claim: Claim, found: Sequence[tuple[Evidence, Sequence[Comparison]]]) -> str:
    """What the rule of the page says."""
    if not claim.data:
        return NOT_TESTABLE
    won = [comparison.holds for _, comparisons in found for comparison in comparisons]
    if not won:
        return NOT_MEASURED
    return HOLDS if all(won) else IN_PART if any(won) else HOLDS_NOT


def reproduction_page(files: Sequence[Evidence], page: Path, results: Path, command: str) -> str:
    """The page as Markdown.

    Args:
        files: What `result_files` found.
        page: Where it will be written; links start there.
        results: Folder of the files.
        command: What was typed to write it.
    """
    found = [(claim, evidence_of(claim, files)) for claim in CLAIMS]
    rows = []
    for claim, evidence in found:
        data = ", ".join(dict.fromkeys(file.data for file, _ in evidence)) or "-"
        won = [comparison.holds for _, comparisons in evidence for comparison in comparisons]
        count = f"{sum(won)} of {len(won)}" if won else "-"
        rows.append((claim.paper.partition(" ")[0], claim.title, verdict(claim, evidence), count, data))
    summary = Table(("paper", "claim", "verdict", "won", "measured on"), rows)
    index = results / "README.md"
    linked = _link(index, page) if index.is_file() else f"{_link(results, page)}/"
    parts = [INTRODUCTION.format(results=linked, command=command), markdown_table(summary)]
    smoke = [f"[{_link(file.path, page)}]({_link(file.path, page)})" for file in files if file.smoke]
    if smoke:
        parts.append(f"Left out, because the preset smoke only tries things: {', '.join(smoke)}.")
    for claim, evidence in found:
        parts += _section(claim, evidence, page)
    return "\n\n".join(parts) + "\n"


def _section(claim: Claim, found: Sequence[tuple[Evidence, Sequence[Comparison]]], page: Path) -> Iterator[str]:
    yield f"## {claim.paper.partition(' ')[0]}: {claim.title[0].lower()}{claim.title[1:]}"
    yield f"**{verdict(claim, found).capitalize()}.** {claim.measured}"
    yield f"Published: {claim.source}."
    if not found:
        if claim.published:
            yield markdown_table(Table(("input", "published"), list(claim.published.items())))
        if claim.command:
            usual = getattr(import_module(f"anysense.runs.commands.{claim.command}"), "DATA", None)
            option = "" if usual in (None, claim.data[0]) else f" --data {claim.data[0]}"
            yield f"To measure it: `anysense {claim.command}{option} --docs NAME`."
        return
    for file, comparisons in found:
        rows = [
            (
                one.where,
                claim.published.get(one.where, "-"),
                str(one.ours),
                str(one.other),
                "yes" if one.holds else "no",
            )
            for one in comparisons
        ]
        target = _link(file.path.with_suffix(".md"), page)
        yield f"On {_title(file.data)}. {seeds_in_words(seeds_of(file.done))}"
        yield markdown_table(Table(("input", "published", "ours", "against", "won"), rows))
        commands = dict.fromkeys(run["command_line"] for one in file.done for run in one.runs)
        yield "```sh\n" + "\n".join(commands) + f"\n```\n\nReport: [{target}]({target}).{_also(file, page)}"


def _also(file: Evidence, page: Path) -> str:
    links = [f"[{_link(path, page)}]({_link(path, page)})" for path in file.copies]
    return f" Counted once with {', '.join(links)}, which holds the same jobs." if links else ""


def _title(data: str) -> str:
    return benchmark(data).title if data in benchmark_names() else data


def _link(path: Path, page: Path) -> str:
    return os.path.relpath(path, page.parent)
