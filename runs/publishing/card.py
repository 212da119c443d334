"""The model card: what an agent or a representation does, how it was made and measured, and where its limits are."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.agents.description import AGENT, read_agent_description
from anysense.agents.summary import columns_of
from anysense.common.errors import reading
from anysense.common.files import sha256_of
from anysense.common.machine import machine_line
from anysense.envs.world import stored_world
from anysense.representations.description import read_representation_description
from anysense.runs.comparisons.evaluate_report import options_in_words
from anysense.runs.evaluation_report import input_label, sentence
from anysense.runs.publishing.contents import Contents
from anysense.runs.publishing.front_matter import front_matter, model_index
from anysense.runs.tables import Table, markdown_table

__all__ = ["card_of"]

TASKS = {"agent": "reinforcement-learning", "representation": "feature-extraction"}
"""What the hub calls them."""
MEASURED = {"retrieval/": "{} finds its joint latent among those of up to 256 samples", "kernel_probe/": "R² of {}"}
"""Columns of a pretraining that a card shows, by how they begin."""


def card_of(contents: Contents, folder: Path, repo: str, license_name: str | None) -> str:
    """The card of what was written into a folder.

    Args:
        contents: What it is.
        folder: Where all that goes on the hub lies, but for the card.
        repo: Name of the repository.
        license_name: Licence as the hub calls it; None if none is stated.
    """
    name = repo.rpartition("/")[2]
    agent = read_agent_description(contents.folder) if contents.export is AGENT else None
    inside = contents.folder if agent is None else contents.folder / "representation"
    described = read_representation_description(inside)
    results = _agent_results(contents) if agent is not None else _representation_results(contents, described)
    head: dict[str, Any] = {"library_name": "anysense"} | ({} if license_name is None else {"license": license_name})
    head |= {"pipeline_tag": TASKS[contents.export.kind], "tags": _tags(agent, described)}
    head |= {"model-index": model_index(name, results)} if results else {}
    parts = [front_matter(head), f"# {name}", _summary(contents, agent, described), *_use(contents, repo)]
    parts += [*_measured(contents), *_shown(folder), *_made(contents, agent, described)]
    parts += ["## Limits", _points(_limits(contents, agent, described)), *_files(folder)]
    stated = "No licence is stated; ask the owner of this repository." if license_name is None else license_name
    parts += ["## Licence", f"Weights and files of this repository: {stated}"]
    return "\n\n".join(parts).replace("---\n\n\n", "---\n\n") + "\n"


def _tags(agent: Mapping[str, Any] | None, described: Mapping[str, Any]) -> list[str]:
    made = (
        [described["method"]] if agent is None else ["reinforcement-learning", agent["algorithm"], described["method"]]
    )
    world = described["world"] if agent is None else agent["world"]
    env = [] if world is None else [world["id"].rpartition(":")[2]]
    return ["anysense", "multimodal", "missing-modalities", *made, *env]


def _summary(contents: Contents, agent: Mapping[str, Any] | None, described: Mapping[str, Any]) -> str:
    modalities = [modality["name"] for modality in described["modalities"]]
    if agent is None:
        world = described["world"]
        where = f" of `{world['id']}`" if world is not None else ""
        return (
            f"A representation (method {described['method']}) that maps any subset of the modalities "
            f"{', '.join(modalities)}{where} to a latent of {described['latent_dim']} numbers. It was "
            "pretrained with anysense: agents that keep acting when a modality goes missing."
        )
    text = (
        f"An agent for `{agent['world']['id']}` that acts on any of {', '.join(modalities)}, and keeps acting "
        "when some of them go missing. It was trained with anysense; raw observations go in, actions come out."
    )
    if contents.report is None:
        return text
    world = stored_world(agent["world"])
    return f"{text}\n\n{sentence(contents.report.records, world, agent['modalities'], modalities)}"


def _use(contents: Contents, repo: str) -> Iterator[str]:
    named = f"hub:{repo}"
    yield "## Use"
    if contents.export is AGENT:
        lines = [f"anysense evaluate --agent {named}", f"anysense play --agent {named}"]
        code = ["from anysense.agents import Agent", "", f'agent = Agent.load("{named}")']
    else:
        lines = [f"anysense train --representation {named}"]
        code = ["from anysense.representations import load_representation", ""]
        code += [f'representation = load_representation("{named}")']
    yield "\n".join(["```sh", "pip install 'anysense[hub]'", *lines, "```"])
    yield "\n".join(["```python", *code, "```"])
    yield f"`{named}@COMMIT` stays the same for ever. Nothing is unpickled: tensors are safetensors, all else is JSON."


def _measured(contents: Contents) -> Iterator[str]:
    yield "## Results"
    if contents.report is not None:
        yield markdown_table(contents.report.main)
        yield contents.report.protocol.markdown()
        return
    values = _pretraining(contents.folder.parent / "metrics.csv") if contents.export is not AGENT else {}
    if not values:
        yield "It was not evaluated before it was pushed."
        return
    yield markdown_table(Table(("measured", "value"), [(name, f"{value:.4f}") for name, value in values.items()]))
    yield "Measured on held-out samples after the best epoch of one pretraining, so without intervals."


def _shown(folder: Path) -> Iterator[str]:
    figures = sorted((folder / "figures").glob("*.png"))
    yield from (f"![{path.stem.replace('-', ' ')}](figures/{path.name})" for path in figures)
    clips = sorted(path for kind in ("mp4", "gif", "wav") for path in (folder / "clips").glob(f"*.{kind}"))
    if clips:
        yield "Clips, with what the agent perceives beside the picture:"
        yield _points(f"[{path.stem}](clips/{path.name.replace(' ', '%20')})" for path in clips)


def _made(contents: Contents, agent: Mapping[str, Any] | None, described: Mapping[str, Any]) -> Iterator[str]:
    yield "## How it was made"
    runs = contents.runs
    if runs:
        yield "\n".join(["```sh", *(run["command_line"] for run in runs), "```"])
        machines = dict.fromkeys(machine_line(run["machine"]) for run in runs if "machine" in run)
        yield f"Machine{'s' if len(machines) > 1 else ''}: {'; '.join(machines)}."
    rows = [("method", described["method"]), *_flat("method", described["settings"])]
    if described["networks"] is not None:
        rows += [("networks", described["networks"]["family"]), *_flat("networks", described["networks"]["settings"])]
    if agent is not None:
        rows += [("algorithm", agent["algorithm"]), *_flat("training", agent["facts"])]
        rows += [("trained with", ", ".join(agent["modalities"]))]
    for run in runs:
        rows += _flat(run["command"], run["settings"])
    yield markdown_table(Table(("setting", "value"), rows))
    versions = {name: version for run in runs for name, version in run.get("versions", {}).items()}
    if versions:
        yield f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."


def _flat(where: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings in words; those that hold nothing are left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{where}.{name}", value)
        elif value not in (None, [], ""):
            yield f"{where}.{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _limits(contents: Contents, agent: Mapping[str, Any] | None, described: Mapping[str, Any]) -> Iterator[str]:
    shapes = ", ".join(f"{one['name']} {tuple(one['shape'])} {one['dtype']}" for one in described["modalities"])
    yield f"Takes observations of exactly these shapes: {shapes}. Others are refused."
    stored = described["world"] if agent is None else agent["world"]
    if stored is not None:
        options = options_in_words(stored_world(stored)) if agent is None or contents.report is not None else ""
        yield (
            f"Knows {stored['id']}{f' {options}' if options else ''} alone. Other environments, options and sensors "
            "were not tried. It is a simulation: nothing was measured outside of it."
        )
    if agent is not None:
        seed = agent["facts"].get("seed", "unknown")
        yield (f"One training (seed {seed}): trainings with other seeds give other agents, which no interval covers.")
    if contents.report is None:
        yield "No evaluation comes with it: how well it does is not known from here."
        return
    conditions = dict.fromkeys(record.condition for record in contents.report.records if record.condition)
    tried = (
        f"Besides missing modalities, these were tried: {', '.join(conditions)}."
        if conditions
        else (
            "Corrupted, delayed or noisy sensors were not tried: only modalities that are there or missing as a whole."
        )
    )
    yield tried
    yield "Numbers depend on the episodes and, in their last digits, on processor and release of torch."


def _files(folder: Path) -> Iterator[str]:
    yield "## Files"
    rows = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        rows.append((path.relative_to(folder).as_posix(), f"{path.stat().st_size:,}", f"`{sha256_of(path)}`"))
    yield markdown_table(Table(("file", "bytes", "SHA-256"), rows))


def _points(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _agent_results(contents: Contents) -> list[dict[str, Any]]:
    """One result for each input of the agent: its score, and its share of the way to the optimum, with intervals."""
    report = contents.report
    if report is None:
        return []
    world = stored_world(read_agent_description(contents.folder)["world"])
    columns = {column.key: column for place, column in enumerate(columns_of(world)) if not place or column.percent}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in report.records:
        if not record.subset or record.metric not in columns:
            continue
        label = input_label(record.subset, record.condition)
        metric: dict[str, Any] = {"type": record.metric, "name": f"{columns[record.metric].title}, {label}"}
        metric |= {"value": record.value}
        if record.low is not None and record.high is not None:
            metric |= {"args": {"interval_95": [record.low, record.high]}}
        found.setdefault((record.subset, record.condition), []).append(metric)
    return [_result("reinforcement-learning", world.id, input_label(*key), metrics) for key, metrics in found.items()]


def _representation_results(contents: Contents, described: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = _pretraining(contents.folder.parent / "metrics.csv")
    metrics = [{"type": name.replace(" ", "_"), "name": name, "value": value} for name, value in values.items()]
    where = described["world"]["id"] if described["world"] is not None else "recordings"
    return [_result("feature-extraction", where, "held-out samples", metrics)] if metrics else []


def _result(task: str, env: str, what: str, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    dataset = {"type": env.rpartition(":")[2], "name": f"{env.rpartition(':')[2]}, {what}"}
    return {"task": {"type": task, "name": task}, "dataset": dataset, "metrics": metrics}


def _pretraining(path: Path) -> dict[str, float]:
    """What a pretraining measured in the epoch with the lowest validation loss, in words; empty without its file."""
    if not path.is_file():
        return {}
    with reading(path, "Pretrain again, or remove it to do without."), path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("validation/total")]
        best = min(rows, key=lambda row: float(row["validation/total"]), default={})
        found = {"validation loss": float(best["validation/total"])} if best else {}
        for name, value in best.items():
            for begin, words in MEASURED.items():
                if name.startswith(begin) and not name.endswith("_rmse") and value:
                    what = name.removeprefix(begin).removesuffix("_r2").replace("_", " ")
                    found[words.format(what)] = float(value)
    return found
