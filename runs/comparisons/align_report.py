"""The report of `anysense align`: DCA scores, and UMAP pictures of all methods side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anysense.representations.benchmarks import Benchmark
from anysense.representations.evaluation.records import COMPLETE, Column, Record
from anysense.runs.comparisons.cells import estimate, methods_in, seeds_in_words, text
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.comparisons.done import Done, jobs_of, records_of, runs_of, seeds_of
from anysense.runs.comparisons.protocol import Protocol, filled
from anysense.runs.figures import modality_colours, new_figure
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table, counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["POINTS_FILE", "against", "align_report"]

POINTS_FILE = "embedding.npz"

SCORES = (
    Column("score_normalised", "harmonic mean of P, R and q / expected q", digits=2),
    Column("score_raw", "harmonic mean of P, R and q", digits=2),
    Column("score_without_quality", "harmonic mean of P and R", digits=2),
    Column("precision", "precision P", digits=2),
    Column("recall", "recall R", digits=2),
    Column("network_quality", "network quality q"),
    Column("network_consistency", "network consistency c", digits=2),
    Column("noise", "share of points in no component", digits=2, better="lower"),
)
TABLE_2 = {
    "image": ("0.01 ± 0.01", "0.21 ± 0.29", "0.00 ± 0.00", "0.54 ± 0.44", "0.00 ± 0.00", "0.96 ± 0.02"),
    "sound": ("0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.00 ± 0.00", "0.87 ± 0.16"),
    "trajectory": ("0.00 ± 0.00", "0.01 ± 0.01", "0.08 ± 0.02", "0.00 ± 0.00", "0.00 ± 0.00", "0.86 ± 0.05"),
    "label": ("0.99 ± 0.01", "0.74 ± 0.22", "0.43 ± 0.05", "0.93 ± 0.05", "0.85 ± 0.06", "1.00 ± 0.00"),
}
"""Published, on MHD (Poklukar et al., ICML 2022, Table 2); methods mvae, mmvae, nexus, muse, mfm, gmc."""
PANELS_PER_ROW = 4


def against(reference: str) -> str:
    """Condition of a record whose evaluation set is compared with the set ``reference``."""
    return f"against {reference}"


def align_report(found: Benchmark, done: Sequence[Done], run: RunFolder) -> Report:
    """What the analysis found."""
    records, settings = records_of(done), run.record["settings"]
    drawn = [one for one in done if one.folder is not None and (one.folder / POINTS_FILE).is_file()]
    sections = []
    for column in SCORES:
        sections.append(Section(f"{column.heading}, {column.better} is better", table=_table(found, records, column)))
        if column.key == "score_without_quality":
            sections += _published(found)
    if drawn:
        some = ", of the methods that this run analysed" if len(drawn) < len(methods_in(records)) else ""
        words = f"Complete and single-modality latents of the first seed{some}."
        sections.append(Section("UMAP", words, figure="umap"))
    return Report(
        title=f"Geometry of the latents: {found.title}",
        protocol=_protocol(found, done, settings),
        main=_table(found, records, SCORES[0]).turned("method, E"),
        sections=sections,
        figures={"umap": lambda: _picture(found, drawn)} if drawn else {},
        records=records,
        runs=runs_of(done),
        details={"jobs": jobs_of(done)},
    )


def _protocol(found: Benchmark, done: Sequence[Done], settings: Mapping[str, Any]) -> Protocol:
    trained = done[0].runs[0]["settings"]
    methods = {
        name: found.methods.get(name, name).partition(":")[0] for name in dict.fromkeys(one.method for one in done)
    }
    return Protocol(
        measured=f"Delaunay Component Analysis (Poklukar et al., ICLR 2022): the complete latents are the reference "
        f"set R, those of one modality alone the evaluation set E; {settings['rays']} rays, smallest component "
        f"{settings['min_cluster_size']}. Perfectly mixed sets reach a network quality of about 0.5, not 1. The papers "
        "do not say how one score is made of P, R and q, so three readings are given, each under its own name. The "
        f"table shows the {SCORES[0].title}.",
        training=f"the representations of `anysense classify`: all modalities present, "
        f"{counted(trained['training']['epochs'], 'epoch')}.",
        test="E has one modality of each sample, all others are missing; R has all.",
        filled=filled(methods),
        rates="none: a modality is missing for all samples of a set, or for none.",
        seeds=seeds_in_words(seeds_of(done)),
        splits=f"{settings['points']} test samples of {found.title}, drawn with the seed {settings['points_seed']}, "
        f"the same for all{f'; {found.split}' if found.split else ''}.",
    )


def _table(found: Benchmark, records: Sequence[Record], column: Column) -> Table:
    methods, rows = methods_in(records), []
    for name in (*found.modalities, COMPLETE):
        label = "complete (halves)" if name == COMPLETE else name
        cells = [estimate(records, method, name, column.key, against(COMPLETE)) for method in methods]
        rows.append((label, *(text(column, one) for one in cells)))
    return Table(("E", *methods), rows)


def _published(found: Benchmark) -> list[Section]:
    if found.published is None or found.published.data != "MHD":
        return []
    data = "" if found.title == "MHD" else ", and not on these data"
    return [
        Section(
            "Published DCA score, on MHD",
            f"Not measured here{data}; which reading it is, is not known: Poklukar et al., ICML 2022, Table 2 (5 runs, "
            "10 000 samples, mean and standard deviation).",
            Table(
                ("E", "mvae", "mmvae", "nexus", "muse", "mfm", "gmc"),
                [(name, *values) for name, values in TABLE_2.items()],
            ),
        )
    ]


def _picture(found: Benchmark, drawn: Sequence[Done]) -> "Figure":
    """One panel per method; complete latents in grey below, modalities in colour."""
    rows = -(-len(drawn) // PANELS_PER_ROW)
    columns = -(-len(drawn) // rows)
    figure = new_figure(3.2 * columns, 3.2 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw={"xticks": [], "yticks": []}).ravel()
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    colours = modality_colours(tuple(found.modalities))
    for ax, one in zip(axes, drawn, strict=False):
        assert one.folder is not None
        with np.load(one.folder / POINTS_FILE, allow_pickle=False) as points:
            ax.scatter(*points[COMPLETE].T, s=6, color="#999999", label=COMPLETE, linewidths=0, rasterized=True)
            for name, colour in colours.items():
                ax.scatter(*points[name].T, s=2, color=colour, label=name, linewidths=0, rasterized=True)
        ax.spines[:].set_color("#cccccc")
        ax.set_title(one.method, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=min(len(names), 3 * columns), markerscale=4, frameon=False
    )
    return figure
