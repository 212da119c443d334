"""The pendulum comparison as Markdown, CSV, JSON and a chart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from anysense.agents.summary import Row
from anysense.common.files import write_csv, write_json, write_text
from anysense.common.machine import machine_line
from anysense.common.statistics import Estimate
from anysense.envs.pendulum.references import OPTIMAL
from anysense.runs.comparisons.classify_figures import COLOURS
from anysense.runs.comparisons.classify_scores import Score, over_seeds, seeds_in_words
from anysense.runs.evaluation_report import REFERENCES, label
from anysense.runs.figures import new_axes, save_figure
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import counted, markdown_table, print_table

__all__ = ["Compared", "print_comparison", "write_comparison"]

REWARD = Score("average_reward", "average reward per step")
_BARS = (COLOURS[0], COLOURS[5], COLOURS[2])


@dataclasses.dataclass(frozen=True)
class Compared:
    """The evaluation of one method with one seed."""

    method: str
    seed: int
    rows: tuple[Row, ...]
    result: dict[str, Any]

    @classmethod
    def of(cls, method: str, seed: int, result: dict[str, Any]) -> Compared:
        """From the result of a job."""
        return cls(method, seed, tuple(Row.from_json(row) for row in result["rows"]), result)

    def agent_rows(self) -> list[Row]:
        """Rows of the agent, one per subset of modalities."""
        return [row for row in self.rows if row.name not in REFERENCES]

    def reference_rows(self) -> list[Row]:
        """Rows of the reference controllers."""
        return [row for row in self.rows if row.name in REFERENCES]


def print_comparison(compared: Sequence[Compared]) -> None:
    """The table on the terminal."""
    columns, rows = _table(compared, "average_reward")
    print_table("Average reward per step", columns, rows)


def write_comparison(compared: Sequence[Compared], run: RunFolder, docs: Path | None) -> None:
    """Write `results/` and `figures/` of the run and, if asked for, a copy of the report elsewhere."""
    figure = _draw(compared)
    save_figure(figure, run.figure("average_reward.png"))
    _write(run.results("report"), compared, run, "../figures/average_reward.png")
    if docs is not None:
        save_figure(figure, docs.with_name(f"{docs.name}.png"))
        _write(docs, compared, run, f"{docs.name}.png")


def _write(stem: Path, compared: Sequence[Compared], run: RunFolder, picture: str) -> None:
    write_text(stem.with_name(f"{stem.name}.md"), _document(compared, run, stem.name, picture))
    values = [
        {"method": one.method, "seed": one.seed, "condition": label(row)}
        | {"average_reward": row.average_reward.value, "gap": row.gap.value, "share": row.share.value}
        for one in compared
        for row in one.rows
    ]
    write_csv(stem.with_name(f"{stem.name}.csv"), list(values[0]), values)
    record = {key: run.record[key] for key in ("command_line", "settings", "seed", "started", "versions", "machine")}
    jobs = [{"method": one.method, "seed": one.seed, **one.result} for one in compared]
    write_json(stem.with_name(f"{stem.name}.json"), {"run": record, "jobs": jobs})


def _document(compared: Sequence[Compared], run: RunFolder, name: str, picture: str) -> str:
    settings, row = run.record["settings"], compared[0].rows[0]
    introduction = (
        f"Average reward per step of agents whose modalities are different representations. Every representation was "
        f"pretrained on the same {settings['samples']} samples for {counted(settings['epochs'], 'epoch')} and "
        f"frozen; every agent was trained on it with both modalities for {settings['steps']} environment steps, and meets "
        f"image and sound alone only here. {counted(row.episodes, 'episode')} of {counted(row.steps, 'step')}, the "
        f"same starts for all. {seeds_in_words(one.seed for one in compared)}"
    )
    parts = [
        "# Representations as modalities of the pendulum agent",
        introduction,
        markdown_table(*_table(compared, "average_reward")),
        f"```sh\n{run.record['command_line']}\n```",
        f"Machine: {machine_line(run.record['machine'])}.",
        f"![Average reward per step]({picture})",
        "## Gap to the optimal controller, start by start",
        markdown_table(*_table(compared, "gap")),
        "## Cost",
        markdown_table(*_costs(compared)),
        f"Each seed: [{name}.csv]({name}.csv). Settings, versions, every job: [{name}.json]({name}.json).",
    ]
    return "\n\n".join(parts) + "\n"


def _table(compared: Sequence[Compared], quantity: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    conditions = [label(row) for row in compared[0].agent_rows()]
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(one.method for one in compared):
        estimates = _estimates([one for one in compared if one.method == method], quantity)
        rows.append((method, *(REWARD.text(estimate) for estimate in estimates)))
    for row in compared[0].reference_rows():
        value = getattr(row, quantity).value
        rows.append((label(row), *(f"{value:.3f}" for _ in conditions)))
    return ("method", *conditions), rows


def _estimates(own: Sequence[Compared], quantity: str) -> list[Estimate]:
    """Over seeds, for each subset of modalities."""
    by_seed = [[getattr(row, quantity).value for row in one.agent_rows()] for one in own]
    return [over_seeds(values) for values in zip(*by_seed, strict=True)]


def _costs(compared: Sequence[Compared]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    rows = []
    for method in dict.fromkeys(one.method for one in compared):
        own = [one.result for one in compared if one.method == method]
        minutes = sum(result["pretraining_seconds"] for result in own) / len(own) / 60
        rows.append((method, f"{own[0]['latent_dim']}", f"{own[0]['parameters']:,}", f"{minutes:.2f}"))
    return ("method", "latent size", "parameters", "pretraining (min)"), rows


def _draw(compared: Sequence[Compared]) -> Figure:
    """Bars: one group per method, one bar per subset of modalities with its mean; a dot for each seed."""
    methods = list(dict.fromkeys(one.method for one in compared))
    conditions = [label(row) for row in compared[0].agent_rows()]
    figure, ax = new_axes(width=max(6.0, 1.4 * len(methods)), height=4.2)
    width = 0.85 / len(conditions)
    table = [_estimates([one for one in compared if one.method == method], "average_reward") for method in methods]
    for place, condition in enumerate(conditions):
        centres = np.arange(len(methods)) + (place - (len(conditions) - 1) / 2) * width
        values = [row[place].value for row in table]
        ax.bar(centres, values, width, color=_BARS[place % len(_BARS)], label=condition)
        for centre, value in zip(centres, values, strict=True):
            ax.annotate(f"{value:.2f}", (centre, value / 2), ha="center", va="center", fontsize=8, color="white")
        places = [centres[methods.index(one.method)] for one in compared]
        ax.plot(places, [one.agent_rows()[place].average_reward.value for one in compared], "k.", ms=4)
    optimal = next(row for row in compared[0].reference_rows() if row.name == OPTIMAL)
    ax.axhline(optimal.average_reward.value, ls="--", color="#222222", lw=1, label=label(optimal))
    ax.set_xticks(np.arange(len(methods)), methods)
    ax.set_ylabel("average reward per step (dots: seeds)")
    ax.legend(ncols=len(conditions) + 1, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return figure
