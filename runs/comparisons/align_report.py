"""Geometry of latents as Markdown, CSV, JSON and UMAP pictures of all methods side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anysense.common.files import write_csv, write_json, write_text
from anysense.common.machine import machine_line
from anysense.representations.benchmarks import Benchmark
from anysense.runs.comparisons.align_job import COMPLETE, POINTS_FILE
from anysense.runs.comparisons.classify_figures import COLOURS
from anysense.runs.comparisons.classify_scores import Score, over_seeds, seeds_in_words
from anysense.runs.figures import save_figure
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import markdown_table, print_table

__all__ = ["Aligned", "print_alignment", "write_alignment"]

SCORES = (
    Score("score_raw", "harmonic mean of P, R and q", digits=2),
    Score("score_normalised", "harmonic mean of P, R and q / expected q", digits=2),
    Score("score_without_quality", "harmonic mean of P and R", digits=2),
    Score("precision", "precision P", digits=2),
    Score("recall", "recall R", digits=2),
    Score("network_quality", "network quality q", digits=3),
    Score("network_consistency", "network consistency c", digits=2),
    Score("noise", "share of points in no component", digits=2),
)
TABLE_2 = {
    "image": ("0.01 ± 0.01", "0.21 ± 0.29", "0.00 ± 0.00", "0.54 ± 0.44", "0.00 ± 0.00", "0.96 ± 0.02"),
    "sound": ("0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.87 ± 0.16"),
    "trajectory": ("0.00 ± 0.00", "0.01 ± 0.01", "0.08 ± 0.02", "0.00 ± 0.00", "0.00 ± 0.00", "0.86 ± 0.05"),
    "label": ("0.99 ± 0.01", "0.74 ± 0.22", "0.43 ± 0.05", "0.93 ± 0.05", "0.85 ± 0.06", "1.00 ± 0.00"),
}
"""Published, on MHD (Poklukar et al., ICML 2022, Table 2); methods mvae, mmvae, nexus, muse, mfm, gmc."""


PANELS_PER_ROW = 4


@dataclasses.dataclass(frozen=True)
class Aligned:
    """The analysis of one method with one seed."""

    method: str
    seed: int
    folder: Path
    result: dict[str, Any]


def print_alignment(found: Benchmark, aligned: Sequence[Aligned]) -> None:
    """The main table on the terminal."""
    columns, rows = _table(found, aligned, SCORES[1])
    print_table(f"{found.title}: DCA, {SCORES[1].title}; reference: complete", columns, rows)


def write_alignment(
    found: Benchmark, aligned: Sequence[Aligned], run: RunFolder, compared: RunFolder, docs: Path | None
) -> None:
    """Write `results/` and `figures/` of the run and, if asked for, a copy of the report elsewhere."""
    picture = _picture(found, aligned)
    if picture is not None:
        save_figure(picture, run.figure("umap.png"))
    text = "../figures/umap.png" if picture is not None else None
    _write(run.results("report"), found, aligned, run, compared, text)
    if docs is None:
        return
    if picture is not None:
        save_figure(picture, docs.with_name(f"{docs.name}-umap.png"))
    _write(docs, found, aligned, run, compared, f"{docs.name}-umap.png" if picture is not None else None)


def _write(
    stem: Path,
    found: Benchmark,
    aligned: Sequence[Aligned],
    run: RunFolder,
    compared: RunFolder,
    picture: str | None,
) -> None:
    write_text(stem.with_name(f"{stem.name}.md"), _document(found, aligned, run, compared, stem.name, picture))
    values = [{"method": one.method, "seed": one.seed, **row} for one in aligned for row in one.result["pairs"]]
    write_csv(stem.with_name(f"{stem.name}.csv"), list(values[0]), values)
    keys = ("command_line", "settings", "seed", "started", "versions", "machine")
    records = {name: {key: one.record[key] for key in keys} for name, one in (("run", run), ("compared", compared))}
    write_json(stem.with_name(f"{stem.name}.json"), {**records, "pairs": values})


def _document(
    found: Benchmark,
    aligned: Sequence[Aligned],
    run: RunFolder,
    compared: RunFolder,
    name: str,
    picture: str | None,
) -> str:
    settings = run.record["settings"]
    parts = [
        f"# Geometry of the latents: {found.title}",
        f"Delaunay Component Analysis (Poklukar et al., ICLR 2022) of {settings['points']} test samples: the complete "
        f"latents are the reference set R, those of one modality alone the evaluation set E; {settings['rays']} rays, "
        f"smallest component {settings['min_cluster_size']}. {seeds_in_words(one.seed for one in aligned)} Perfectly "
        f"mixed sets reach a network quality of about 0.5, not 1. The papers do not say how one score is made of P, R "
        f"and q, so three readings are given, each under its own name.",
        f"```sh\n{compared.record['command_line']}\n{run.record['command_line']}\n```",
        f"Machine: {machine_line(run.record['machine'])}.",
    ]
    for score in SCORES:
        parts += [f"## {score.heading}", markdown_table(*_table(found, aligned, score))]
        if score is SCORES[2] and found.settings_name == "mhd":
            parts += _published(found)
    if picture is not None:
        parts += ["## UMAP", f"Complete and single-modality latents of the first seed.\n\n![UMAP]({picture})"]
    parts.append(f"Every pair of sets and seed: [{name}.csv]({name}.csv). Settings: [{name}.json]({name}.json).")
    return "\n\n".join(parts) + "\n"


def _published(found: Benchmark) -> list[str]:
    data = "" if found.title == "MHD" else ", and not on these data"
    columns = ("E", "mvae", "mmvae", "nexus", "muse", "mfm", "gmc")
    return [
        "### Published DCA score, on MHD",
        f"Not measured here{data}; which reading it is, is not known: Poklukar et al., ICML 2022, Table 2 (5 runs, "
        "10 000 samples, mean and standard deviation).",
        markdown_table(columns, [(name, *values) for name, values in TABLE_2.items()]),
    ]


def _table(found: Benchmark, aligned: Sequence[Aligned], score: Score) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    methods = list(dict.fromkeys(one.method for one in aligned))
    rows = []
    for name in (*found.modalities, COMPLETE):
        label = "complete (halves)" if name == COMPLETE else name
        texts = []
        for method in methods:
            own = [one for one in aligned if one.method == method]
            texts.append(score.text(over_seeds([_value(one, name, score.key) for one in own])))
        rows.append((label, *texts))
    return ("E", *methods), rows


def _value(one: Aligned, evaluation: str, key: str) -> float:
    pairs = one.result["pairs"]
    wanted = [row for row in pairs if (row["reference"], row["evaluation"]) == (COMPLETE, evaluation)]
    return float(wanted[0][key])


def _picture(found: Benchmark, aligned: Sequence[Aligned]) -> Figure | None:
    """One panel per method; complete latents in grey below, modalities in colour."""
    drawn = [one for one in aligned if (one.folder / POINTS_FILE).is_file()]
    if not drawn:
        return None
    rows = -(-len(drawn) // PANELS_PER_ROW)
    columns = -(-len(drawn) // rows)
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw={"xticks": [], "yticks": []}).ravel()
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    for ax, one in zip(axes, drawn, strict=False):
        with np.load(one.folder / POINTS_FILE, allow_pickle=False) as points:
            ax.scatter(*points[COMPLETE].T, s=6, color="#999999", label=COMPLETE, linewidths=0)
            for place, name in enumerate(found.modalities):
                ax.scatter(*points[name].T, s=2, color=COLOURS[(0, 5, 2, 4)[place % 4]], label=name, linewidths=0)
        ax.spines[:].set_color("#cccccc")
        ax.set_title(one.method, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, markerscale=4, frameon=False)
    return figure
