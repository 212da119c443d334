"""`anysense report`: finished runs as one page; evaluations of several seeds as one table with learning curves."""

import dataclasses
import importlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import tyro

from anysense.agents.summary import columns_of
from anysense.common.files import write_text
from anysense.envs.world import stored_world
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.comparisons.blocks import check_block, write_block
from anysense.runs.comparisons.cells import FEWEST_SEEDS, estimate
from anysense.runs.comparisons.evaluate_report import evaluation_protocol, figures_and_sections
from anysense.runs.comparisons.report import Report, Section, machines_of, print_report, write_report
from anysense.runs.evaluation_report import evaluation_table, input_label, inputs_of, training_in_words
from anysense.runs.gathering import Seed, gathered, why_apart
from anysense.runs.page.write import Part, clips_of_run, write_page, write_pages
from anysense.runs.run_folder import RunFolder, check_name
from anysense.runs.settings import TracebackSettings, parse
from anysense.runs.tables import Table, markdown_table, with_interval
from anysense.runs.worlds import named_world

__all__ = ["ReportCommand", "main"]

EVALUATIONS = ("demo", "evaluate")
"""Commands whose runs hold the evaluation of one agent."""
COMPARISONS = ("compare", "classify", "retrieve", "align", "tune")
"""Commands whose runs hold a comparison; the module of each offers `report_of`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportCommand(TracebackSettings):
    """Show finished runs in one page: tables with intervals, charts, clips with sound, settings, commands.

    Takes the run folders of `anysense demo`, `evaluate`, `compare`, `classify`, `retrieve` and `align`. NAME.html holds
    all it shows, without network: it can be sent to others. Evaluations of agents that differ only in the seed of
    their training, of the same episodes, are gathered into one table with intervals over seeds. All others come as
    parts of their own on one page with a table of contents.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""
    out: Path = Path("out/report")
    """Folder for NAME.html; for runs of one kind also for NAME.md, NAME.csv, NAME.json, NAME.tex and the figures."""
    name: str = "agents"
    """Name of these files."""
    readme: Path | None = None
    """Document whose block between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->` becomes the table."""
    env: str | None = None
    """Id of the environment as module:Name-v0; needed where its module belongs to no installed package."""
    reproduction: Path | None = None
    """Instead of run folders: a folder with the JSON files of reports of comparisons. Writes `reproduction.md` into
    --out: what became of the claims of the papers."""


def main(arguments: Sequence[str]) -> None:
    """Write the report and, if asked for, the block of the README."""
    settings = parse_report(arguments)
    if settings.reproduction is not None:
        _write_reproduction(settings, settings.reproduction, shlex.join(["anysense", "report", *arguments]))
        return
    check_name(settings.name)
    if settings.env is not None:
        named_world(settings.env)
    parts, stem = _parts(settings.name, settings.runs), settings.out / settings.name
    if settings.readme is not None:
        if len(parts) > 1:
            raise ValueError(f"`readme` takes the runs of one report, got those of {len(parts)}; leave out --readme.")
        check_block(settings.readme, settings.name)
    page = stem.with_name(f"{stem.name}.html")
    if len(parts) > 1:
        write_pages(f"Results: {settings.name}", parts, page)
    else:
        _write_one(parts[0], stem, settings.readme)
    for part in parts:
        print_report(part.report)
        if part.note:
            print(part.note)
    if len(parts) == 1:
        print(f"Report: {stem.with_name(f'{stem.name}.md')}")
    print(f"Page: {page}")


def _write_one(part: Part, stem: Path, readme: Path | None) -> None:
    """All files of one report."""
    report = part.report
    write_report(report, stem)
    write_page(report, stem.with_name(f"{stem.name}.html"), part.clips)
    if readme is not None:
        target = os.path.relpath(stem.with_name(f"{stem.name}.md"), readme.parent)
        link = f"{machines_of(report.runs)} Each seed, learning curves, settings: [{target}]({target})."
        write_block(readme, stem.name, "\n\n".join((markdown_table(report.main), report.protocol.markdown(), link)))


def _parts(name: str, paths: Sequence[Path]) -> list[Part]:
    """The parts of a page, in the order of the runs; evaluations of one training with several seeds are one part."""
    places = [path.resolve() for path in paths]
    for path in paths:
        if places.count(path.resolve()) > 1:
            raise ValueError(f"`runs` names {path} twice.")
    found = [_read(path) for path in paths]
    groups = gathered([one for one in found if isinstance(one, Seed)])
    single = len(groups) + sum(isinstance(one, Part) for one in found) == 1
    parts, shown = list[Part](), list[list[Seed]]()
    for one in found:
        if isinstance(one, Part):
            parts.append(one)
            continue
        group = next(group for group in groups if one in group)
        if group not in shown:
            parts.append(_part(name if single else _title(group, groups), group, shown))
            shown.append(group)
    return parts


def _read(path: Path) -> Seed | Part:
    """The evaluation that a run holds, or the report of its comparison."""
    run = RunFolder.open(path)
    command = run.record["command"]
    if command in EVALUATIONS:
        return Seed.read(path)
    if command in COMPARISONS:
        module = importlib.import_module(f"anysense.runs.commands.{command}")
        return Part(module.report_of(run).drawn_once())
    raise ValueError(
        f"`{path}` is a run of `anysense {command}`, which has no report; expected runs of "
        f"{', '.join((*EVALUATIONS, *COMPARISONS))}."
    )


def _title(group: Sequence[Seed], groups: Sequence[Sequence[Seed]]) -> str:
    """The environment, with the runs behind it where several groups are of the same one."""
    env = str(group[0].details["world"]["id"])
    same = sum(other[0].details["world"]["id"] == env for other in groups)
    return f"{env}, {', '.join(one.label for one in group)}" if same > 1 else env


def _part(name: str, seeds: Sequence[Seed], before: Sequence[Sequence[Seed]]) -> Part:
    """The report of evaluations that differ in their seed; ``before`` are those that stand above it on the page."""
    report = _report(name, seeds).drawn_once()
    begin = [f"seed {seed.seed}: " if len(seeds) > 1 else "" for seed in seeds]
    clips = [clip for seed, text in zip(seeds, begin, strict=True) for clip in clips_of_run(seed.run, report, text)]
    return Part(report, clips, why_apart(seeds, before))


def _write_reproduction(settings: ReportCommand, folder: Path, command: str) -> None:
    from anysense.runs.comparisons.reproduction import reproduction_page, result_files

    if settings.runs or settings.readme is not None:
        raise ValueError("`reproduction` takes a folder of result files; leave out run folders and --readme.")
    page = settings.out / "reproduction.md"
    write_text(page, reproduction_page(result_files(folder), page, folder, command))
    print(f"Page: {page}")


def parse_report(arguments: Sequence[str]) -> ReportCommand:
    """Settings from the command line."""
    if not arguments:
        raise ValueError("`RUN` is missing; give run folders, for example out/evaluate/001.")
    return parse(ReportCommand(runs=()), arguments, "report", {"runs": "RUN"})


def _report(name: str, seeds: Sequence[Seed]) -> Report:
    world = stored_world(seeds[0].details["world"])
    records = list(dict.fromkeys(record for seed in seeds for record in seed.records))
    modalities, columns = tuple(seeds[0].details["modalities"]), columns_of(world)
    shown = [column for column in columns if column.key != "return" or world.score == "return"]
    curves = {f"seed {seed.seed}": seed.curve for seed in seeds if seed.curve is not None}
    figures, sections = figures_and_sections(records, seeds[0].details, curves)
    sections[1:1] = [
        Section(f"{column.heading} of each seed", table=_by_seed(column, seeds, records))
        for column in columns
        if len(seeds) > 1 and column.key in (columns[0].key, "gap")
    ]
    first = seeds[0].details
    protocol = evaluation_protocol(
        first, records, seeds[0].runs, _seeds_in_words(seeds), (first["episodes"], first["steps"])
    )
    return Report(
        title=f"Results: {name}",
        about=training_in_words(seeds[0].details, [seed.seed for seed in seeds]),
        protocol=protocol,
        main=evaluation_table(records, world, modalities, shown),
        sections=sections,
        figures=figures,
        records=records,
        runs=[run for seed in seeds for run in seed.runs],
        details={"curves": {name: dict(zip(("steps", "score"), curve, strict=True)) for name, curve in curves.items()}},
    )


def _seeds_in_words(seeds: Sequence[Seed]) -> str:
    """The seeds, and what the brackets mean."""
    brackets = "in brackets 95% bootstrap intervals over episodes"
    if len(seeds) > 1:
        brackets = "no interval of two seeds" if len(seeds) < FEWEST_SEEDS else "in brackets 95% t intervals over seeds"
        brackets += " (references: 95% bootstrap intervals over episodes)"
    numbers = ", ".join(str(seed.seed) for seed in seeds)
    return f"training seed{'s' if len(seeds) > 1 else ''} {numbers}; {brackets}."


def _by_seed(column: Column, seeds: Sequence[Seed], records: Sequence[Record]) -> Table:
    """One column per seed, with intervals over episodes."""
    rows = []
    for subset, condition in inputs_of(records):
        found = [estimate(seed.records, seed.records[0].method, subset, column.key, condition) for seed in seeds]
        texts = [with_interval(one.value, one.low, one.high, column.digits) for one in found]
        rows.append((input_label(subset, condition), *texts))
    return Table(("input", *(f"seed {seed.seed}" for seed in seeds)), rows)
