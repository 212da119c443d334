"""The one writer of reports: Markdown, CSV, JSON, LaTeX, figures and a page from records."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.common.files import write_text
from anysense.common.machine import machine_line
from anysense.runs.comparisons.blocks import write_block
from anysense.runs.comparisons.contents import Report, Section, record_of
from anysense.runs.figures import write_figure
from anysense.runs.page.write import write_run_page
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import latex_table, markdown_table, print_table, wrapped

__all__ = ["Report", "Section", "machines_of", "print_report", "record_of", "write_report", "write_run_report"]


def print_report(report: Report) -> None:
    """The main table on the terminal, with the protocol below it."""
    print_table(_caption(report), report.main)
    cautions = [report.caution] if report.caution else []
    print(*map(wrapped, [*cautions, *(f"{title}: {text}" for title, text in report.protocol.points())]), sep="\n")


def write_run_report(report: Report, run: RunFolder, docs: Path | None = None, readme: Path | None = None) -> None:
    """Write `results/report.*` and `figures/` of a run.

    If asked for, also a copy without the page to the file name `docs`, and the main table with its protocol into the
    block of the document `readme` that is called as `docs`.
    """
    report = report.drawn_once()
    write_report(report, run.results("report"), run.figure)
    write_run_page(report, run)
    if docs is None:
        return
    write_report(report, docs)
    if readme is not None:
        target = os.path.relpath(docs.with_name(f"{docs.name}.md"), readme.parent)
        notes = f"{machines_of(report.runs)} All subsets, figures, settings: [{target}]({target})."
        parts = (markdown_table(report.main), report.protocol.markdown(), notes)
        write_block(readme, docs.name, "\n\n".join(parts))


def write_report(report: Report, stem: Path, figure: Callable[[str], Path] | None = None) -> None:
    """Write STEM.md, STEM.csv (one row per value), STEM.json (values, runs, details), STEM.tex and the figures.

    ``figure`` gives the path of a figure from its file name; STEM-NAME.png by default. SVG and PDF lie beside it.
    """
    paths = {}
    for name, draw in report.figures.items():
        path = figure(f"{name}.png") if figure is not None else stem.with_name(f"{stem.name}-{name}.png")
        if write_figure(draw, path) is not None:
            paths[name] = os.path.relpath(path, stem.parent)
    rows = [record.to_json() for record in report.records]
    head = {"title": report.title, "about": report.about, "runs": list(report.runs), "details": dict(report.details)}
    write_text(stem.with_name(f"{stem.name}.md"), _document(report, stem.name, paths))
    write_text(stem.with_name(f"{stem.name}.csv"), report.csv())
    write_text(stem.with_name(f"{stem.name}.json"), _as_json(head, rows))
    write_text(stem.with_name(f"{stem.name}.tex"), _latex(report))


def _as_json(head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    """Indented JSON; below it the records, each on a line and without an interval that it does not have."""
    kept = [{name: value for name, value in row.items() if name == "value" or value is not None} for row in rows]
    lines = ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in kept)
    return f'{json.dumps(head, indent=2, allow_nan=False)[:-2]},\n  "records": [\n{lines}\n  ]\n}}\n'


def _document(report: Report, name: str, figures: Mapping[str, str]) -> str:
    about = [f"{report.about}."] if report.about else []
    cautions = [f"**{report.caution}**"] if report.caution else []
    parts = [
        f"# {report.title}",
        *about,
        markdown_table(report.main),
        *cautions,
        "How it was measured, here and below:",
    ]
    parts += [report.protocol.markdown(), _commands(report.runs)]
    for section in report.sections:
        parts += [f"## {section.heading}"] if section.heading else []
        parts += [section.text] if section.text else []
        parts += [markdown_table(section.table)] if section.table is not None else []
        if section.figure is not None and section.figure in figures:
            parts.append(f"![{section.heading or section.figure}]({figures[section.figure]})")
    parts.append(
        f"All values: [{name}.csv]({name}.csv). Settings, versions, machines: [{name}.json]({name}.json). "
        f"Tables for LaTeX: [{name}.tex]({name}.tex)."
    )
    return "\n\n".join(parts) + "\n"


def _commands(runs: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for run in runs:
        facts = [f"{run['seconds'] / 60:.1f} min"] if "seconds" in run else []
        facts += [f"peak memory {run['peak_memory'] / 1e6:.0f} MB"] if "peak_memory" in run else []
        lines.append(f"{run['command_line']}{'  # ' + ', '.join(facts) if facts else ''}")
    block = "```sh\n" + "\n".join(lines) + "\n```"
    return f"{block}\n\n{machines_of(runs)}"


def machines_of(runs: Sequence[Mapping[str, Any]]) -> str:
    """What runs were done on, as a sentence."""
    machines = dict.fromkeys(machine_line(run["machine"]) for run in runs)
    return f"Machine{'s' if len(machines) > 1 else ''}: {'; '.join(machines)}."


def _latex(report: Report) -> str:
    tables = [(_caption(report), report.main)]
    tables += [(part.heading or report.title, part.table) for part in report.sections if part.table is not None]
    protocol = "".join(f"% {title}: {text}\n" for title, text in report.protocol.points())
    return (
        f"% Needs \\usepackage{{booktabs}}.\n{protocol}"
        + "\n\n".join(latex_table(table, caption) for caption, table in tables)
        + "\n"
    )


def _caption(report: Report) -> str:
    return f"{report.title}: {report.about}" if report.about else report.title
