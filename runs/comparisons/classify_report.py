"""The outcome of a comparison as Markdown, CSV, JSON and figures, in the layout of the papers' tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anysense.common.files import write_csv, write_json, write_text
from anysense.common.machine import machine_line
from anysense.representations.benchmarks import Benchmark
from anysense.runs.comparisons.classify_figures import draw_robustness, draw_subsets
from anysense.runs.comparisons.classify_scores import (
    CLASSIFICATION,
    SENTIMENT,
    Cell,
    Score,
    alignment_estimate,
    methods_in,
    modalities_label,
    robustness_estimate,
    scores_of,
    seeds_in_words,
    subset_estimate,
)
from anysense.runs.figures import save_figure
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import counted, markdown_table, print_table

__all__ = ["print_report", "write_report"]


def print_report(found: Benchmark, cells: Sequence[Cell]) -> None:
    """The main table on the terminal."""
    columns, rows = _main_table(found, cells)
    print_table(found.title, columns, rows)


def write_report(found: Benchmark, cells: Sequence[Cell], run: RunFolder, docs: Path | None) -> None:
    """Write `results/` and `figures/` of the run and, if asked for, a copy of the report elsewhere."""
    values = _tidy(found, cells)
    figures = {"subsets": draw_subsets(found, cells), "robustness": draw_robustness(found, cells)}
    for name, figure in figures.items():
        save_figure(figure, run.figure(f"{name}.png"))
    _write(run.results("report"), found, cells, run, values, "../figures/")
    if docs is not None:
        for name, figure in figures.items():
            save_figure(figure, docs.with_name(f"{docs.name}-{name}.png"))
        _write(docs, found, cells, run, values, f"{docs.name}-")


def _write(
    stem: Path, found: Benchmark, cells: Sequence[Cell], run: RunFolder, values: list[dict[str, Any]], figures: str
) -> None:
    write_text(stem.with_name(f"{stem.name}.md"), _document(found, cells, run, stem.name, figures))
    write_csv(stem.with_name(f"{stem.name}.csv"), list(values[0]), values)
    record = {key: run.record[key] for key in ("command_line", "settings", "seed", "started", "versions", "machine")}
    jobs = [{"method": cell.method, "seed": cell.seed, **cell.result} for cell in cells]
    write_json(stem.with_name(f"{stem.name}.json"), {"run": record, "jobs": jobs})


def _document(found: Benchmark, cells: Sequence[Cell], run: RunFolder, name: str, figures: str) -> str:
    main = _main_table(found, cells)
    parts = [
        f"# {found.title}",
        _introduction(found, cells, run),
        markdown_table(*main),
        *_published(found),
        "## Every subset of modalities",
        *_subset_tables(found, cells),
        f"![Every subset]({figures}subsets.png)",
        "## Modalities that go missing at random, sample by sample",
        f"{_robustness_score(found)}. Each modality of each sample is missing with this chance; one is always left.",
        markdown_table(*_robustness_table(found, cells)),
        f"![Robustness]({figures}robustness.png)",
        *_alignment(found, cells),
        "## Cost",
        markdown_table(*_cost_table(cells)),
        f"All values: [{name}.csv]({name}.csv). Settings, versions, every job: [{name}.json]({name}.json).",
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(found: Benchmark, cells: Sequence[Cell], run: RunFolder) -> str:
    settings = run.record["settings"]
    training = settings["training"]
    what = (
        "Accuracy in percent of a classifier that was trained on frozen latents of complete samples and is tested on "
        "each subset of modalities."
        if found.task == "classification"
        else "Scores on the test set with each subset of modalities; MAE: lower is better, all others: higher."
    )
    return (
        f"{what} {seeds_in_words(cell.seed for cell in cells)} Every method was trained on the same data for "
        f"{counted(training['epochs'], 'epoch')} in batches of {training['batch_size']} with Adam at "
        f"{training['learning_rate']:g} ({training['schedule']}), with the settings of preset "
        f"`{settings['preset']}`{_exceptions(found, cells)}.\n\n"
        f"```sh\n{run.record['command_line']}\n```\n\nMachine: {machine_line(run.record['machine'])}."
    )


def _exceptions(found: Benchmark, cells: Sequence[Cell]) -> str:
    """Methods that have the settings of one preset, whatever the run has."""
    presets = {name: found.methods[name].partition(":")[2] for name in methods_in(cells)}
    return "".join(f" (`{name}`: of preset `{preset}`)" for name, preset in presets.items() if preset)


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def _main_table(found: Benchmark, cells: Sequence[Cell]) -> Table:
    """Complete and single modalities: methods as columns (classification), or as rows below each input (sentiment)."""
    subsets = [modalities for modalities in found.subsets() if len(modalities) in (1, len(found.modalities))]
    return _table(found, cells, subsets, scores_of(found)[0])


def _subset_tables(found: Benchmark, cells: Sequence[Cell]) -> list[str]:
    if found.task == "sentiment":
        return [markdown_table(*_table(found, cells, found.subsets(), SENTIMENT[0]))]
    parts = []
    for score in CLASSIFICATION:
        parts += [f"### {score.heading}", markdown_table(*_table(found, cells, found.subsets(), score))]
    return parts


def _table(found: Benchmark, cells: Sequence[Cell], subsets: Sequence[tuple[str, ...]], score: Score) -> Table:
    methods = methods_in(cells)
    if found.task == "classification":
        rows = [
            (
                modalities_label(modalities, found),
                *(score.text(subset_estimate(cells, method, modalities, score.key)) for method in methods),
            )
            for modalities in subsets
        ]
        return ("input", *methods), rows
    rows = [
        (
            f"{modalities_label(modalities, found)}, {method}",
            *(s.text(subset_estimate(cells, method, modalities, s.key)) for s in SENTIMENT),
        )
        for modalities in subsets
        for method in methods
    ]
    return ("input, method", *(s.title for s in SENTIMENT)), rows


def _published(found: Benchmark) -> list[str]:
    table = found.published
    if table is None:
        return []
    methods = list(dict.fromkeys(method for row in table.rows.values() for method in row))
    keys = list(dict.fromkeys(key for row in table.rows.values() for entry in row.values() for key in entry))
    if len(keys) == 1:
        columns = ("input", *methods)
        rows = [(name, *(row[method][keys[0]] for method in methods)) for name, row in table.rows.items()]
    else:
        titles = {score.key: score.title for score in scores_of(found)}
        columns = ("input, method", *(titles[key] for key in keys))
        rows = [
            (f"{name}, {method}", *(row[method][key] for key in keys))
            for name, row in table.rows.items()
            for method in methods
        ]
    return [
        f"## Published, on {table.data}",
        f"Not measured here{'' if table.data == found.title else ', and not on these data'}: {table.source}.",
        markdown_table(columns, rows),
    ]


def _robustness_score(found: Benchmark) -> str:
    return "Accuracy of the classifier in percent" if found.task == "classification" else scores_of(found)[0].title


def _robustness_table(found: Benchmark, cells: Sequence[Cell]) -> Table:
    score, methods = scores_of(found)[0], methods_in(cells)
    keys = list(dict.fromkeys((row["rate"], row.get("with_label", True)) for row in cells[0].result["robustness"]))
    rows = []
    for rate, with_label in keys:
        label = f"{rate:.0%} missing" + ("" if with_label else f", never {found.label}")
        estimates = [robustness_estimate(cells, method, rate, with_label, score.key) for method in methods]
        rows.append((label, *(score.text(estimate) for estimate in estimates)))
    return ("chance", *methods), rows


def _alignment(found: Benchmark, cells: Sequence[Cell]) -> list[str]:
    if "alignment" not in cells[0].result:
        return []
    methods, rows = methods_in(cells), []
    for score in (Score("cosine", "cosine"), Score("retrieval", "retrieval", percent=True)):
        for name in found.modalities:
            estimates = [alignment_estimate(cells, method, name, score.key) for method in methods]
            rows.append((f"{score.title}, {name}", *(score.text(estimate) for estimate in estimates)))
    return [
        "## Alignment of single modalities with the complete latent",
        "Mean cosine with the complete latent of the same sample; and retrieval: how often (%) that one is the nearest "
        "of 256 (of all, if there are fewer).",
        markdown_table(("score, modality", *methods), rows),
    ]


def _cost_table(cells: Sequence[Cell]) -> Table:
    rows = []
    for method in methods_in(cells):
        own = [cell.result for cell in cells if cell.method == method]
        rows.append(
            (
                method,
                f"{own[0]['latent_dim']}",
                f"{own[0]['parameters']:,}",
                f"{sum(result['samples_per_second'] for result in own) / len(own):,.0f}",
                f"{sum(result['training_seconds'] for result in own) / len(own) / 60:.2f}",
                f"{sum(result['evaluation_seconds'] for result in own) / len(own):.0f}",
            )
        )
    columns = ("method", "latent size", "parameters", "samples/s", "training (min)", "evaluation (s)")
    return columns, rows


def _tidy(found: Benchmark, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    keys = [score.key for score in scores_of(found)]
    return [
        {"method": cell.method, "seed": cell.seed, "modalities": "+".join(row["modalities"])}
        | {key: row[key] for key in keys}
        for cell in cells
        for row in cell.result["subsets"]
    ]
