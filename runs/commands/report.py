"""`anysense report`: the evaluations of several seeds as one table, with learning curves and how to redo it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from anysense.agents.results import load_results
from anysense.agents.summary import Row
from anysense.common.files import write_csv, write_json, write_text
from anysense.common.machine import machine_line
from anysense.common.statistics import Estimate, across_seeds
from anysense.runs.curves import CURVE_LABEL, LearningCurve, read_curve
from anysense.runs.evaluation_report import label
from anysense.runs.figures import draw_learning_curves, save_figure
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import parse
from anysense.runs.tables import markdown_table, with_interval

__all__ = ["BEGIN", "END", "ReportCommand", "Seed", "main", "replace_block"]

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """Gather evaluations of agents that differ in their seed into tables, learning curves and one file to redo them.

    Takes the run folders of `anysense evaluate` or `anysense demo`, one per seed, with the same start states.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders of evaluations."""
    docs: Path = Path("docs/results")
    """Where NAME.md, NAME.csv, NAME.json and the learning curves go."""
    name: str = "pendulum"
    """Name of these files."""
    readme: Path | None = None
    """Document whose block between the results markers is replaced by the table."""
    traceback: bool = False
    """Show the Python traceback of an error."""


@dataclasses.dataclass(frozen=True)
class Seed:
    """The evaluation of one agent."""

    seed: int
    rows: list[Row]
    records: list[dict[str, Any]]
    curve: LearningCurve | None

    @classmethod
    def read(cls, path: Path) -> Seed:
        """Read the run folder of an evaluation.

        Raises:
            FileNotFoundError: it is not there, or not finished.
            ValueError: a file is damaged or of another version.
        """
        run = RunFolder.open(path)
        saved = load_results(run.path / "results")
        curve = run.results("learning_curve.csv")
        return cls(
            seed=int(saved.details["facts"]["seed"]),
            rows=[Row.from_json(row) for row in saved.summary],
            records=[*saved.details["lineage"], *([] if run.record["command"] == "demo" else [run.record])],
            curve=read_curve(curve) if curve.is_file() else None,
        )


def main(arguments: Sequence[str]) -> None:
    """Write the report and, if asked for, the block of the README."""
    settings = parse_report(arguments)
    seeds = sorted((Seed.read(path) for path in settings.runs), key=lambda seed: seed.seed)
    _check(seeds)
    table = markdown_table(
        ("modalities", *_COLUMNS), [_line([seed.rows[i] for seed in seeds]) for i in _indices(seeds)]
    )
    stem = settings.docs / settings.name
    _write_values(stem, seeds)
    drawn = _write_curves(stem, seeds)
    write_text(stem.with_suffix(".md"), _document(settings.name, seeds, table, drawn))
    write_json(stem.with_suffix(".json"), {str(seed.seed): seed.records for seed in seeds})
    if settings.readme is not None:
        target = os.path.relpath(stem.with_suffix(".md"), settings.readme.parent)
        link = f"Each seed, learning curves, settings: [{target}]({target})."
        block = f"{table}\n\n{_provenance(seeds)}\n{link}"
        text = replace_block(settings.readme.read_text(encoding="utf-8"), block, str(settings.readme))
        write_text(settings.readme, text)
    print(table)
    print(f"\nReport: {stem.with_suffix('.md')}")


def parse_report(arguments: Sequence[str]) -> ReportCommand:
    """Settings from the command line."""
    if not arguments:
        raise ValueError("`runs` is missing; give the run folders of evaluations, for example out/evaluate/001.")
    return parse(ReportCommand(runs=()), arguments, "report")


def replace_block(text: str, block: str, name: str) -> str:
    """`text` with what stands between the markers replaced by `block`.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"`readme` {name} needs the lines {BEGIN} and {END}, and has not both of them.")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


_COLUMNS = ("average reward per step", "gap to optimal", "random to optimal")


def _check(seeds: Sequence[Seed]) -> None:
    numbers = [seed.seed for seed in seeds]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"`runs` expected one evaluation per seed, got the seeds {numbers}.")
    first = seeds[0]
    for seed in seeds:
        same = [label(row) for row in seed.rows] == [label(row) for row in first.rows]
        optimal = [next(row.average_reward.value for row in one.rows if row.name == "optimal") for one in (seed, first)]
        if not same or optimal[0] != optimal[1]:
            raise ValueError(
                f"`runs` expected the same conditions and start states for all seeds; seed {seed.seed} differs from "
                f"seed {first.seed}. Evaluate all agents with the same options."
            )


def _indices(seeds: Sequence[Seed]) -> range:
    return range(len(seeds[0].rows))


def _line(rows: Sequence[Row]) -> tuple[str, ...]:
    """One line of the table from the same row of each seed."""
    average = _over_seeds([row.average_reward for row in rows])
    gap = _over_seeds([row.gap for row in rows])
    share = sum(row.share.value for row in rows) / len(rows)
    return (
        label(rows[0]),
        with_interval(average.value, average.low, average.high),
        with_interval(gap.value, gap.low, gap.high),
        f"{share:.1%}",
    )


def _over_seeds(estimates: Sequence[Estimate]) -> Estimate:
    """Mean with Student's t interval over seeds; what is equal for all seeds keeps its interval over episodes."""
    values = [estimate.value for estimate in estimates]
    return estimates[0] if len(set(values)) == 1 else across_seeds(values)


def _provenance(seeds: Sequence[Seed]) -> str:
    """How many seeds and episodes, on which machine, and what the brackets mean."""
    row = seeds[0].rows[0]
    numbers = ", ".join(str(seed.seed) for seed in seeds)
    brackets = "95% t intervals over seeds" if len(seeds) > 1 else "95% bootstrap intervals over episodes"
    machine = machine_line(seeds[0].records[-1]["machine"])
    return (
        f"Training seed{'s' if len(seeds) > 1 else ''} {numbers}; {row.episodes} episodes of {row.steps} steps each; "
        f"in brackets {brackets}. Machine: {machine}."
    )


def _document(name: str, seeds: Sequence[Seed], table: str, drawn: bool) -> str:
    columns = ("modalities", *(f"seed {seed.seed}" for seed in seeds))
    averages, gaps = [], []
    for index in _indices(seeds):
        rows = [seed.rows[index] for seed in seeds]
        averages.append((label(rows[0]), *(_interval(row.average_reward) for row in rows)))
        gaps.append((label(rows[0]), *(_interval(row.gap) for row in rows)))
    picture = f"## Learning curves\n\n![Learning curves]({name}-learning-curves.png)\n" if drawn else ""
    parts = [
        f"# Results: {name}",
        table,
        _provenance(seeds),
        "## Average reward per step of each seed",
        markdown_table(columns, averages),
        "## Gap to the optimal controller of each seed, start by start",
        markdown_table(columns, gaps),
        picture.strip(),
        "## Commands",
        *(_commands(seed) for seed in seeds),
        f"All settings, versions and machines: [{name}.json]({name}.json). Values: [{name}.csv]({name}.csv).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _interval(estimate: Estimate) -> str:
    return with_interval(estimate.value, estimate.low, estimate.high)


def _commands(seed: Seed) -> str:
    lines = []
    for record in seed.records:
        facts = [f"{record['seconds'] / 60:.1f} min"] if "seconds" in record else []
        facts += [f"peak memory {record['peak_memory'] / 1e6:.0f} MB"] if "peak_memory" in record else []
        lines.append(f"{record['command_line']}{'  # ' + ', '.join(facts) if facts else ''}")
    return f"Seed {seed.seed}:\n\n```sh\n" + "\n".join(lines) + "\n```"


def _write_values(stem: Path, seeds: Sequence[Seed]) -> None:
    rows = [
        {"seed": seed.seed, "condition": label(row), "average_reward": row.average_reward.value, "gap": row.gap.value}
        | {"share": row.share.value, "episodes": row.episodes, "steps": row.steps}
        for seed in seeds
        for row in seed.rows
    ]
    write_csv(stem.with_suffix(".csv"), list(rows[0]), rows)


def _write_curves(stem: Path, seeds: Sequence[Seed]) -> bool:
    """Learning curves as CSV and PNG; whether there are any."""
    curves = {f"seed {seed.seed}": seed.curve for seed in seeds if seed.curve is not None}
    if not curves:
        return False
    points = [
        {"seed": seed.seed, "steps": steps, "average_reward": value}
        for seed in seeds
        if seed.curve is not None
        for steps, value in zip(*seed.curve, strict=True)
    ]
    write_csv(Path(f"{stem}-learning-curves.csv"), ("seed", "steps", "average_reward"), points)
    figure, _ = draw_learning_curves(curves, CURVE_LABEL)
    save_figure(figure, f"{stem}-learning-curves.png")
    return True
